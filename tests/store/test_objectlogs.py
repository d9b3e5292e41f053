"""Pieces of logs in an object store: which are read, which are joined, and which go."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from penstock.ports import StoreError
from penstock.store.objectlogs import MANY, ObjectLogs, Piece, chained, covered, read_names, tail
from penstock.store.objects import Objects

TEXT = bytes(range(256)) * 8


def piece(first: int, end: int, name: str = "") -> Piece:
    return Piece(first, end, name or f"{first}-{end}", first)


def spans(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in pieces]


def test_names_that_are_not_ours_are_left_alone() -> None:
    found = [
        ("logs/a/0000000000000000", 5),
        ("logs/a/0000000000000005-0000000000000010", 5),
        ("logs/a/0000000000000005-0000000000000011", 5),
        ("logs/a/5", 5),
        ("logs/a/note", 3),
        ("logs/a/000000000000000x", 3),
    ]
    assert spans(read_names(found)) == [(0, 5), (5, 10)]


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        ([], []),
        ([(5, 9)], []),
        ([(0, 5), (5, 9)], [(0, 5), (5, 9)]),
        ([(0, 5), (6, 9)], [(0, 5)]),
        ([(0, 5), (0, 9), (5, 9)], [(0, 9)]),
        ([(0, 5), (3, 9)], [(0, 5), (5, 9)]),
        ([(0, 5), (2, 4), (5, 5)], [(0, 5)]),
    ],
)
def test_a_log_is_what_follows_without_a_gap(
    pieces: list[tuple[int, int]], read: list[tuple[int, int]]
) -> None:
    assert spans(chained(piece(*one) for one in pieces)) == read


def test_of_two_that_hold_the_same_one_stays() -> None:
    twins = [piece(0, 5), piece(5, 9, "x"), piece(5, 9, "y")]
    for order in itertools.permutations(twins):
        chain = chained(order)
        assert covered(order, chain) == ["y"]


def test_only_what_is_no_longer_than_what_follows_is_joined() -> None:
    assert spans(tail(chained([piece(0, 100), piece(100, 110), piece(110, 120)]))) == [(100, 110), (110, 120)]
    assert spans(tail(chained([piece(0, 20), piece(20, 30), piece(30, 40)]))) == [(0, 20), (20, 30), (30, 40)]
    assert tail([]) == []


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=60), many=st.integers(2, 8))
def test_a_log_of_any_pieces_is_kept_in_few_objects(sizes: list[int], many: int) -> None:
    objects = Objects(MemoryStore())
    logs, offset = ObjectLogs(objects, many=many), 0
    for size in sizes:
        offset = logs.append("a", offset, TEXT[offset : offset + size])
    assert logs.read("a", 0, 1 << 20) == TEXT[:offset]
    # What stays before the joined tail at least doubles from piece to piece.
    assert len(objects.below("logs/a")) <= many + offset.bit_length()


def test_bytes_are_written_again_only_a_few_times() -> None:
    written = 0

    class Counting(Objects):
        def put_stream(self, path, chunks):  # type: ignore[no-untyped-def]
            nonlocal written
            data = b"".join(chunks)
            written += len(data)
            super().put_stream(path, [data])

    logs, size, count = ObjectLogs(Counting(MemoryStore())), 1000, 2000
    for number in range(count):
        logs.append("a", number * size, b"x" * size)
    assert logs.size("a") == size * count
    assert written < 6 * size * count


def test_joining_is_safe_when_it_is_cut_short_anywhere() -> None:
    class Dying(Objects):
        left = 0

        def telling(self, path: str, proof: str | None = None):  # type: ignore[no-untyped-def]
            self.left -= 1
            if self.left == 0:
                raise StoreError("cut short")
            return super().telling(path, proof)

    for calls in range(1, 40):
        memory = MemoryStore()
        near, dying = ObjectLogs(Objects(memory), many=1000), Dying(memory)
        for number in range(6):
            near.append("a", number * 10, TEXT[number * 10 : number * 10 + 10])
        dying.left = calls
        try:
            ObjectLogs(dying).join("a")
            done = True
        except StoreError:
            done = False
        assert near.read("a", 0, 1000) == TEXT[:60]
        ObjectLogs(Objects(memory)).join("a")
        assert near.read("a", 0, 1000) == TEXT[:60]
        assert len(Objects(memory).below("logs/a")) == 1
        if done:
            break
    assert calls > 8


def test_a_hub_that_remembers_an_older_end_adds_to_what_was_joined() -> None:
    objects = Objects(MemoryStore())
    slow, fast = ObjectLogs(objects), ObjectLogs(objects)
    assert slow.append("a", 0, TEXT[:10]) == 10
    for offset in range(10, 100, 10):
        fast.append("a", offset, TEXT[offset : offset + 10])
    fast.join("a")
    assert slow.append("a", 10, TEXT[10:120]) == 120
    assert fast.append("a", 100, TEXT[100:130]) == 130
    for hub in (slow, fast, ObjectLogs(objects)):
        assert hub.read("a", 0, 1000) == TEXT[:130]
        assert hub.read("a", 95, 30) == TEXT[95:125]
    fast.join("a")
    assert slow.read("a", 0, 1000) == TEXT[:130]


def test_an_append_does_not_fail_because_joining_does() -> None:
    class NoStream(Objects):
        def put_stream(self, path, chunks):  # type: ignore[no-untyped-def]
            raise StoreError("away")

    logs = ObjectLogs(NoStream(MemoryStore()))
    for offset in range(0, 10 * MANY, 10):
        assert logs.append("a", offset, TEXT[offset : offset + 10]) == offset + 10
    assert logs.read("a", 0, 1 << 20) == TEXT[: 10 * MANY]
