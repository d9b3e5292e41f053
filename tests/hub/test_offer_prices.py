"""Several offers of one pool, each at its own price: a machine is charged what the offer costs that it was made from."""

from dataclasses import replace

import msgspec
import pytest
from bookfarm import HOUR, rules, to_midnight
from farms import planned
from renting import BURST, Rented

from penstock.hub import queue
from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import report
from penstock.hub.fleet import machines_view
from penstock.hub.fsck import fsck
from penstock.model.job import Attempt
from penstock.model.ledger import Account, Entry, Meter, Price, Span
from penstock.model.machine import Machine
from penstock.model.rented import Offer, Order
from penstock.model.states import Power
from penstock.ports import NoCapacity, ProviderError

CHEAP = Offer(name="cheap", price_per_hour_micros=100_000, stopped_price_per_hour_micros=2_000)
DEAR = Offer(name="dear", price_per_hour_micros=900_000, stopped_price_per_hour_micros=3_000)


class Priced(Rented):
    """A farm with books, whose provider offers what `offers` says; `full` gives nothing."""

    __test__ = False

    def __init__(self, *offers: Offer) -> None:
        super().__init__(rules(BURST), books=True)
        self.offers, self.full = offers, set[str]()
        create = self.provider.create

        def refusing(order: Order) -> str:
            if order.offer in self.full:
                raise NoCapacity("none left")
            return create(order)

        self.provider.create = refusing  # type: ignore[method-assign]
        self.provider.offers = self.told  # type: ignore[method-assign]
        self.again()
        self.services.finish()

    def told(self) -> tuple[Offer, ...]:
        if not self.offers:
            raise ProviderError("no answer")
        return self.offers

    def entered(self) -> list[Entry]:
        self.services.finish()
        assert [str(one) for one in fsck(self.hub)] == []
        return self.all(Entry)

    def prices(self) -> dict[str, list[int]]:
        """What is in the books, by what it is for, the oldest first."""
        found: dict[str, list[int]] = {}
        for one in sorted(self.all(Price), key=lambda one: one.from_ms):
            found.setdefault(one.what, []).append(one.price_micros)
        return found


def test_a_machine_costs_what_its_own_offer_does_running_and_stopped() -> None:
    farm = Priced(CHEAP, DEAR)
    farm.idle()
    farm.until(Power.SUSPENDED)
    farm.tick(HOUR // 120)
    farm.entered()
    to_midnight(farm)
    farm.until(Power.GONE, 40_000)
    farm.entered()
    priced = {(str(one.power), one.price_micros) for one in farm.all(Span)}
    assert {("up", 100_000), ("booting", 100_000), ("suspended", 2_000)} <= priced
    assert {price for _, price in priced} == {100_000, 2_000}, "what goes from its sleep is billed as asleep"


def test_an_attempt_there_costs_it_too() -> None:
    farm = Priced(CHEAP, DEAR)
    who, attempt = farm.started()
    assert who.machine.price_per_hour_micros == CHEAP.price_per_hour_micros
    assert attempt.price_per_hour_micros == CHEAP.price_per_hour_micros
    farm.tick(30_000)
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(2000)
    (entry,) = [one for one in farm.entered() if one.account == Account.DIRECT]
    assert entry.price_micros == CHEAP.price_per_hour_micros
    assert entry.amount_micros == farm.get(Attempt, attempt.id).cost_micros > 0


def test_an_order_that_went_on_to_another_offer_costs_what_that_does_from_its_request_on() -> None:
    farm = Priced(CHEAP, DEAR)
    farm.full = {"cheap"}
    farm.submit("c1", planned("zlib"))
    farm.until(Power.BOOTING)
    farm.entered()
    assert {one.price_micros for one in farm.all(Span)} <= {DEAR.price_per_hour_micros}
    assert {one.price_micros for one in farm.all(Meter)} == {DEAR.price_per_hour_micros}
    assert farm.machine.price_per_hour_micros == DEAR.price_per_hour_micros


def test_a_new_price_holds_from_now_on_and_rewrites_nothing() -> None:
    farm = Priced(CHEAP, DEAR)
    farm.idle()
    before = farm.entered()
    farm.offers = (msgspec.structs.replace(CHEAP, price_per_hour_micros=150_000), DEAR)
    farm.restart()
    farm.tick(5_000)
    entered = farm.entered()
    assert entered[: len(before)] == before
    assert farm.prices()["hour cheap"] == [100_000, 150_000]
    assert farm.prices()["hour dear"] == [900_000]
    assert [one.price_micros for one in farm.all(Meter)] == [150_000]
    assert farm.machine.price_per_hour_micros == 150_000


def test_the_price_of_the_pool_is_not_theirs() -> None:
    """Nor does another price of the pool cut what has its own."""
    farm = Priced(CHEAP, DEAR)
    farm.idle()
    farm.with_rules(rules(msgspec.structs.replace(BURST, price_per_hour_micros=7)))
    farm.tick(5_000)
    farm.entered()
    assert farm.prices()["hour"] == [400_000, 7]
    assert {one.price_micros for one in farm.all(Span)} == {CHEAP.price_per_hour_micros}
    assert farm.machine.price_per_hour_micros == CHEAP.price_per_hour_micros


def test_another_leader_finds_the_prices_in_the_books() -> None:
    """Also where the provider does not offer it any more, or says nothing: what runs costs what it did."""
    farm = Priced(CHEAP, DEAR)
    farm.idle()
    farm.offers = ()
    farm.again()
    farm.until(Power.SUSPENDED)
    farm.entered()
    assert {one.price_micros for one in farm.all(Span)} == {CHEAP.price_per_hour_micros}
    assert [one.price_micros for one in farm.all(Meter)] == [CHEAP.stopped_price_per_hour_micros]


def test_what_was_not_told_at_first_is_asked_for_when_a_machine_comes_from_it() -> None:
    farm = Priced()
    farm.offers = (CHEAP,)
    farm.submit("c1", planned("zlib"))
    farm.until(Power.BOOTING)
    farm.tick(2000)
    farm.entered()
    assert farm.prices()["hour cheap"] == [100_000]
    assert [one.price_micros for one in farm.all(Meter)] == [100_000]


def test_a_pool_with_one_offer_of_its_name_has_one_price() -> None:
    farm = Rented(rules(BURST), books=True)
    farm.idle()
    farm.services.finish()
    assert {one.what for one in farm.all(Price)} == {"hour", "stopped", "egress"}


def test_where_the_only_offer_has_another_price_it_is_that() -> None:
    own = Offer(name="burst", price_per_hour_micros=123)
    farm = Priced(own)
    farm.idle()
    farm.entered()
    assert {one.price_micros for one in farm.all(Span)} == {123}


def test_machines_are_shown_with_their_offer_its_price_and_their_cost() -> None:
    farm = Priced(CHEAP, DEAR)
    farm.idle()
    spent = sum(one.amount_micros for one in farm.entered() if one.machine)
    farm.clock.wall += HOUR
    (line,) = machines_view(replace(farm.hub, providers={}))["machines"]
    assert (line["offer"], line["price_per_hour"]) == ("cheap", "0.100000")
    assert float(line["cost"]) == pytest.approx((spent + CHEAP.price_per_hour_micros) / 1e6, abs=0.01)
    assert [one.offer for one in farm.all(Machine)] == ["cheap"]


def test_costs_are_grouped_by_offer_when_machines_are_long_forgotten() -> None:
    farm = Priced(CHEAP, DEAR)
    farm.full = {"cheap"}
    who, attempt = farm.started()
    farm.tick(30_000)
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.until(Power.GONE, 40_000)
    entries = farm.entered()
    assert {one.offer for one in entries if one.pool == "burst"} == {"dear"}
    farm.hub.store.write(lambda tx: [tx.delete(one) for one in tx.find(Machine, "key")])
    days = Days(min(one.day for one in entries), max(one.day for one in entries) + 1)
    by_pool, by_offer = (report(farm.hub, days, by) for by in (["pool"], ["pool", "offer"]))
    (row,) = [one for one in by_offer["rows"] if one["of"]["pool"] == "burst"]
    (same,) = [one for one in by_pool["rows"] if one["of"]["pool"] == "burst"]
    assert row["of"] == {"pool": "burst", "offer": "dear"}
    assert {**row, "of": {}} == {**same, "of": {}}
    assert row["attempts"] == 1
    by_month = report(farm.hub, days, ["offer", "month", "project"])
    assert by_month["total"]["loaded"] == by_pool["total"]["loaded"]
