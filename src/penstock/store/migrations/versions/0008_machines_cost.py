"""What each machine has cost since it is metered, kept with its meter; and pools whose strangers a person lets go."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PAID = "COALESCE((SELECT SUM(amount_micros) FROM span WHERE span.machine = meter.machine), 0)"
FIRST = "COALESCE((SELECT MIN(from_ms) FROM span WHERE span.machine = meter.machine), since_ms)"


def upgrade() -> None:
    for name in ("first_ms", "paid_micros"):
        op.add_column("meter", sa.Column(name, INTEGER, nullable=False, server_default=sa.text("0")))
    op.execute(f"UPDATE meter SET paid_micros = {PAID}, first_ms = {FIRST}")  # noqa: S608
    op.create_table(
        "cleared_pool",
        sa.Column("pool", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("until_ms", INTEGER, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
