"""What calls of providers came to: counted by kind, and how each provider stands now."""

from dataclasses import replace

import pytest
from farms import planned
from renting import Rented

from penstock.hub.census import Census
from penstock.hub.dealings import CLASSES, MOST_WORDS, Dealing, Dealings, dealings, kind_of
from penstock.hub.metrics import Metrics
from penstock.model.counted import Counted
from penstock.model.farm import Farm
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Listing, Order
from penstock.model.states import Power
from penstock.ports import NoAnswer, ProviderError, Throttled
from penstock.providers.simulated import Weather


@pytest.fixture
def farm() -> Rented:
    return Rented()


def counted(farm: Rented, what: str) -> dict[tuple[str, str], int]:
    return {(one.by, one.of): one.value for one in farm.all(Counted) if one.what == what}


def standing(farm: Rented) -> Dealing:
    return farm.store.read(lambda tx: dealings(tx)["burst"])


def gauges(farm: Rented) -> dict[tuple[str, ...], float]:
    asked = Metrics(farm.hub, Census(farm.hub))
    found = asked.samples(30.0)
    return {(one.name.removeprefix("penstock_"), *one.labels): one.value for one in found}


def test_refused_orders_are_counted_by_kind(farm: Rented) -> None:
    farm.provider.weather = Weather(no_capacity=1.0)
    farm.submit("c1", planned("zlib"))
    farm.until(Power.GONE)
    assert counted(farm, "error") == {("create", "capacity"): 1}
    farm.provider.weather = Weather(quota=0)
    for _ in range(10):
        farm.tick(30_000)
    assert counted(farm, "error")["create", "quota"] == 1
    assert gauges(farm)["provider_errors_total", "simulated", "burst", "create", "capacity"] == 1


def test_a_provider_that_is_away_is_so_since_the_first_listing_that_did_not_come(
    farm: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Listing:
        raise NoAnswer("no route to host" + " x" * MOST_WORDS)

    monkeypatch.setattr(farm.provider, "list", away)
    farm.tick(30_000)
    farm.tick(30_000)
    since_ms = farm.get(Farm, "farm").time_ms
    for _ in range(4):
        farm.tick(30_000)
    one = standing(farm)
    assert (one.away_since_ms, one.why.startswith("no route to host")) == (since_ms, True)
    assert len(one.why) == MOST_WORDS
    assert counted(farm, "error")["list", "no-answer"] >= 2
    assert gauges(farm)["provider_away_seconds", "burst"] == 120
    monkeypatch.undo()
    farm.tick(30_000)
    farm.tick(30_000)
    assert standing(farm) == Dealing()


def test_listings_with_gaps_are_counted(farm: Rented) -> None:
    farm.provider.weather = Weather(part_missing=1.0)
    farm.tick(30_000)
    farm.tick(30_000)
    assert counted(farm, "error") == {("list", "incomplete"): 1}


def orphans(farm: Rented, count: int) -> None:
    """Machines with our tags that no book has."""
    ours = farm.get(Farm, "farm")
    tags = {TAG_FARM: ours.uid, TAG_INCARNATION: ours.incarnation, TAG_MACHINE: "nobody"}
    for number in range(count):
        farm.provider.create(Order(offer="burst", token=f"strange {number}", tags=tags))


def test_orphans_wait_for_a_second_look_and_then_for_their_provider(farm: Rented) -> None:
    orphans(farm, 2)
    for _ in range(3):
        farm.tick(30_000)
    assert standing(farm) == Dealing(second=2)
    assert gauges(farm)["orphans", "burst", "second-look"] == 2
    farm.tick(30_000)
    farm.tick(30_000)
    assert counted(farm, "orphan") == {("found", ""): 2, ("deleted", ""): 2}
    for _ in range(4):
        farm.tick(30_000)
    assert standing(farm) == Dealing()
    assert counted(farm, "orphan") == {("found", ""): 2, ("deleted", ""): 2}, "each once"
    assert gauges(farm)["orphans_found_total", "burst"] == 2


def test_many_orphans_wait_for_a_person(farm: Rented) -> None:
    orphans(farm, 4)
    for _ in range(6):
        farm.tick(30_000)
    assert standing(farm) == Dealing(person=4)
    assert gauges(farm)["orphans", "burst", "person"] == 4
    assert counted(farm, "orphan") == {("found", ""): 4}


def test_every_failure_has_a_kind() -> None:
    assert [kind_of(kind("said")) for kind, _ in CLASSES] == [word for _, word in CLASSES]
    assert kind_of(RuntimeError("a library's")) == "broken"


def test_what_is_not_new_is_not_written(farm: Rented) -> None:
    one = Dealings(replace(farm.hub, epoch=farm.leading.epoch))
    one.failed("burst", "list", Throttled("later"))
    one.unlisted("burst", 0, ProviderError(""))
    one.write(1)
    one.write(2)
    assert counted(farm, "error") == {("list", "throttled"): 1, ("list", "refused"): 1}
    assert standing(farm) == Dealing(away_since_ms=1, why="ProviderError")
    one.unlisted("burst", 9, ProviderError(""))
    one.write(3)
    assert counted(farm, "error")["list", "refused"] == 2
