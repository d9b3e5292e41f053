"""Logs by line, whatever lengths lines have, while they grow."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.store.logs import FolderLogs
from penstock.web import loglines
from penstock.web.loglines import LogLines


@pytest.fixture
def logs(tmp_path: Path) -> FolderLogs:
    return FolderLogs(tmp_path / "logs")


def test_a_log_that_grows_is_counted_on(logs: FolderLogs) -> None:
    lines = LogLines(logs)
    assert (lines.count("a"), lines.tail("a", 5).lines) == (0, [])
    logs.append("a", 0, b"one\ntwo\nthr")
    assert lines.count("a") == 3
    assert lines.tail("a", 2) == (2, [b"two", b"thr"], False, False, True)
    logs.append("a", 11, b"ee\nfour\n")
    assert lines.count("a") == 4
    assert lines.window("a", 3, 10) == (3, [b"three", b"four"], False, False, False)
    assert lines.window("a", 2, 1) == (2, [b"two"], True, False, False)
    assert lines.window("a", 5, 10).lines == []
    assert lines.window("a", 99, 10).lines == []


def test_a_log_that_was_written_anew_is_counted_anew(tmp_path: Path, logs: FolderLogs) -> None:
    lines = LogLines(logs)
    logs.append("a", 0, b"one\ntwo\n")
    assert lines.count("a") == 2
    (tmp_path / "logs" / "a.log").write_bytes(b"x\n")
    assert lines.count("a") == 1


def test_a_line_of_megabytes_is_shown_in_part(logs: FolderLogs) -> None:
    long = b"x" * 700_000
    logs.append("a", 0, b"first\n" + long + b"\nlast\n")
    lines = LogLines(logs)
    window = lines.window("a", 2, 10)
    assert (len(window.lines), window.cut, window.more) == (1, True, True)
    assert lines.window("a", 3, 1).lines == [b"last"]
    assert lines.tail("a", 10) == (3, [b"last"], False, False, False)


def test_only_so_many_logs_are_remembered(logs: FolderLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loglines, "REMEMBERED", 2)
    lines = LogLines(logs)
    for name in "abc":
        logs.append(name, 0, b"x\n")
        assert lines.count(name) == 1
    assert lines.count("a") == 1


@settings(max_examples=60)
@given(st.lists(st.integers(0, 40_000), max_size=30), st.data())
def test_every_line_is_found_by_its_number(lengths: list[int], data: st.DataObject) -> None:
    class Kept:
        content = b"".join(bytes([97 + n % 26]) * length + b"\n" for n, length in enumerate(lengths))

        def size(self, attempt: str) -> int:
            return len(self.content)

        def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
            return self.content[offset : offset + most_bytes]

    lines = LogLines(Kept())  # type: ignore[arg-type]
    assert lines.count("a") == len(lengths)
    if lengths:
        number = data.draw(st.integers(1, len(lengths)))
        expected = Kept.content.split(b"\n")[number - 1]
        assert lines.window("a", number, 1).lines == [expected]
        tail = lines.tail("a", 5)
        assert tail.lines == Kept.content.split(b"\n")[:-1][tail.first - 1 :]


def test_a_log_that_does_not_come_holds_up_no_other(tmp_path: Path) -> None:
    logs = FolderLogs(tmp_path)
    for name in ("slow", "quick"):
        logs.append(name, 0, b"one\ntwo\n")
    asked, go = threading.Event(), threading.Event()

    class Slow:
        read = logs.read

        def size(self, attempt: str) -> int:
            if attempt == "slow":
                asked.set()
                go.wait(20)
            return logs.size(attempt)

    lines = LogLines(Slow())  # type: ignore[arg-type]
    with ThreadPoolExecutor(3) as threads:
        slow = [threads.submit(lines.count, "slow") for _ in range(2)]
        assert asked.wait(20)
        try:
            assert threads.submit(lines.count, "quick").result(10) == 2
        finally:
            go.set()
        assert [one.result(20) for one in slow] == [2, 2]
