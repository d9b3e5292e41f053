"""Projects, pools by rule, tokens of people, frozen farms, the release of a machine's agent.

New columns have a default, so that a hub of the release before can insert rows.
"""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DAY_MS = 86_400_000


def add(table: str, name: str, kind: sa.types.TypeEngine, default: str) -> None:
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=sa.text(default)))


def projects() -> None:
    for table in ("change", "job"):
        add(table, "project", TEXT, "''")
        add(table, "pools", TEXT, "'[]'")
        add(table, "queue_limit_ms", INTEGER, str(DAY_MS))
    add("attempt", "project", TEXT, "''")


def farms() -> None:
    add("farm", "frozen_reason", TEXT, "''")
    add("farm", "adopted", TEXT, "'[]'")
    add("farm", "address", TEXT, "''")


def token() -> None:
    op.create_table(
        "token",
        sa.Column("digest", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("created_ms", INTEGER, nullable=False),
        sa.Column("created_farm_ms", INTEGER, nullable=False),
        sa.Column("expires_ms", INTEGER, nullable=False),
        sa.Column("revoked", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("token_user", "token", ["user", "name", "digest"])


def writers() -> None:
    """Which transaction each writer committed last: asked when the answer of a COMMIT was lost."""
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "penstock_writer",
            sa.Column("id", TEXT, primary_key=True, nullable=False),
            sa.Column("last", TEXT, nullable=False),
            sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
            postgresql_with={"fillfactor": "20"},
        )


def oldest() -> None:
    """Which release may work with this database: the next ones only change the row."""
    table = op.create_table("penstock_schema", sa.Column("oldest", TEXT, nullable=False))
    op.bulk_insert(table, [{"oldest": "0001"}])


def upgrade() -> None:
    projects()
    farms()
    add("machine", "agent", TEXT, "''")
    token()
    op.create_index("credential_machine", "credential", ["machine", "digest"])
    op.create_index("event_kind", "event", ["kind", "seq"])
    writers()
    oldest()
