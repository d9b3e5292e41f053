"""Ranks of queued jobs go with the database: minus the priority before migration 0003, level and turn after it."""

import sqlite3
from pathlib import Path

from penstock.policy.ordering import level_of, turn_of
from penstock.store import migrations


def test_what_is_queued_keeps_its_priority_and_goes_before_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    migrations.upgrade(path, "0002")
    connection = sqlite3.connect(path)
    for name, rank in (("high", -3), ("none", 0), ("low", 2)):
        columns = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
        given = {"id": name, "rank": rank, "name": name}
        marks = ", ".join("?" for _ in columns)
        connection.execute(
            f"INSERT INTO job VALUES ({marks})",  # noqa: S608 - marks
            [given.get(column, 0) for column in columns],
        )
    connection.commit()
    connection.close()
    migrations.upgrade(path, "0003")
    connection = sqlite3.connect(path)
    found = {
        name: (rank, own) for name, rank, own in connection.execute("SELECT id, rank, own_rank FROM job")
    }
    connection.close()
    assert {name: rank >> 33 for name, (rank, _) in found.items()} == {
        "high": level_of("change", 3),
        "none": level_of("change", 0),
        "low": level_of("change", -2),
    }
    assert all(rank == own and turn_of(rank) == 0 for rank, own in found.values())
