"""Sums over many records, without reading them out."""

import pytest
from conformance.store_suite import Driver, insert

from penstock.model.ledger import Account, BuildCost, Tally
from penstock.ports import Store


def tally(day: int, project: str, account: Account, amount: int, outcome: str = "") -> Tally:
    return Tally(
        day=day, project=project, platform="p", pool="x", klass="c", account=account, outcome=outcome,
        amount_micros=amount, quantity=day, count=1,
    )  # fmt: skip


class SumsSuite:
    """Of some days."""

    @pytest.fixture
    def summed(self, driver: Driver) -> Store:
        rows = (
            tally(7, "b", Account.IDLE, 1000),
            tally(8, "b", Account.DIRECT, 2**61),
            tally(8, "b", Account.DIRECT, 2**61, "PASSED"),
            tally(8, "ä", Account.IDLE, -3),
            tally(9, "b", Account.DIRECT, 5),
            tally(9, "", Account.DIRECT, 6),
            tally(10, "b", Account.DIRECT, 1000),
        )
        driver.store.write(insert(*rows))
        return driver.store

    def test_they_come_in_order_as_records_have_their_values(self, summed: Store) -> None:
        found = summed.read(
            lambda tx: tx.added(Tally, ("project", "account"), ("amount_micros", "quantity", "count"), 8, 10)
        )
        assert found == [
            ("", Account.DIRECT, 6, 9, 1),
            ("b", Account.DIRECT, 2**62 + 5, 25, 3),
            ("ä", Account.IDLE, -3, 8, 1),
        ]
        assert all(isinstance(row[1], Account) for row in found)

    def test_what_there_is_may_be_asked_for_without_sums(self, summed: Store) -> None:
        assert summed.read(lambda tx: tx.added(Tally, ("day",), (), 0, 9)) == [(7,), (8,)]
        assert summed.read(lambda tx: tx.added(Tally, ("day",), ("count",), 11, 99)) == []

    def test_a_transaction_adds_up_what_it_wrote(self, summed: Store) -> None:
        def twice(tx):  # type: ignore[no-untyped-def]
            tx.insert(tally(20, "b", Account.DIRECT, 4))
            return tx.added(Tally, ("day",), ("amount_micros",), 20, 21)

        assert summed.write(twice) == [(20, 4)]

    @pytest.mark.parametrize(
        ("by", "of"), [((), ("count",)), (("colour",), ()), (("day",), ("colour",)), (("day",), ("project",))]
    )
    def test_what_cannot_be_added_up_is_refused(self, driver: Driver, by, of) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(ValueError, match="Tally cannot be added up"):
            driver.store.read(lambda tx: tx.added(Tally, by, of, 0, 1))

    def test_what_is_not_stored_cannot_either(self, driver: Driver) -> None:
        with pytest.raises(TypeError, match="not a stored record"):
            driver.store.read(lambda tx: tx.added(Store, ("day",), (), 0, 1))
        with pytest.raises(ValueError, match="BuildCost cannot be added up"):
            driver.store.read(lambda tx: tx.added(BuildCost, ("project",), (), 0, 1))
