"""How long jobs take, and a rank of level and turn that can fall again.

A rank was minus the priority; it becomes the level above the bits of the turn, with the oldest turn there is.
"""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TURNS = 2**33


def upgrade() -> None:
    op.create_table(
        "estimate",
        sa.Column("project", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("platform", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("count", INTEGER, nullable=False),
        sa.Column("mean_ms", INTEGER, nullable=False),
        sa.Column("variance_ms2", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.add_column("job", sa.Column("own_rank", INTEGER, nullable=False, server_default=sa.text("0")))
    op.execute(f"UPDATE job SET rank = rank * {TURNS}, own_rank = rank * {TURNS}")  # noqa: S608
