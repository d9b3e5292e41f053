"""What must hold whatever jobs come and whatever the farm is: the reasons why the default policy may be trusted."""

from typing import Any, NamedTuple

from capacityfarm import ALONE, HOUR_MS, OWNED, RENTED, SPOT, Town
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.policy.capacity import columns as c

MINUTE_MS = 60_000
ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 20 * 60),  # seconds after the one before
        st.sampled_from([20, 60, 300, 301, 900, 3000]),
        st.integers(0, 1),  # its name
        st.integers(0, 1),  # its ask
    ),
    min_size=1,
    max_size=25,
)
KNOWN = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([30, 300, 1000, 5000])), max_size=8)
RULES = st.fixed_dictionaries(
    {
        "RULE_SPEND": st.integers(0, 1),
        "RULE_WAIT_PRICE": st.sampled_from([0, 0, 200_000, 5_000_000]),
        "RULE_TICK_MS": st.sampled_from([-1, 0, 5_000]),
        "RULE_PACK_MOST": st.sampled_from([1000, 3]),
    }
)
POOLS = st.lists(
    st.tuples(
        st.sampled_from([OWNED, RENTED, ALONE, SPOT]),
        st.sampled_from([{}, {c.POOL_SLOTS: 2}, {c.POOL_SLOTS: 2, c.POOL_CORES: 3, c.POOL_MEMORY_MB: 3000}]),
        st.sampled_from([{}, {c.POOL_COLD_MS: 200_000}, {c.POOL_SPEED_PPM: 600_000}]),
        st.sampled_from([{}, {c.POOL_USES: 2}, {c.POOL_MOST: 3}]),
    ),
    max_size=3,
).map(
    lambda found: [
        {**base, **slots, **times, **(most if base is not OWNED else {})}
        for base, slots, times, most in found
    ]
)


class Story(NamedTuple):
    """What comes when, on which farm."""

    pools: list[dict[int, int]]
    owned: int
    known: list[tuple[int, int]]
    arrivals: list[tuple[int, int, int, int]]
    rules: dict[str, int]


STORIES = st.builds(
    Story, POOLS.map(lambda pools: [OWNED, ALONE, *pools]), st.integers(0, 3), KNOWN, ARRIVALS, RULES
)


def told(story: Story, upto: int | None = None, **more: Any) -> Town:
    """The story, or the first arrivals of it."""
    town = Town(story.pools, story.owned, asks=2, **story.rules, **more)
    town.farm.asks[c.ASK_CORES][1], town.farm.asks[c.ASK_MEMORY_MB][1] = 3, 2000
    town.farm.asks[c.ASK_CORES][0], town.farm.asks[c.ASK_MEMORY_MB][0] = 1, 1000
    for name, lasts_s in story.known:
        town.know(lasts_s, name, times=3)
    for gap_s, lasts_s, name, ask in story.arrivals[:upto]:
        town.until(town.now_ms + gap_s * 1000)
        town.come(lasts_s, name, ask=ask)
    return town


@settings(max_examples=120)
@given(STORIES)
def test_every_job_runs_once_and_the_farm_comes_to_rest(story: Story) -> None:
    town = told(story)
    town.until(town.now_ms + 20 * 24 * HOUR_MS)
    assert len(town.starts()) == len(story.arrivals) == len([one for one in town.log if one[1] == c.START])
    assert town.pending() == town.farm.islands[c.ISLAND_RUNNING][0] == 0
    looks = town.looks
    town.until(town.now_ms + 90 * 24 * HOUR_MS)
    assert town.looks <= looks + 64, "disks are deleted, then nothing happens"
    for pool, settings_of in enumerate(story.pools):
        if not settings_of.get(c.POOL_OWNED):
            assert town.count(c.IDLE, pool) == town.count(c.COMING, pool) == town.count(c.STOPPED, pool) == 0


@settings(max_examples=60)
@given(STORIES, st.integers(0, 25))
def test_nothing_hangs_on_what_is_still_to_come(story: Story, upto: int) -> None:
    whole, part = told(story), told(story, upto)
    part.until(whole.now_ms)
    cut_ms = min(_arrived_ms(whole)[upto:], default=whole.now_ms + 1)
    assert [one for one in whole.log if one[0] < cut_ms] == [one for one in part.log if one[0] < cut_ms]


def _arrived_ms(town: Town) -> list[int]:
    return [town.farm.jobs[c.JOB_READY_MS][job] for job in range(town.jobs)]


@settings(max_examples=60)
@given(STORIES)
def test_no_more_machines_are_ordered_than_jobs_came(story: Story) -> None:
    town = told(story._replace(rules=story.rules | {"RULE_WAIT_PRICE": 0}))
    town.until(town.now_ms + 20 * 24 * HOUR_MS)
    assert len(town.acts(c.BOOT)) + len(town.acts(c.RESUME)) <= len(story.arrivals)


@settings(max_examples=60)
@given(ARRIVALS, st.integers(1, 3), st.integers(0, 1))
def test_on_owned_machines_alone_equal_jobs_start_in_order_of_submission(
    arrivals: list[tuple[int, int, int, int]], owned: int, known: int
) -> None:
    alike = [(gap_s, lasts_s, 0, 0) for gap_s, lasts_s, _, _ in arrivals]
    town = told(Story([OWNED], owned, [(0, 300)] * known, alike, {}))
    town.until(town.now_ms + 20 * 24 * HOUR_MS)
    begun = town.starts()
    assert list(begun) == sorted(begun)
    assert len(begun) == len(arrivals)


@settings(max_examples=60)
@given(ARRIVALS, st.integers(0, 3), st.sampled_from([-1, 5_000]))
def test_jobs_that_last_as_they_always_did_start_in_time(
    arrivals: list[tuple[int, int, int, int]], owned: int, tick_ms: int
) -> None:
    exact = [(gap_s, (300, 1500)[name], name, 0) for gap_s, _, name, _ in arrivals]
    town = told(
        Story([OWNED, RENTED], owned, [(0, 300)] * 20 + [(1, 1500)] * 20, exact, {"RULE_TICK_MS": tick_ms})
    )
    town.until(town.now_ms + 2 * 24 * HOUR_MS)
    assert max(town.waits_s()) <= 900


@settings(max_examples=40)
@given(STORIES)
def test_the_same_story_is_told_the_same_way(story: Story) -> None:
    assert told(story).log == told(story).log
