"""Ends on disk: before they are first sent, through crashes, and gone when they were answered."""

import json
import os
from pathlib import Path

import pytest

from penstock.agent.finishes import Finishes


def end(name: str) -> dict[str, object]:
    return {"attempt": name, "fence": f"fence-{name}", "result": "passed", "log": "x" * 100}


def fresh(folder: Path, said: list[str] | None = None) -> Finishes:
    return Finishes(folder, (said if said is not None else []).append)


def test_what_is_sent_is_on_disk_and_what_is_answered_is_not(tmp_path: Path) -> None:
    kept = fresh(tmp_path)
    for name in "abc":
        kept.add(end(name))
    assert (tmp_path / "journal").read_bytes() == b""
    assert kept.to_send() == [end(name) for name in "abc"] == fresh(tmp_path).to_send()
    kept = fresh(tmp_path)
    kept.to_send()
    kept.forget("b")
    assert "b" not in kept
    assert [one["attempt"] for one in kept.named()] == ["a", "c"]
    # Answered but still in the file: sent once more after a crash, and answered the same.
    assert [one["attempt"] for one in fresh(tmp_path).named()] == ["a", "b", "c"]
    kept = fresh(tmp_path)
    for name in "abc":
        kept.to_send()
        kept.forget(name)
    assert not kept
    assert (tmp_path / "journal").read_bytes() == b""


def test_all_new_ones_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = fresh(tmp_path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for name in "abcd":
        kept.add(end(name))
    kept.to_send()
    kept.to_send()
    assert len(synced) == 1


def test_a_line_that_was_cut_was_never_sent(tmp_path: Path) -> None:
    kept = fresh(tmp_path)
    kept.add(end("a"))
    kept.to_send()
    with (tmp_path / "journal").open("ab") as file:
        file.write(json.dumps(end("b")).encode()[:-30])
    assert [one["attempt"] for one in fresh(tmp_path).named()] == ["a"]


def test_what_the_release_before_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps(end("old")))
    kept = fresh(tmp_path)
    assert kept.to_send() == [end("old")]
    assert not (tmp_path / "old.json").exists()
    assert fresh(tmp_path).to_send() == [end("old")]


def test_a_full_disk_is_said_and_ends_are_sent_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    kept = fresh(tmp_path, said)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    kept.add(end("a"))
    assert kept.to_send() == [end("a")]
    assert said == ["cannot keep the end of a: [Errno 28] No space left on device"]


def test_the_file_is_rewritten_when_it_is_long(tmp_path: Path) -> None:
    kept = fresh(tmp_path)
    kept.add({**end("first"), "log": "x" * 100})
    for number in range(100):
        kept.add({**end(f"a{number}"), "log": "x" * 20_000})
        kept.to_send()
        kept.forget(f"a{number}")
    assert (tmp_path / "journal").stat().st_size < (1 << 20) + 30_000
    assert "first" in [one["attempt"] for one in fresh(tmp_path).named()]
