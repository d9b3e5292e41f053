"""Full mode is the quick engine with everything in between: where nothing takes time in between, it comes to the same."""

import pytest
from fullfarms import BURST, OWN, history, rules

from penstock.model.outcome import Outcome
from penstock.model.rules import Pool, Rules
from penstock.model.trial import Policy
from penstock.model.workload import Workload
from penstock.sim import run, world

NO_STOPPED = Pool(
    name="plain",
    provider="simulated",
    platforms=("linux",),
    price_per_hour_micros=403_200,
    boot=BURST.boot,
    cold_cache_ms=60_000,
    delete_ms=5_000,
)
WIDE = Pool(name="own", provider="owned", platforms=("linux",), machines=2, slots=3)


def both(given: Workload, farm: Rules, policy: Policy = Policy()) -> tuple[Outcome, Outcome]:
    full = world.FullRun(given, farm, policy, every_ms=0)
    full.go()
    return run.simulate(given, farm, policy), full.outcome()


@pytest.mark.parametrize(
    ("seed", "farm"),
    [
        (1, rules()),
        (2, rules(BURST)),
        (3, rules(OWN, NO_STOPPED)),
        (4, rules(WIDE, BURST)),
        (5, rules(OWN, BURST, NO_STOPPED)),
    ],
)
def test_a_history_comes_to_the_same_starts_boots_and_bills(seed: int, farm: Rules) -> None:
    quick, full = both(history(80, seed), farm)
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert list(full.end_ms) == list(quick.end_ms)
    assert list(full.pool) == list(quick.pool)
    assert (full.boots, full.resumes, full.peaks) == (quick.boots, quick.resumes, quick.peaks)
    assert (full.costs, full.work_ms) == (quick.costs, quick.work_ms)
    assert (full.begun_ms, full.ended_ms) == (quick.begun_ms, quick.ended_ms)
