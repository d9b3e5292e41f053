"""What machines had cost before meters kept it, migration 0008."""

import sqlite3
from pathlib import Path

from penstock.store import migrations


def row(connection: sqlite3.Connection, table: str, **given: object) -> None:
    columns = [one[1] for one in connection.execute(f"PRAGMA table_info({table})")]
    marks = ", ".join("?" for _ in columns)
    connection.execute(
        f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - marks
        [given.get(column, 0) for column in columns],
    )


def test_a_meter_knows_what_its_machine_cost_before(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    migrations.upgrade(path, "0007")
    connection = sqlite3.connect(path)
    row(connection, "meter", machine="old", since_ms=900)
    row(connection, "meter", machine="new", since_ms=700)
    row(connection, "span", machine="old", from_ms=100, until_ms=500, amount_micros=30)
    row(connection, "span", machine="old", from_ms=500, until_ms=900, amount_micros=12)
    connection.commit()
    connection.close()
    migrations.upgrade(path, "0008")
    connection = sqlite3.connect(path)
    found = list(connection.execute("SELECT machine, first_ms, paid_micros FROM meter ORDER BY machine"))
    connection.close()
    assert found == [("new", 700, 0), ("old", 100, 42)]
