"""A run ends though a policy looks, orders and is refused for ever; what may still move is waited for."""

from sim.worlds import burst, history, own, run

from penstock.model.rules import Rules
from penstock.model.trial import Fault, Faults

DAY_MS = 86_400_000
FARM = Rules(pools=(own(1, platforms=("deb",)), burst(platforms=("win",))))


def test_a_refusal_without_end_ends_the_run() -> None:
    work = history([(0, 60_000), (0, 60_000)], platform=[0, 1])
    for preset in ("penstock", "cluster-autoscaler"):
        outcome, _ = run(work, FARM, preset=preset, faults=Faults(faults=(Fault(kind="no_capacity"),)))
        assert [end >= 0 for end in outcome.end_ms] == [True, False]


def test_a_refusal_of_a_month_is_waited_for() -> None:
    month = Fault(kind="no_capacity", until_ms=30 * DAY_MS)
    outcome, _ = run(
        history([(0, 60_000)], platform=[1]), FARM, preset="penstock", faults=Faults(faults=(month,))
    )
    assert outcome.end_ms[0] > outcome.begun_ms + 30 * DAY_MS


def test_a_job_of_a_month_is_waited_for() -> None:
    work = history([(0, 30 * DAY_MS), (0, 60_000)])
    outcome, _ = run(work, FARM, preset="penstock")
    assert all(end_ms >= 0 for end_ms in outcome.end_ms)
