"""Records that the store numbers: many at once."""

import msgspec
import pytest
from conformance.samples import job
from conformance.store_suite import Driver, insert

from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.model.ledger import Account, Entry
from penstock.ports import Duplicate, Stale, Store, Tx


def events(count: int, kind: str = "job") -> list[Event]:
    return [Event(kind=kind, job=f"j{n}", state="queued") for n in range(count)]


def stored(store: Store) -> list[Event]:
    return store.read(lambda tx: tx.find(Event, "key"))


class NumberedSuite:
    """Appended together, and placed together."""

    @pytest.fixture
    def store(self, driver: Driver) -> Store:
        return driver.store

    @pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 50])
    def test_what_is_appended_is_there_in_its_order(self, store: Store, count: int) -> None:
        store.write(lambda tx: tx.append(events(count)))
        found = stored(store)
        assert [event.job for event in found] == [f"j{n}" for n in range(count)]
        numbers = [event.seq for event in found]
        assert numbers == sorted(set(numbers))
        assert [msgspec.structs.replace(event, seq=0) for event in found] == events(count)

    def test_what_an_operation_appends_it_finds(self, store: Store) -> None:
        def twice(tx: Tx) -> list[str]:
            tx.append(events(2))
            tx.insert(Event(kind="job", job="last"))
            return [event.job for event in tx.find(Event, "position", 0)]

        assert store.write(twice) == ["j0", "j1", "last"]

    def test_what_fails_later_takes_them_back(self, store: Store) -> None:
        store.write(insert(job("a")))

        def fails(tx: Tx) -> None:
            tx.append(events(20))
            tx.insert(job("a"))

        with pytest.raises(Duplicate):
            store.write(fails)
        assert stored(store) == []

    def test_places_are_counted_in_their_order(self, store: Store) -> None:
        store.write(lambda tx: tx.append(events(20)))

        def place(tx: Tx) -> None:
            found = tx.find(Event, "position", 0, limit=18)
            tx.place([*found[:5], *found[7:]], "position", 100)

        store.write(place)
        found = stored(store)
        assert [event.position for event in found] == [*range(100, 105), 0, 0, *range(105, 116), 0, 0]
        assert [event.version for event in found] == [1] * 5 + [0] * 2 + [1] * 11 + [0] * 2
        assert [event.job for event in found] == [f"j{n}" for n in range(20)]

    def test_what_was_placed_can_be_written_again(self, store: Store) -> None:
        store.write(lambda tx: tx.append(events(2)))

        def both(tx: Tx) -> None:
            found = tx.find(Event, "key")
            tx.place(found, "position", 7)
            again = tx.get(Event, found[0].seq)
            assert again is not None
            assert (again.position, again.version) == (7, 1)
            tx.replace(msgspec.structs.replace(again, reason="again"))
            tx.place([], "position", 9)

        store.write(both)
        assert [(event.position, event.version, event.reason) for event in stored(store)] == [
            (7, 2, "again"),
            (8, 1, ""),
        ]

    def test_one_that_is_not_as_it_was_read_keeps_all_where_they_were(self, store: Store) -> None:
        store.write(lambda tx: tx.append(events(4)))
        read = stored(store)
        store.write(lambda tx: tx.replace(msgspec.structs.replace(read[2], reason="changed")))
        with pytest.raises(Stale):
            store.write(lambda tx: tx.place(read, "position", 1))
        assert [event.position for event in stored(store)] == [0] * 4

    @pytest.mark.parametrize(
        "records",
        [[job("a")], [Event(kind="job"), Entry(day=1, at_ms=1, account=Account.IDLE, amount_micros=1)]],
    )
    def test_what_is_not_numbered_alike_is_refused(self, store: Store, records: list[msgspec.Struct]) -> None:
        for act in (lambda tx: tx.append(records), lambda tx: tx.place(records, "version", 1)):
            with pytest.raises(TypeError, match="numbered records of one kind"):
                store.write(act)
        assert store.read(lambda tx: tx.find(Job, "key")) == []

    def test_a_reader_appends_and_places_nothing(self, store: Store) -> None:
        store.write(lambda tx: tx.append(events(1)))
        found = stored(store)
        for act in (lambda tx: tx.append(found), lambda tx: tx.place(found, "position", 1)):
            with pytest.raises(TypeError, match="only reads"):
                store.read(act)
