"""The ledger: meters and spans of machines, entries and their sums, prices, bills, guards."""

import sqlalchemy as sa
from alembic import op

from penstock.store.migrations.kinds import INTEGER, TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = {
    "ledger": (
        "id position# day# from_ms# until_ms# farm_ms# farm version#",
        ("id",),
    ),
    "meter": (
        "machine pool power since_ms# price_micros# count# slots# what mortal# farm_ms# direct_micros# direct_ms# "
        "run_ms# run_paid_micros# run_counted_ms# carry# held version#",
        ("machine",),
    ),
    "span": (
        "machine from_ms# until_ms# pool power price_micros# amount_micros# extra_micros# count# "
        "counted_ms# run_ms# version#",
        ("machine", "from_ms"),
    ),
    "entry": (
        "seq# day# at_ms# account amount_micros# quantity# unit price_micros# pool machine span_ms# "
        "power what attempt job build project branch name platform klass outcome final# version#",
        ("seq",),
    ),
    "price": (
        "pool what from_ms# price_micros# source version#",
        ("pool", "what", "from_ms"),
    ),
    "tally": (
        "day# project platform pool klass account outcome amount_micros# quantity# count# version#",
        ("day", "project", "platform", "pool", "klass", "account", "outcome"),
    ),
    "build_cost": (
        "build day# project branch commit amount_micros# passed_micros# lost_micros# dropped_micros# "
        "attempts# version#",
        ("build",),
    ),
    "footprint": (
        "day# project name platform asked_cores# asked_memory_mb#? attempts# held_ms# amount_micros# "
        "memory cores version#",
        ("day", "project", "name", "platform"),
    ),
    "bill": (
        "id provider account first# end# form currency billed effective rows# file digest taken_ms# "
        "current# lines# days_from# days_until# begun_ms# chain version#",
        ("id",),
    ),
    "bill_line": (
        "seq# bill day# service resource sku region category pool billed effective listed quantity unit "
        "rows# line# version#",
        ("seq",),
    ),
    "guarding": (
        "name state since_ms# fired_ms# reason figures approved_by undone# period version#",
        ("name",),
    ),
}
"""For each table its columns in order, "#" an integer, "?" where there may be none, and its key."""
INDEXES = {
    "span_until": ("span", ["until_ms", "machine", "from_ms"]),
    "entry_day": ("entry", ["day", "seq"]),
    "entry_machine": ("entry", ["machine", "span_ms", "seq"]),
    "entry_attempt": ("entry", ["attempt", "seq"]),
    "entry_build": ("entry", ["build", "seq"]),
    "build_cost_day": ("build_cost", ["day", "build"]),
    "bill_period": ("bill", ["current", "provider", "account", "first", "id"]),
    "bill_line_bill": ("bill_line", ["bill", "day", "seq"]),
}


def upgrade() -> None:
    for table, (columns, key) in TABLES.items():
        numbered = key == ("seq",)
        op.create_table(
            table,
            *(_column(column, key, numbered) for column in columns.split()),
            sqlite_autoincrement=numbered,
        )
    for index, (table, fields) in INDEXES.items():
        op.create_index(index, table, fields)
    op.add_column("change", sa.Column("branch", TEXT, nullable=False, server_default=sa.text("''")))


def _column(said: str, key: tuple[str, ...], numbered: bool) -> sa.Column:
    name, optional = said.rstrip("#?"), said.endswith("?")
    kind = INTEGER if "#" in said else TEXT
    if name in key:
        return sa.Column(name, kind, primary_key=True, autoincrement=numbered, nullable=False)
    return sa.Column(name, kind, nullable=optional)
