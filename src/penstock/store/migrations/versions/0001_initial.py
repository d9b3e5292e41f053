"""The first schema."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def farm() -> None:
    op.create_table(
        "farm",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("incarnation", TEXT, nullable=False),
        sa.Column("time_ms", INTEGER, nullable=False),
        sa.Column("leader", TEXT, nullable=False),
        sa.Column("leader_epoch", INTEGER, nullable=False),
        sa.Column("frozen", INTEGER, nullable=False),
        sa.Column("position", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )


def change() -> None:
    op.create_table(
        "change",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("trust", TEXT, nullable=False),
        sa.Column("klass", TEXT, nullable=False),
        sa.Column("priority", INTEGER, nullable=False),
        sa.Column("automatic", INTEGER, nullable=False),
        sa.Column("created_ms", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("change_source", "change", ["source", "created_ms", "id"])


def build() -> None:
    op.create_table(
        "build",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("change", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("open", INTEGER, nullable=False),
        sa.Column("created_ms", INTEGER, nullable=False),
        sa.Column("ended_ms", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("build_open", "build", ["open", "created_ms", "id"])
    op.create_index("build_source", "build", ["source", "open", "id"])
    op.create_index("build_created", "build", ["created_ms", "id"])


def job() -> None:
    op.create_table(
        "job",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("build", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("spec", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("open", INTEGER, nullable=False),
        sa.Column("rank", INTEGER, nullable=False),
        sa.Column("wanted", INTEGER, nullable=False),
        sa.Column("needs", TEXT, nullable=False),
        sa.Column("source_job", TEXT, nullable=False),
        sa.Column("unmet", INTEGER, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("waits_on", TEXT, nullable=False),
        sa.Column("culprit", TEXT, nullable=False),
        sa.Column("submitted_ms", INTEGER, nullable=False),
        sa.Column("ready_ms", INTEGER, nullable=False),
        sa.Column("ended_ms", INTEGER, nullable=False),
        sa.Column("deadline_ms", INTEGER, nullable=False),
        sa.Column("not_before_ms", INTEGER, nullable=False),
        sa.Column("attempts", INTEGER, nullable=False),
        sa.Column("epoch", INTEGER, nullable=False),
        sa.Column("losses", INTEGER, nullable=False),
        sa.Column("lost_on", TEXT, nullable=False),
        sa.Column("steady", INTEGER, nullable=False),
        sa.Column("automatic", INTEGER, nullable=False),
        sa.Column("output", TEXT, nullable=False),
        sa.Column("worktree", TEXT, nullable=False),
    )
    op.create_index("job_build", "job", ["build", "open", "id"])
    op.create_index("job_state", "job", ["state", "rank", "ready_ms", "id"])
    op.create_index("job_waits_on", "job", ["waits_on", "id"])
    op.create_index("job_open", "job", ["open", "deadline_ms", "id"])
    op.create_index("name_in_build", "job", ["build", "name"], unique=True)


def attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("build", TEXT, nullable=False),
        sa.Column("n", INTEGER, nullable=False),
        sa.Column("fence", TEXT, nullable=False),
        sa.Column("machine", TEXT, nullable=False),
        sa.Column("slot", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("pool", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("live", INTEGER, nullable=False),
        sa.Column("settled", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("size", TEXT, nullable=False),
        sa.Column("price_per_hour_micros", INTEGER, nullable=False),
        sa.Column("cost_micros", INTEGER, nullable=False),
        sa.Column("offered_ms", INTEGER, nullable=False),
        sa.Column("started_ms", INTEGER, nullable=False),
        sa.Column("ended_ms", INTEGER, nullable=False),
        sa.Column("granted_ms", INTEGER, nullable=False),
        sa.Column("right_until_ms", INTEGER, nullable=False),
        sa.Column("limit_ms", INTEGER, nullable=False),
        sa.Column("extended", INTEGER, nullable=False),
        sa.Column("acknowledge_digest", TEXT, nullable=False),
        sa.Column("finish_digest", TEXT, nullable=False),
        sa.Column("finish_body", TEXT, nullable=False),
        sa.Column("log_bytes", INTEGER, nullable=False),
        sa.Column("usage", TEXT, nullable=False),
        sa.Column("outputs", TEXT, nullable=False),
    )
    op.create_index("attempt_job", "attempt", ["job", "n", "id"])
    op.create_index("attempt_live", "attempt", ["live", "right_until_ms", "id"])
    op.create_index("attempt_unsettled", "attempt", ["settled", "state", "id"])
    op.create_index("attempt_session", "attempt", ["session", "settled", "id"])
    op.create_index("attempt_machine", "attempt", ["machine", "live", "id"])
    op.create_index("attempt_build", "attempt", ["build", "id"])
    op.create_index(
        "one_live_attempt_per_job",
        "attempt",
        ["job"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live = 1"),
    )
    op.create_index(
        "one_live_attempt_per_slot",
        "attempt",
        ["machine", "slot"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live = 1"),
    )
    op.create_index("attempts_are_counted", "attempt", ["job", "n"], unique=True)


def edge() -> None:
    op.create_table(
        "edge",
        sa.Column("parent", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("child", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("met", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("edge_child", "edge", ["child", "parent"])


def inputs() -> None:
    op.create_table(
        "inputs",
        sa.Column("job", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("parts", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )


def machine() -> None:
    op.create_table(
        "machine",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("pool", TEXT, nullable=False),
        sa.Column("platforms", TEXT, nullable=False),
        sa.Column("trust", TEXT, nullable=False),
        sa.Column("slots", INTEGER, nullable=False),
        sa.Column("has", TEXT, nullable=False),
        sa.Column("sized", INTEGER, nullable=False),
        sa.Column("taken", TEXT, nullable=False),
        sa.Column("busy", TEXT, nullable=False),
        sa.Column("identity", TEXT, nullable=False),
        sa.Column("sandbox", TEXT, nullable=False),
        sa.Column("price_per_hour_micros", INTEGER, nullable=False),
        sa.Column("power", TEXT, nullable=False),
        sa.Column("health", TEXT, nullable=False),
        sa.Column("health_reason", TEXT, nullable=False),
        sa.Column("streak", INTEGER, nullable=False),
        sa.Column("blamed", TEXT, nullable=False),
        sa.Column("failed_ms", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("accepting", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("machine_pool", "machine", ["pool", "name", "id"])
    op.create_index("machine_power", "machine", ["power", "id"])


def session() -> None:
    op.create_table(
        "session",
        sa.Column("id", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("machine", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("token_digest", TEXT, nullable=False),
        sa.Column("call", INTEGER, nullable=False),
        sa.Column("contact_ms", INTEGER, nullable=False),
        sa.Column("started_ms", INTEGER, nullable=False),
        sa.Column("expires_ms", INTEGER, nullable=False),
        sa.Column("open", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("session_token", "session", ["token_digest", "id"])
    op.create_index("session_open", "session", ["open", "machine", "id"])
    op.create_index("session_contact", "session", ["open", "contact_ms", "id"])
    op.create_index(
        "one_open_session_per_machine",
        "session",
        ["machine"],
        unique=True,
        sqlite_where=sa.text("open = 1"),
        postgresql_where=sa.text("open = 1"),
    )


def credential() -> None:
    op.create_table(
        "credential",
        sa.Column("digest", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("pool", TEXT, nullable=False),
        sa.Column("machine", TEXT, nullable=False),
        sa.Column("key_digest", TEXT, nullable=False),
        sa.Column("expires_ms", INTEGER, nullable=False),
        sa.Column("revoked", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )


def module() -> None:
    op.create_table(
        "module",
        sa.Column("trust", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("producer", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("platform", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("output", TEXT, nullable=False),
        sa.Column("worktree", TEXT, nullable=False),
        sa.Column("other_output", TEXT, nullable=False),
        sa.Column("created_ms", INTEGER, nullable=False),
        sa.Column("expires_ms", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("module_producer", "module", ["producer", "trust", "key"])
    op.create_index("module_state", "module", ["state", "trust", "key"])


def failure() -> None:
    op.create_table(
        "failure",
        sa.Column("trust", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("until_ms", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )


def blob() -> None:
    op.create_table(
        "blob",
        sa.Column("digest", TEXT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("size_bytes", INTEGER, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_ms", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
    )
    op.create_index("blob_state", "blob", ["state", "digest"])


def event() -> None:
    op.create_table(
        "event",
        sa.Column("seq", INTEGER, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("position", INTEGER, nullable=False),
        sa.Column("at_ms", INTEGER, nullable=False),
        sa.Column("build", TEXT, nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("attempt", TEXT, nullable=False),
        sa.Column("machine", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("event_position", "event", ["position", "seq"])
    op.create_index("event_job", "event", ["job", "seq"])


def upgrade() -> None:
    farm()
    change()
    build()
    job()
    attempt()
    edge()
    inputs()
    machine()
    session()
    credential()
    module()
    failure()
    blob()
    event()
