"""Machines that are owned: what every provider does with what is there, and that none of them is made or given back."""

from dataclasses import dataclass, field
from random import Random

import pytest
from conformance.provider_suite import SwitchSuite, listed, order
from switching import NAMES, OWN, UNHEARD, FakeSwitch

from penstock.ports import ProviderError, QuotaReached
from penstock.providers.owned import FORGOTTEN_MS, SOFT_MS, Owned


@dataclass
class OwnedDriver:
    """Two machines with switches that do as they are told, or do not answer."""

    now_ms: int = 1_000_000
    most: int = 2
    switches: dict[str, FakeSwitch] = field(
        default_factory=lambda: {name: FakeSwitch(False) for name in NAMES}
    )
    provider: Owned = field(init=False)

    def __post_init__(self) -> None:
        self.provider = Owned(OWN, lambda: self.now_ms, self.switches)

    def wait(self) -> None:
        self.now_ms += 60_000

    def fault(self, name: str, chance: float) -> None:
        chances = Random(name)
        for switch in self.switches.values():
            switch.broken = UNHEARD if chances.random() < chance else None


class TestOwned(SwitchSuite):
    @pytest.fixture
    def driver(self) -> OwnedDriver:
        return OwnedDriver()

    def up(self, driver: OwnedDriver, token: str = "t1") -> str:  # type: ignore[override]
        driver.provider.resume("m1")
        driver.wait()
        assert listed(driver)["m1"].state == "up"
        return "m1"

    def test_none_is_made_and_none_given_back(self, driver: OwnedDriver) -> None:
        with pytest.raises(QuotaReached, match="own is owned: there are no more machines than there are"):
            driver.provider.create(order(driver, "t1"))
        with pytest.raises(ProviderError, match="m1 of own is owned: it is switched off, never given back"):
            driver.provider.delete("m1")
        assert driver.provider.offers()[0].quota_left == 0
        assert driver.provider.notices() == ()

    def test_they_are_asked_softly_once_and_hard_when_that_did_not_help(self, driver: OwnedDriver) -> None:
        self.up(driver)
        switch = driver.switches["m1"]
        switch.stubborn = True
        driver.provider.suspend("m1")
        driver.provider.suspend("m1")
        assert listed(driver)["m1"].state == "stopping"
        driver.now_ms += SOFT_MS
        driver.provider.suspend("m1")
        assert switch.asked == ["on", "soft off", "hard off"]
        assert listed(driver)["m1"].state == "stopped"

    def test_a_wish_of_long_ago_is_no_reason_to_be_hard(self, driver: OwnedDriver) -> None:
        switch = driver.switches["m1"]
        switch.has_power = switch.stubborn = True
        driver.provider.suspend("m1")
        driver.now_ms += FORGOTTEN_MS + 1
        driver.provider.suspend("m1")
        assert switch.asked == ["soft off", "soft off"]

    def test_one_that_is_switched_on_is_coming_until_its_switch_says_so(self, driver: OwnedDriver) -> None:
        driver.switches["m1"].on = lambda: None  # type: ignore[method-assign]
        driver.provider.resume("m1")
        assert listed(driver)["m1"].state == "coming"
        driver.wait()
        assert listed(driver)["m1"].state == "stopped"

    def test_a_call_that_failed_says_which_switch_and_is_made_again(self, driver: OwnedDriver) -> None:
        self.up(driver)
        driver.fault("no_answer", 1.0)
        with pytest.raises(type(UNHEARD), match="the switch of m1: no answer"):
            driver.provider.suspend("m1")
        driver.fault("no_answer", 0.0)
        driver.provider.suspend("m1")
        assert driver.switches["m1"].asked == ["on", "soft off"]

    def test_who_can_only_be_woken_is_taken_at_its_word(self, driver: OwnedDriver) -> None:
        for switch in driver.switches.values():
            switch.is_on = lambda: None  # type: ignore[method-assign]
        assert listed(driver)["m1"].state == "up"
        driver.provider.suspend("m1")
        assert listed(driver)["m1"].state == "stopping"
        driver.wait()
        assert listed(driver)["m1"].state == "stopped"
        driver.provider.resume("m1")
        assert listed(driver)["m1"].state == "up"
        driver.provider.suspend("m1")
        driver.now_ms += FORGOTTEN_MS + 1
        assert listed(driver)["m1"].state == "up", "nobody knows any more"
