"""The ledger of a simulated farm is what its providers would bill: two meters that know nothing of each other."""

import msgspec
import pytest
from fullfarms import BURST, OWN, history, rules

from penstock.hub.fsck import fsck
from penstock.model.ledger import Account, Entry, Ledger, Meter, Span
from penstock.model.outcome import Outcome
from penstock.model.rules import Billing, Pool
from penstock.model.states import Power
from penstock.model.trial import Policy
from penstock.model.units import charge_micros
from penstock.policy.charging.meters import Moment, counted_ms, cut, terms_of, turn
from penstock.providers.simulated import Weather
from penstock.sim.world import FullRun

BY_MINUTES = msgspec.structs.replace(BURST, billing=Billing(granularity_ms=60_000, minimum_ms=600_000))
TAKEN = msgspec.structs.replace(
    BURST, billing=Billing(granularity_ms=1_000, minimum_ms=60_000), reclaim_per_hour=0.5
)
PRICED = msgspec.structs.replace(OWN, price_per_hour_micros=54_321)


def ran(*pools: Pool, seed: int = 1, jobs: int = 80, **how: object) -> tuple[FullRun, Outcome]:
    run = FullRun(history(jobs, seed), rules(*pools), Policy(), seed, books=True, **how)  # type: ignore[arg-type]
    run.go()
    outcome = run.outcome()
    run.world.services.finish()
    return run, outcome


def all_of(run: FullRun, kind):  # type: ignore[no-untyped-def]
    return run.world.store.read(lambda tx: tx.find(kind, "key"))


def spent_micros(run: FullRun, pool: Pool, ended_ms: int) -> int:
    """What the ledger has of a pool, when all that is left is given back at the end, as the simulator reckons."""
    terms = terms_of(pool, pool.price_per_hour_micros, pool.stopped_price_per_hour_micros or 0)
    total = sum(span.amount_micros for span in all_of(run, Span) if span.pool == pool.name)
    for meter in all_of(run, Meter):
        if meter.pool == pool.name:
            end = cut if not terms.rented else lambda *given: turn(given[0], Power.GONE, *given[1:])
            last = end(meter, terms, Moment(ended_ms))
            total += last.span.amount_micros if last.span else 0
    return total


@pytest.mark.parametrize(
    ("seed", "pool"), [(1, BURST), (2, BY_MINUTES), (3, TAKEN), (4, TAKEN), (5, BY_MINUTES)]
)
def test_rented_machines_cost_what_the_simulator_says_to_the_micro_unit(seed: int, pool: Pool) -> None:
    run, outcome = ran(PRICED, pool, seed=seed, every_ms=0)
    costs = outcome.costs[1]
    assert costs.running > 1_000_000
    assert spent_micros(run, pool, outcome.ended_ms) == costs.running + costs.stopped
    assert [str(one) for one in fsck(run.world.hub)] == []


def test_owned_machines_cost_their_price_all_the_time() -> None:
    run, outcome = ran(PRICED, BURST, every_ms=0)
    each = charge_micros(PRICED.price_per_hour_micros, outcome.ended_ms - outcome.begun_ms)
    assert spent_micros(run, PRICED, outcome.ended_ms) == 3 * each, "three machines, each rounded by itself"


def test_what_attempts_held_is_direct_and_the_rest_idle_or_on_the_way() -> None:
    run, outcome = ran(BURST, every_ms=0, seed=2)
    found = [one for one in all_of(run, Entry) if one.pool == "burst"]
    direct = [one for one in found if one.account == Account.DIRECT]
    ended = [one for one in direct if one.final]
    assert len(ended) == sum(outcome.attempts)
    assert sum(one.quantity for one in direct) == outcome.work_ms[0]
    terms = terms_of(BURST, BURST.price_per_hour_micros, BURST.stopped_price_per_hour_micros or 0)
    for meter in all_of(run, Meter):
        found += cut(meter, terms, Moment(outcome.ended_ms)).entries
    on_the_way = [one for one in found if one.account == Account.LIFECYCLE and not one.what]
    running = sum(one.amount_micros for one in on_the_way if one.price_micros == terms.hour)
    # The simulator rounds once for all machines, the ledger once for each run.
    assert abs(running - outcome.costs[0].lifecycle) <= len(on_the_way)


def test_between_listings_the_ledger_learns_late_and_never_charges_too_little() -> None:
    run, outcome = ran(BURST, seed=3, every_ms=10_000)
    costs = outcome.costs[0]
    turns = [span for span in all_of(run, Span) if span.power in (Power.SUSPENDING, Power.DELETING)]
    late = spent_micros(run, BURST, outcome.ended_ms) - costs.running - costs.stopped
    assert 0 < late <= len(turns) * charge_micros(BURST.price_per_hour_micros, 10_000)


def test_what_a_provider_made_and_did_not_say_is_only_on_its_bill() -> None:
    """Calls without an answer: machines that no row of ours knew until they were found and deleted."""
    weather = Weather(no_answer=0.3, no_capacity=0.2)
    run, outcome = ran(BURST, seed=4, every_ms=0, weather=weather)
    costs = outcome.costs[0]
    off = spent_micros(run, BURST, outcome.ended_ms) - costs.running - costs.stopped
    assert abs(off) <= costs.running // 1000
    assert [str(one) for one in fsck(run.world.hub)] == []


def test_the_farm_lives_and_so_do_its_books() -> None:
    run, outcome = ran(PRICED, BURST, every_ms=0)
    ledger = all_of(run, Ledger)[0]
    assert (ledger.from_ms, ledger.until_ms) == (outcome.begun_ms, outcome.ended_ms)
    (meter, *_) = [one for one in all_of(run, Meter) if one.pool == "own"]
    terms = terms_of(PRICED, PRICED.price_per_hour_micros, 0)
    assert counted_ms(meter, terms, Moment(outcome.ended_ms)) == outcome.ended_ms - meter.since_ms
