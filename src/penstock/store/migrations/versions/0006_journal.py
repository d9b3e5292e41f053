"""What the capacity policy was told, decision by decision."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", INTEGER, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at_ms", INTEGER, nullable=False),
        sa.Column("begins", INTEGER, nullable=False),
        sa.Column("decided", INTEGER, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sqlite_autoincrement=True,
    )
