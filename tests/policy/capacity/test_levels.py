"""Timeouts that are learnt for each level of need."""

import pytest
from capacityfarm import ALONE, HOUR_MS, RENTED, farm

from penstock.policy.capacity import blank, changes, levels, presets, reasons
from penstock.policy.capacity import columns as c

STOP_MS, GONE_MS = RENTED[c.POOL_STOP_MS], RENTED[c.POOL_GONE_MS]


def gaps(made: c.Farm, gap_ms: int, times: int, now_ms: int = HOUR_MS) -> int:
    """The need for one machine rises and falls; between falling and rising there is a gap. Returns the last fall."""
    for _ in range(times):
        levels.rise(made, 0, now_ms)
        levels.fall(made, 0, now_ms)
        now_ms += gap_ms
    return now_ms - gap_ms


def idle(made: c.Farm, now_ms: int, boot_ms: int = 0) -> tuple[int, int]:
    """How long a machine that becomes idle now is kept, and how long after that it stays suspended."""
    machine = changes.boot(made, 0, now_ms - boot_ms, reasons.LEAST)
    changes.up(made, machine, now_ms)
    stop_ms = made.machines[c.MACHINE_STOP_MS][machine]
    return stop_ms - now_ms, made.machines[c.MACHINE_GONE_MS][machine] - stop_ms


def test_bands_are_half_octaves() -> None:
    assert [levels.band(level) for level in (0, 1, 2, 3, 4, 6, 8, 100)] == [0, 0, 2, 3, 4, 5, 6, 13]
    assert levels.band(2**40) == c.BANDS - 1


def test_first_answers() -> None:
    assert idle(farm([RENTED]), 2 * HOUR_MS) == (0, GONE_MS)
    worth = farm([RENTED], RULE_WAIT_PRICE=1_000_000)
    assert idle(worth, 2 * HOUR_MS) == (STOP_MS // 8, GONE_MS)


def test_short_gaps_teach_to_keep_a_machine_and_long_ones_not_to() -> None:
    made = farm([RENTED])
    last_ms = gaps(made, STOP_MS // 10, 30)
    assert idle(made, last_ms + 1)[0] == STOP_MS // 8
    last_ms = gaps(made, 100 * STOP_MS, 200, last_ms + 1)
    assert idle(made, last_ms + 1)[0] == 0


def test_disks_that_are_wanted_again_late_are_kept_for_longer() -> None:
    made = farm([RENTED])
    last_ms = gaps(made, 2 * GONE_MS - 10, 60)
    kept_ms = idle(made, last_ms + 1)[1]
    assert kept_ms == GONE_MS // 8, "twice the break-even time is never worth it: better at once"
    made = farm([RENTED])
    last_ms = gaps(made, GONE_MS // 3, 60)
    assert idle(made, last_ms + 1)[1] == GONE_MS


def test_machines_that_cost_nothing_are_kept() -> None:
    free = farm([{**ALONE, c.POOL_PRICE: 0, c.POOL_STOP_MS: c.NEVER_MS}])
    gaps(free, 1000, 3)
    machine = changes.boot(free, 0, HOUR_MS, reasons.LEAST)
    changes.up(free, machine, HOUR_MS)
    assert free.machines[c.MACHINE_STOP_MS][machine] == c.NEVER_MS
    assert free.machines[c.MACHINE_GONE_MS][machine] == c.NEVER_MS


def test_where_waking_costs_nothing_there_is_nothing_to_learn() -> None:
    made = farm([{**RENTED, c.POOL_STOP_MS: 0, c.POOL_GONE_MS: 0}])
    gaps(made, 1000, 3)
    assert not any(made.weights[0][c.WEIGHT_STOP :])


@pytest.mark.parametrize(
    ("granularity_ms", "minimum_ms", "kept_ms"),
    [(1000, 60_000, 0), (HOUR_MS, 0, 0), (HOUR_MS, HOUR_MS + 1, HOUR_MS), (7 * HOUR_MS, 0, 6 * HOUR_MS)],
)
def test_what_is_paid_anyway_is_used(granularity_ms: int, minimum_ms: int, kept_ms: int) -> None:
    pool = {**ALONE, c.POOL_GRANULARITY_MS: granularity_ms, c.POOL_MINIMUM_MS: minimum_ms}
    assert idle(farm([pool]), 2 * HOUR_MS, HOUR_MS)[0] == kept_ms


def test_time_that_stopping_takes_is_paid_too() -> None:
    pool = {**RENTED, c.POOL_MINIMUM_MS: HOUR_MS + 9_000, c.POOL_SUSPEND_MS: 4_000}
    assert idle(farm([pool]), 2 * HOUR_MS, HOUR_MS)[0] == 5_000
    pool = {**ALONE, c.POOL_MINIMUM_MS: HOUR_MS + 9_000, c.POOL_DELETE_MS: 2_000}
    assert idle(farm([pool]), 2 * HOUR_MS, HOUR_MS)[0] == 7_000


def test_a_preset_says_itself_how_long_a_machine_is_kept() -> None:
    made = farm([RENTED], RULE_PRESET=presets.PRESETS.index("mozilla-2012"))
    machine = changes.boot(made, 0, HOUR_MS, reasons.LEAST)
    changes.up(made, machine, HOUR_MS)
    assert levels.gone_ms(made, machine, HOUR_MS) == levels.later(HOUR_MS, GONE_MS)
    assert levels.later(HOUR_MS, c.NEVER_MS) == c.NEVER_MS


def test_marks_forget() -> None:
    made = blank.empty(c.Shape(1, 1, 1, 1, 1, 1, 1), 1)
    levels.marked(made, 0, 1)
    levels.marked(made, 0, 0)
    rescued, marks = made.weights[0][c.WEIGHT_RESCUED], made.weights[0][c.WEIGHT_MARKED]
    assert (rescued, marks) == (pytest.approx(1.985025), pytest.approx(5.955100))
