"""Cost per successful build, and waste, by hand."""

from penstock.model.ledger import BuildCost
from penstock.model.states import BuildState
from penstock.reports.buildcosts import failed_micros, per_project, ratio, waste
from tests.ledgers import UNIT, cost, direct, tally

PASSED, FAILED = BuildState.PASSED, BuildState.FAILED


def builds() -> list[BuildCost]:
    return [
        cost("1", 10, commit="a", passed_micros=10 * UNIT),
        cost("2", 30, commit="b", passed_micros=20 * UNIT, lost_micros=10 * UNIT),
        cost("3", 8, commit="b", passed_micros=3 * UNIT, dropped_micros=UNIT),
        cost("4", 6, commit="c"),
        cost("5", 2, project="gui", commit="a"),
        cost("6", 1, project="gui"),
    ]


STATES = {"1": PASSED, "2": PASSED, "3": FAILED, "4": FAILED, "5": FAILED, "6": FAILED}


def test_a_build_that_passed_has_its_retries_and_the_farm_its_failed_builds() -> None:
    core, gui = per_project(builds(), STATES, {"core": 60 * UNIT})
    assert (core.project, core.builds, core.passed, core.spent_micros) == ("core", 4, 2, 54 * UNIT)
    assert (core.mean_micros, core.p50_micros, core.p90_micros) == (20 * UNIT, 10 * UNIT, 30 * UNIT)
    assert (core.each_micros, core.loaded_micros) == (27 * UNIT, 30 * UNIT)
    assert (gui.builds, gui.passed, gui.mean_micros, gui.loaded_micros) == (2, 0, None, None)


def test_a_project_without_loaded_costs_has_none() -> None:
    assert per_project(builds(), {"6": PASSED}, {})[1].loaded_micros == 0


def test_waste_by_what_it_was() -> None:
    spent = [
        direct(62),
        tally("idle", 9, pool="rack"),
        tally("lifecycle", 4, pool="burst"),
        tally("overhead", 3),
    ]
    found = waste(spent, builds(), STATES)
    assert (found.idle, found.lifecycle, found.lost) == (9 * UNIT, 4 * UNIT, 10 * UNIT)
    assert (found.dropped, found.flaky, found.spent) == (UNIT, 4 * UNIT, 78 * UNIT)


def test_what_failed_by_its_own_doing() -> None:
    assert failed_micros(builds()[2]) == 4 * UNIT


def test_a_ratio_is_rounded_half_up() -> None:
    assert [ratio(n, 2) for n in (1, 2, 3)] == [1, 1, 2]
