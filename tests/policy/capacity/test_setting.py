"""From rules and asks to columns: what suits what, islands, break-even times with all their corner cases."""

import pytest

from penstock.model.rules import Billing, Pool, Quantiles, Rules, Waiting
from penstock.model.units import NEVER_MS, Size
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.blank import empty
from penstock.policy.capacity.setting import (
    Ask,
    Choice,
    break_even_ms,
    fill,
    islands,
    machines_of,
    merged,
    setting,
    shape,
    suited,
    why_none,
)


def pool(**fields: object) -> Pool:
    return Pool(**{"name": "p", "provider": "ec2", "platforms": ("deb",)} | fields)  # type: ignore[arg-type]


def rented(**fields: object) -> Pool:
    """The machine of the research: $0.4032 an hour, disk $0.01096, boot 90 s, resume 45 s."""
    given = {
        "price_per_hour_micros": 403_200,
        "stopped_price_per_hour_micros": 10_960,
        "boot": Quantiles(90_000, 90_000),
        "resume": Quantiles(45_000, 45_000),
    }
    return pool(**given | fields)


ASK = Ask("deb", "change", "qemu", 2, 2048)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, ""),
        ({"platforms": ("win",)}, "platform"),
        ({"classes": ("release",)}, "class"),
        ({"classes": ("release", "change")}, ""),
        ({"projects": ("qt",)}, "project"),
        ({"projects": ("qemu",)}, ""),
        ({"size": Size(1, None)}, "cores"),
        ({"size": Size(2, 2047)}, "memory"),
        ({"size": Size(2, 2048)}, ""),
        ({"size": Size(2, None)}, ""),
    ],
)
def test_a_pool_suits_a_job_unless_something_of_it_keeps_it_away(fields: dict[str, object], why: str) -> None:
    assert suited(pool(**fields), ASK) == (why == "")
    if why:
        assert why_none([pool(**fields)], ASK) == f"no pool has its {why}"


def test_what_came_nearest_is_told_where_no_pool_suits() -> None:
    pools = [pool(platforms=("win",)), pool(size=Size(1, 1)), pool(classes=("release",))]
    assert why_none(pools, ASK) == "no pool has its cores"
    assert why_none([], ASK) == "no pool has its platform"


def test_pools_that_one_job_could_choose_between_are_one_island() -> None:
    deb, win, both = pool(), pool(platforms=("win",)), pool(platforms=("deb", "win"))
    assert islands([deb, win]) == (0, 1)
    assert islands([deb, win, both]) == (0, 0, 0)
    assert islands([pool(platforms=("mac",)), deb, win, both]) == (0, 1, 1, 1)
    assert islands([pool(classes=("try",)), pool(classes=("release",)), pool(projects=("qt",))]) == (0, 0, 0)
    assert islands([pool(classes=("try",)), pool(classes=("release",))]) == (0, 1)
    assert islands([pool(projects=("a",)), pool(projects=("b",))]) == (0, 1)
    assert islands([pool(projects=("a",)), pool(projects=("a", "b"))]) == (0, 0)


def test_columns_say_what_the_rules_say() -> None:
    pools = (
        pool(name="own", provider="owned", machines=3, slots=2, price_per_hour_micros=7, cold_cache_ms=9),
        rented(
            size=Size(4, 4096),
            suspend_ms=1,
            delete_ms=2,
            cold_cache_ms=3,
            billing=Billing(granularity_ms=60_000, minimum_ms=120_000),
            uses=5,
            min=1,
            max=8,
            reclaim_per_hour=0.25,
            speed=1.5,
            boot=Quantiles(90_000, 150_000),
        ),
        pool(platforms=("win",), size=Size(1, None), price_per_hour_micros=1),
    )
    waiting = Waiting(price_per_hour_micros=20, target_ms=5, lateness="spend", target_percentile=97.5)
    rules = Rules(pools=pools, waiting=waiting)
    asks = [ASK, Ask("win", "release", ""), Ask("mac", "change", "")]
    done = setting(rules, Choice(3, (11, 12)), asks)
    form = shape(done, 10, 4, 6)
    assert form == c.Shape(jobs=10, asks=3, pools=3, islands=2, machines=4, width=2, names=6)
    farm = empty(form, 30)
    fill(farm, done)
    assert [list(row) for row in farm.suits] == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert list(farm.asks[c.ASK_ISLAND]) == [0, 1, -1]
    assert list(farm.asks[c.ASK_CORES]) == [2, 0, 0]
    assert list(farm.asks[c.ASK_MEMORY_MB]) == [2048, 0, 0]
    assert list(farm.asks[c.ASK_STRICT]) == [0, 1, 0]
    assert farm.rules[c.RULE_PRESET] == 3
    assert list(farm.rules[c.RULE_OF_PRESET : c.RULE_OF_PRESET + 3]) == [11, 12, 0]
    assert farm.rules[c.RULE_PROMISE_PPM] == 975_000
    assert (farm.rules[c.RULE_PROMISE_MS], farm.rules[c.RULE_SPEND]) == (5, 1)
    told = {
        c.POOL_ISLAND: [0, 0, 1],
        c.POOL_OWNED: [1, 0, 0],
        c.POOL_SLOTS: [2, 1, 1],
        c.POOL_CORES: [0, 4, 1],
        c.POOL_MEMORY_MB: [0, 4096, 0],
        c.POOL_PRICE: [0, 403_200, 1],
        c.POOL_STOPPED_PRICE: [-1, 10_960, -1],
        c.POOL_BOOT_MS: [-1, 150_000, 0],
        c.POOL_RESUME_MS: [-1, 45_000, -1],
        c.POOL_COLD_MS: [0, 3, 0],
        c.POOL_GRANULARITY_MS: [1000, 60_000, 1000],
        c.POOL_MINIMUM_MS: [0, 120_000, 0],
        c.POOL_USES: [0, 5, 0],
        c.POOL_LEAST: [3, 1, 0],
        c.POOL_MOST: [3, 8, -1],
        c.POOL_RECLAIM_PPM: [0, 250_000, 0],
        c.POOL_SPEED_PPM: [1_000_000, 1_500_000, 1_000_000],
    }
    assert {field: list(farm.pools[field]) for field in told} == told


def test_an_empty_farm_and_an_empty_history_have_columns_too() -> None:
    done = setting(Rules(), Choice(), [])
    form = shape(done, 0, 0, 0)
    assert form == c.Shape(jobs=1, asks=1, pools=1, islands=1, machines=1, width=1, names=1)
    fill(empty(form, 1), done)


def test_the_hub_s_own_machine_is_one() -> None:
    assert machines_of(pool(provider="local")) == 1
    assert machines_of(pool(provider="local", machines=2)) == 2
    assert machines_of(pool(provider="owned")) == 0


@pytest.mark.parametrize(
    ("fields", "wait_price", "even"),
    [
        ({}, 0, (46_257, 1_655_474)),
        ({}, 403_200, (92_514, 3_310_948)),
        ({"stopped_price_per_hour_micros": 0}, 0, (45_000, NEVER_MS)),
        ({"stopped_price_per_hour_micros": 403_200}, 0, (90_000, 0)),
        ({"stopped_price_per_hour_micros": None}, 0, (90_000, 0)),
        ({"resume": None, "cold_cache_ms": 600_000}, 0, (690_000, 0)),
        ({"resume": Quantiles(90_000, 90_000)}, 0, (90_000, 0)),
        ({"resume": Quantiles(200_000, 200_000)}, 0, (90_000, 0)),
        ({"price_per_hour_micros": 0}, 0, (NEVER_MS, 0)),
        ({"provider": "owned"}, 0, (NEVER_MS, 0)),
    ],
)
def test_break_even_times(fields: dict[str, object], wait_price: int, even: tuple[int, int]) -> None:
    assert break_even_ms(rented(**fields), wait_price) == even


def test_asks_that_no_rule_can_tell_apart_are_one() -> None:
    pools = (
        pool(name="plain"),
        pool(name="of-qt", projects=("qt",)),
        pool(name="sized", platforms=("win",), size=Size(8, None)),
    )
    asks = [
        Ask("deb", "change", "qemu", 2, 2048),
        Ask("deb", "nightly", "linux", 4, 0),  # neither size nor project matter to what suits it
        Ask("deb", "release", "qemu", 2, 2048),  # is never late on purpose
        Ask("deb", "change", "qt", 2, 2048),  # one pool more
        Ask("win", "change", "qemu", 2, 0),
        Ask("win", "change", "linux", 2, 0),
        Ask("win", "change", "linux", 4, 0),  # sizes are looked at here
        Ask("mac", "change", "qemu", 1, 0),
    ]
    done = setting(Rules(pools=pools), Choice(), asks)
    seen, rows = merged(done)
    assert rows == (0, 0, 1, 2, 3, 3, 4, 5)
    assert seen.asks == tuple(asks[at] for at in (0, 2, 3, 4, 6, 7))
    assert seen.suits == tuple(done.suits[at] for at in (0, 2, 3, 4, 6, 7))
    assert seen.ask_islands == tuple(done.ask_islands[at] for at in (0, 2, 3, 4, 6, 7))
