"""What is rented: what its provider calls a machine, when it was ordered and why; decisions of the capacity policy and what
it has learnt."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXTS = ("provider_id", "client_token", "offer", "power_reason")
NUMBERS = ("called", "since_ms", "ordered_ms", "starts", "leaves_ms")


def upgrade() -> None:
    for name in TEXTS:
        op.add_column("machine", sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")))
    for name in NUMBERS:
        op.add_column("machine", sa.Column(name, INTEGER, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "decided",
        sa.Column("seq", INTEGER, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at_ms", INTEGER, nullable=False),
        sa.Column("view", TEXT, nullable=False),
        sa.Column("memory", TEXT, nullable=False),
        sa.Column("acts", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memory",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("at_ms", INTEGER, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
