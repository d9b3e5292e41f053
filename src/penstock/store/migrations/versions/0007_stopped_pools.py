"""Pools that people have stopped."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stopped_pool",
        sa.Column("pool", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("since_ms", INTEGER, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
