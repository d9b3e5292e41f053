"""The suite of providers over each that there is."""

from dataclasses import dataclass, field

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite, listed, order

from penstock.model.rules import Pool, Quantiles
from penstock.providers.simulated import Simulated, Weather, drawn_ms

POOL = Pool(
    name="burst",
    provider="simulated",
    platforms=("linux",),
    max=6,
    boot=Quantiles(60_000, 90_000),
    resume=Quantiles(20_000, 20_000),
    stopped_price_per_hour_micros=10,
    price_per_hour_micros=400_000,
    suspend_ms=5_000,
    delete_ms=3_000,
)


@dataclass
class SimulatedDriver:
    """Time passes when it is told to."""

    pool: Pool = POOL
    now_ms: int = 1_000_000
    most: int = 6
    provider: Simulated = field(init=False)

    def __post_init__(self) -> None:
        self.provider = Simulated(self.pool, lambda: self.now_ms, 1, Weather(behind_ms=4_000))

    def wait(self) -> None:
        self.now_ms += 600_000

    def fault(self, name: str, chance: float) -> None:
        self.provider.weather = msgspec.structs.replace(self.provider.weather, **{name: chance})


class TestSimulated(ProviderSuite):
    @pytest.fixture
    def driver(self) -> SimulatedDriver:
        return SimulatedDriver()

    def test_a_listing_is_behind(self, driver: SimulatedDriver) -> None:
        made = driver.provider.create(order(driver, "t1"))
        assert listed(driver) == {}
        assert driver.provider.next_ms() == driver.now_ms + 4_000
        driver.now_ms += 4_000
        assert listed(driver)[made].state == "coming"

    def test_what_can_be_reclaimed_is_told_before(self) -> None:
        pool = msgspec.structs.replace(POOL, reclaim_per_hour=1.0)
        driver = SimulatedDriver(pool)
        made = driver.provider.create(order(driver, "t1"))
        while not driver.provider.notices():
            driver.now_ms = driver.provider.next_ms()
            assert driver.provider.states()[made] != "gone"
        left_ms = driver.provider.notices()[0].left_ms
        assert 0 < left_ms <= 120_000
        driver.now_ms += left_ms
        assert driver.provider.states() == {made: "gone"}
        assert driver.provider.up() == {}

    def test_equal_seeds_give_equal_fates_whatever_else_is_called(self) -> None:
        one, other = SimulatedDriver(), SimulatedDriver()
        for number in range(3):
            one.provider.create(order(one, f"t{number}"))
            other.provider.list()
            other.provider.create(order(other, f"t{number}"))
        assert one.provider.next_ms() == other.provider.next_ms()
        one.wait()
        assert set(one.provider.up()) == set(one.provider.states())
        assert one.provider.up()["burst-00001"].secret == "secret t0"

    def test_what_is_gone_for_long_is_not_listed_any_more(self, driver: SimulatedDriver) -> None:
        made = self.up(driver)
        driver.provider.delete(made)
        driver.wait()
        assert [one.state for one in driver.provider.list().instances] == ["gone"]
        driver.now_ms += 2 * 3_600_000
        assert driver.provider.list().instances == ()


def test_a_time_of_two_quantiles_goes_through_both() -> None:
    from random import Random

    chance = Random(1)
    drawn = sorted(drawn_ms(Quantiles(60_000, 90_000), chance) for _ in range(4001))
    assert drawn[2000] == pytest.approx(60_000, rel=0.03)
    assert drawn[3800] == pytest.approx(90_000, rel=0.05)
    assert drawn_ms(Quantiles(45_000, 45_000), chance) == 45_000
