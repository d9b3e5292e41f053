"""What is counted for monitoring systems since the books began."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    keys = [
        sa.Column(name, TEXT, primary_key=True, autoincrement=False, nullable=False)
        for name in ("what", "pool", "by", "of")
    ]
    op.create_table(
        "counted",
        *keys,
        sa.Column("value", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
