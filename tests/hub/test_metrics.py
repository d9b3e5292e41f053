"""What a monitoring system is told: counters that only rise, figures that agree with the ledger, and few series."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from penstock.hub import metrics, moneyfigures, spending
from penstock.hub.census import Census
from penstock.hub.metrics import FAMILIES, Metrics, Sample
from penstock.hub.people import cancel
from penstock.hub.spending import Spending
from penstock.hub.steps import look
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Bill, Guarding, Ledger, Meter, Tally
from penstock.model.machine import Machine
from penstock.model.rules import Budget, Grant, Guard
from penstock.model.states import GuardState, Power
from penstock.model.units import DAY_MS
from penstock.ports import StoreError, Tx
from tests.farms import Agent, TestFarm, planned
from tests.ledgers import BOOKS, NOW_MS, RULES, SPENT, TODAY, UNIT, direct, ledger_farm, tally, write
from tests.renting import Rented

LONG_S = 30.0
MONEY = msgspec.structs.replace(
    RULES,
    budgets=(
        Budget(name="rent", amount=Decimal(141), pools=("burst",)),
        Budget(name="minutes", amount=Decimal(6000), unit="minutes", per="year"),
    ),
    grants=(Grant(name="aws", amount=Decimal(100), currency="USD", start="2026-11-01", until="2026-12-31"),),
    guards=(Guard(when="actual > 90%", hold_ms=0, then=("throttled",), name="stop"),),
)
RENT = 30 + 10 + 5 + 9 + 4.5


def told(found: Metrics | Iterable[Sample]) -> dict[tuple[str, ...], float]:
    samples = found.samples(LONG_S) if isinstance(found, Metrics) else found
    return {(sample.name.removeprefix("penstock_"), *sample.labels): sample.value for sample in samples}


def metrics_of(farm: TestFarm, rules=MONEY) -> Metrics:  # type: ignore[no-untyped-def]
    hub = replace(farm.hub, rules=rules)
    return Metrics(hub, Census(hub))


def test_what_was_spent_and_what_is_left() -> None:
    meter = Meter(
        machine="m1", pool="burst", power=Power.UP, since_ms=NOW_MS - 1_800_000, price_micros=400_000, direct_micros=50_000
    )  # fmt: skip
    bill = Bill(
        id="b", provider="aws", account="1", first=1, end=2, form="cur", currency="USD", billed="1", effective="1",
        rows=1, file="f", digest="d", taken_ms=5000,
    )  # fmt: skip
    older = msgspec.structs.replace(bill, id="a", taken_ms=4000, current=False)
    coming = msgspec.structs.replace(bill, id="c", taken_ms=0, provider="azure")
    state = Guarding(name="stop", state=GuardState.PENDING)
    farm = ledger_farm(*SPENT, meter, bill, older, coming, state)
    farm.clock.wall += 90_000
    found = told(metrics_of(farm))
    assert found["cost_micros_total", "burst", "direct", "core"] == 43 * UNIT
    assert found["cost_micros_total", "", "overhead", ""] == 12 * UNIT
    assert found["cost_unentered_micros", "burst"] == 200_000 + 10_000 - 50_000
    assert found["budget_used_ratio", "rent"] == RENT / 141
    assert found["budget_used_ratio", "minutes"] == 53 * 60 / 6000
    assert found["grant_left_micros", "aws"] == (100 - RENT) * UNIT
    assert found["grant_ends_timestamp_seconds", "aws"] == 1798761600  # 2027-01-01
    assert found["guard_state", "stop", "pending"] == 1
    assert sum(value for key, value in found.items() if key[0] == "guard_state") == 1
    assert found["bill_taken_timestamp_seconds", "aws"] == 5
    assert found["bill_until_timestamp_seconds", "aws"] == 2 * 86_400
    assert found["budget_left_micros", "rent"] == (141 - RENT) * UNIT
    assert found["budget_left_seconds", "minutes"] == (6000 - 53 * 60) * 60
    assert found["budget_forecast_ratio", "rent"] >= found["budget_used_ratio", "rent"]
    low, high = (found["budget_forecast_edge_ratio", "rent", edge] for edge in ("p10", "p90"))
    assert found["budget_used_ratio", "rent"] <= low <= high
    assert ("bill_taken_timestamp_seconds", "azure") not in found, "it is not whole yet"
    assert found["ledger_lag_seconds",] == 90


NOT_HERE = {
    *(name for name, family in FAMILIES.items() if family.kind != "gauge" and "cost" not in name),
    *(name for name in FAMILIES if "_bill_" in name or "_provider_" in name or name == "penstock_orphans"),
    "penstock_cost_unentered_micros",
}
"""Of a farm whose books are kept by its bookkeeper, that rents, and that gets bills."""


def test_every_sample_is_of_a_family_and_has_its_labels() -> None:
    farm = ledger_farm(*SPENT)
    Agent(farm, "m1", pool="rack")
    farm.submit("c1", planned("zlib"))
    names = set()
    for sample in metrics_of(farm).samples(LONG_S):
        assert len(sample.labels) == len(FAMILIES[sample.name].labels), sample
        names.add(sample.name)
    assert set(FAMILIES) - names <= NOT_HERE


def test_what_ended_how_long_it_waited_and_what_was_rented_is_counted_once() -> None:
    farm = Rented(books=True)
    farm.idle()
    farm.until(Power.GONE, 40_000)
    farm.services.finish()
    klass = farm.all(Job)[0].spec.klass
    (attempt,) = farm.all(Attempt)
    for _ in range(2):
        found = {(one.name, *one.labels): one for one in metrics_of(farm).samples(LONG_S)}
        assert found["penstock_attempts_total", "burst", "", "FAILED"].value == 1
        for power in ("requested", "booting", "up", "deleting", "GONE"):
            assert found["penstock_power_total", "burst", power].value == 1
        waited = found["penstock_wait_seconds", "burst", klass]
        assert waited.value == (attempt.started_ms - farm.all(Job)[0].ready_ms) / 1000
        assert waited.buckets[-1] == ("+Inf", 1)
        assert dict(waited.buckets)["5"] == 0
        assert found["penstock_run_seconds", "burst", klass].buckets[-1] == ("+Inf", 1)


def test_what_was_decided_and_how_long_its_parts_took() -> None:
    farm = Rented(books=True)
    farm.idle()
    farm.until(Power.GONE, 40_000)
    farm.services.finish()
    found = {(one.name, *one.labels): one for one in metrics_of(farm).samples(LONG_S)}
    decided = "penstock_scale_decisions_total", "burst"
    assert found[*decided, "boot", "jobs"].value == 1
    assert found[*decided, "suspend", "idle"].value == 1
    assert found[*decided, "delete", "suspended"].value == 1
    booted = found["penstock_phase_seconds", "burst", "boot"]
    assert booted.buckets[-1] == ("+Inf", 1)
    assert 30 <= booted.value <= 60, "as long as the provider takes, and what its agent takes to call"
    assert found["penstock_provider_away_seconds", "burst"].value == 0


def test_a_job_that_never_begins_is_seen_while_it_waits_and_afterwards() -> None:
    """A histogram of waits has only those that began."""
    farm = TestFarm(books=True)
    build = farm.submit("c1", planned("a"))
    asked = Metrics(farm.hub, Census(farm.hub))
    farm.clock.wall += 3_600_000
    found = told(asked)
    assert found["queue_oldest_seconds", "linux", "change"] == found["pool_oldest_seconds", "own"] == 3600
    cancel(farm.hub, build.id, "nobody wants it")
    farm.tick()
    farm.services.finish()
    found = told(asked)
    assert found["jobs_unstarted_total", "linux", "CANCELLED"] == 1
    assert not [key for key in found if key[0] in ("wait_seconds", "pool_oldest_seconds")]


def test_how_a_bill_agrees_with_what_was_metered(monkeypatch: pytest.MonkeyPatch) -> None:
    bill = Bill(
        id="b", provider="aws", account="1", first=1, end=2, form="cur", currency="USD", billed="1", effective="1",
        rows=1, file="f", digest="d", taken_ms=5000,
    )  # fmt: skip
    asked = []

    def said(hub: object, month: str) -> dict[str, object]:
        asked.append(month)
        two = {"pool": "rack", "days": 0, "residual_percent": 4.0}
        return {"pools": [{"pool": "burst", "days": 3, "residual_percent": -2.5}, two]}

    monkeypatch.setattr(moneyfigures, "reconcile", said)
    farm = ledger_farm(*SPENT, bill)
    found = metrics_of(farm)
    for _ in range(3):
        figures = told(found)
        assert figures["bill_residual_ratio", "burst"] == -0.025
        assert ("bill_residual_ratio", "rack") not in figures, "no day of it is on the bill"
        farm.clock.monotonic += 61_000
    assert asked == [""], "nothing was ingested since"


def test_jobs_and_machines_are_those_of_the_census() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("a"), planned("b"), planned("c", needs=["a"]))
    asked = Metrics(farm.hub, Census(farm.hub))
    farm.clock.wall += 60_000
    found = told(asked)
    assert (found["jobs", "queued"], found["jobs", "blocked"]) == (2, 1)
    assert found["queue_jobs", "linux", "change"] == 2
    assert found["queue_oldest_seconds", "linux", "change"] == 60
    assert found["machines", "own", "up", "unknown"] == 1
    farm.tick()
    for work in agent.start():
        agent.run(work)
    gone = msgspec.structs.replace(farm.get(Machine, agent.machine.id), power=Power.GONE)
    farm.store.write(lambda tx: tx.replace(gone))
    farm.store.write(lambda tx: tx.insert(Event(kind="machine", machine=gone.id)))
    assert not [key for key in told(asked) if key[0] == "machines"]


def test_the_largest_groups_of_the_queue_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_GROUPS", 1)
    farm = TestFarm()
    farm.submit(
        "c1", planned("a"), planned("b"), planned("c", klass="nightly"), planned("d", klass="release")
    )
    found = {
        key[1:]: value
        for key, value in told(Metrics(farm.hub, Census(farm.hub))).items()
        if key[0] == "queue_jobs"
    }
    assert found == {("linux", "change"): 2, ("(others)", "(others)"): 2}


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    farm = TestFarm()
    store = farm.store.read(lambda tx: tx.get(Ledger, "ledger"))
    if store is not None:
        farm.store.write(lambda tx: tx.delete(store))
    found = told(metrics_of(farm))
    assert not [
        key for key in found if key[0].startswith(("cost", "budget", "grant", "bill", "ledger", "queue"))
    ]
    assert found["farm_frozen",] == 0


def test_a_farm_that_cannot_be_read_now_tells_what_it_told(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = ledger_farm(*SPENT)
    asked = metrics_of(farm)
    before = told(asked)

    def away(*_: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr(asked, "_spent", away)
    assert told(asked) == before


def test_counters_only_rise() -> None:
    farm = ledger_farm(BOOKS, direct(1), tally("idle", 0.000003, pool="burst"))
    asked = metrics_of(farm)
    assert told(asked)["cost_micros_total", "burst", "idle", ""] == 3
    row = farm.store.read(lambda tx: tx.find(Tally, "key"))
    idle = next(one for one in row if one.account == "idle")
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(idle, amount_micros=2)))
    assert told(asked)["cost_micros_total", "burst", "idle", ""] == 3
    books = farm.get(Ledger, "ledger")
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(books, farm="another")))
    assert told(asked)["cost_micros_total", "burst", "idle", ""] == 2, "they begin anew with other books"


def test_days_that_are_over_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = ledger_farm(*SPENT)
    sums, reads = Spending(), []

    def read(tx: Tx, farm: Farm) -> Ledger | None:
        real = tx.added
        monkeypatch.setattr(
            tx, "added", lambda *asked: reads.append(asked[-2:]) or real(*asked), raising=False
        )
        return sums.catch_up(tx)

    def catch_up() -> Ledger | None:
        reads.clear()
        return look(farm.hub, read)

    def entered(day: int, *records: Tally) -> None:
        write(farm.store, *records)
        books = farm.get(Ledger, "ledger")
        farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(books, day=day)))

    catch_up()
    assert sum(sums.totals.values()) == 78.5 * UNIT
    assert reads[0][0] <= BOOKS.from_ms // DAY_MS
    catch_up()
    assert {first for first, _ in reads} == {TODAY - 1}
    entered(TODAY + 2, direct(2, day=TODAY + 1), direct(4, day=TODAY + 2))
    catch_up()
    assert {first for first, _ in reads} == {TODAY - 1, TODAY + 1}
    assert sum(sums.totals.values()) == 84.5 * UNIT
    assert sums.daily[TODAY + 2, "burst"] == (4 * UNIT, 4 * 3_600_000)
    entered(TODAY)  # as after a restore
    catch_up()
    assert sum(sums.totals.values()) == 84.5 * UNIT
    assert len(reads) > 4


def test_projects_beyond_the_first_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "MOST_PROJECTS", 1)
    farm = ledger_farm(*SPENT)
    sums = Spending()
    look(farm.hub, lambda tx, farm: sums.catch_up(tx))
    by_project = {
        project: amount for (pool, account, project), amount in sums.totals.items() if account == "direct"
    }
    assert by_project == {"core": 43 * UNIT, "(others)": 10 * UNIT}


def test_another_farms_books_are_other_sums() -> None:
    farm = ledger_farm(*SPENT)
    sums = Spending()
    look(farm.hub, lambda tx, farm: sums.catch_up(tx))
    books = farm.get(Ledger, "ledger")
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(books, farm="another", from_ms=NOW_MS)))
    look(farm.hub, lambda tx, farm: sums.catch_up(tx))
    assert sum(sums.totals.values()) == 70.5 * UNIT, "what was before its beginning is not of these books"
    assert farm.get(Farm, "farm")
