"""What every log store must do. A subclass gives the fixture `open_again`: another process's view of the same logs."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.ports import LogStore

KIB, MIB = 1 << 10, 1 << 20
WAIT_S = 60
BAD_NAMES = ("", "a/b", "../a", "a.log", "a\n", "a\0b", "x" * 65, "\u00e9", "a b", "%2e", ".")
Opening = Callable[[], LogStore]


def whole(logs: LogStore, attempt: str) -> bytes:
    return logs.read(attempt, 0, 1 << 40)


class LogSuite:
    """Appending, reading, and several who do both."""

    @pytest.fixture
    def logs(self, open_again: Opening) -> LogStore:
        return open_again()

    def test_what_goes_in_comes_out(self, logs: LogStore, open_again: Opening) -> None:
        assert logs.append("a", 0, b"hello ") == 6
        assert logs.append("a", 6, b"world") == 11
        for reader in (logs, open_again()):
            assert whole(reader, "a") == b"hello world"
            assert reader.size("a") == 11
            assert reader.read("a", 3, 5) == b"lo wo"
            assert reader.read("a", 6, 100) == b"world"
            assert reader.read("a", 11, 100) == reader.read("a", 99, 100) == reader.read("a", 0, 0) == b""

    def test_an_attempt_that_printed_nothing(self, logs: LogStore) -> None:
        assert (logs.size("a"), logs.read("a", 0, 10), list(logs.attempts())) == (0, b"", [])
        assert logs.append("b", 0, b"") == 0
        assert logs.append("b", 0, b"x") == 1

    def test_a_repeat_changes_nothing(self, logs: LogStore, open_again: Opening) -> None:
        for turn in (logs, logs, open_again()):
            assert turn.append("a", 0, b"hello ") == 6
        for turn in (logs, logs, open_again()):
            assert turn.append("a", 6, b"world") == 11
        assert logs.append("a", 0, b"hello ") == 11
        assert logs.append("a", 11, b"") == 11
        assert whole(logs, "a") == b"hello world"

    def test_what_is_there_stays_as_it_is(self, logs: LogStore) -> None:
        logs.append("a", 0, b"hello")
        assert logs.append("a", 0, b"HELLO") == 5
        assert logs.append("a", 3, b"LOWER") == 8
        assert whole(logs, "a") == b"hello" + b"WER"

    @pytest.mark.parametrize("offset", [6, 7, 1 << 30])
    def test_a_gap_is_refused_with_the_offset_that_is_expected(self, logs: LogStore, offset: int) -> None:
        logs.append("a", 0, b"hello")
        assert logs.append("a", offset, b"later") == 5
        assert logs.append("a", 0, b"") == 5
        assert whole(logs, "a") == b"hello"

    @pytest.mark.parametrize("offset", [-1, -5, -100])
    def test_before_the_beginning_there_is_nothing(self, logs: LogStore, offset: int) -> None:
        logs.append("a", 0, b"hello")
        assert logs.append("a", offset, b"a long piece of log") == 5
        assert whole(logs, "a") == b"hello"

    def test_pieces_may_overlap(self, logs: LogStore) -> None:
        text = bytes(range(200))
        for start, end in ((0, 50), (25, 75), (0, 75), (70, 71), (74, 130), (10, 200)):
            logs.append("a", start, text[start:end])
        assert whole(logs, "a") == text

    def test_logs_are_named_listed_and_deleted(self, logs: LogStore, open_again: Opening) -> None:
        for name in ("b", "a", "a-1", "A_9"):
            logs.append(name, 0, name.encode())
        assert list(logs.attempts()) == sorted(["b", "a", "a-1", "A_9"])
        open_again().delete("a")
        logs.delete("a")
        logs.delete("nothing")
        assert list(open_again().attempts()) == ["A_9", "a-1", "b"]
        assert whole(open_again(), "a") == b""
        assert whole(logs, "a-1") == b"a-1"
        assert logs.append("a", 0, b"again") == 5

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_names_are_refused(self, logs: LogStore, name: str) -> None:
        calls = (
            lambda: logs.append(name, 0, b"x"),
            lambda: logs.size(name),
            lambda: logs.read(name, 0, 1),
            lambda: logs.delete(name),
        )
        for call in calls:
            with pytest.raises(ValueError):
                call()
        assert list(logs.attempts()) == []

    def test_two_hubs_take_turns(self, open_again: Opening) -> None:
        hubs, text = [open_again(), open_again()], random.Random(1).randbytes(20 * KIB)
        offset, turn = 0, 0
        while offset < len(text):
            offset = hubs[turn % 2].append("a", offset, text[offset : offset + 97 + turn])
            turn += 1
        assert [whole(hub, "a") for hub in hubs] == [text, text]

    def test_many_append_the_same_at_once(self, open_again: Opening) -> None:
        text, begin = random.Random(2).randbytes(30 * KIB), threading.Barrier(4)

        def ship(number: int) -> None:
            hub, size, offset = open_again(), 100 + 37 * number, 0
            begin.wait(WAIT_S)
            while offset < len(text):
                offset = hub.append("a", offset, text[offset : offset + size])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ship, range(4)))
        assert whole(open_again(), "a") == text
        assert open_again().size("a") == len(text)

    def test_a_reader_beside_a_writer_sees_a_beginning(self, open_again: Opening) -> None:
        text, writer, reader = random.Random(3).randbytes(20 * KIB), open_again(), open_again()

        def ship() -> None:
            for offset in range(0, len(text), 200):
                writer.append("a", offset, text[offset : offset + 200])

        with ThreadPoolExecutor(1) as threads:
            shipping = threads.submit(ship)
            seen = 0
            while seen < len(text):
                found = whole(reader, "a")
                assert text.startswith(found)
                assert len(found) >= seen
                seen = len(found)
                if shipping.done():
                    shipping.result()

    @pytest.mark.slow
    def test_fifty_megabytes_take_little_memory(self, open_again: Opening) -> None:
        logs, piece, count = open_again(), random.Random(4).randbytes(256 * KIB), 200
        for number in range(count):
            assert logs.append("a", number * len(piece), piece) == (number + 1) * len(piece)
            if number == 20:
                before = _memory_peak_again()
        for offset in range(0, count * len(piece), 5 * MIB):
            assert logs.read("a", offset, len(piece)) == _around(piece, offset, len(piece))
        assert logs.read("a", count * len(piece) - 10, 100) == piece[-10:]
        if self.bounded:
            assert _memory_peak_now() - before < 64 * MIB

    bounded = True


def _around(piece: bytes, offset: int, size: int) -> bytes:
    first = offset % len(piece)
    return (piece + piece)[first : first + size]


def _memory_peak_again() -> int:
    """Forget the highest memory of this process, and give what it has now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS:")


def _memory_peak_now() -> int:
    return _status("VmHWM:")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * KIB
