"""What every provider must do, whatever goes wrong on the way. A driver lets time pass and makes things go wrong."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol, TypeVar

import pytest

from penstock.model.rented import TAG_FARM, TAG_MACHINE, TAG_POOL, Instance, Order
from penstock.ports import (
    NoAnswer,
    NoCapacity,
    Provider,
    ProviderError,
    QuotaReached,
    Throttled,
    UnknownMachine,
)

T = TypeVar("T")
FAULTS = ("no_capacity", "throttled", "no_answer", "part_missing", "boot_failed")


class Driver(Protocol):
    """One provider with room for `most` machines, and its surroundings. Where its machines cannot be suspended, it has
    `suspends = False`."""

    provider: Provider
    most: int

    def wait(self) -> None:
        """Let so much time pass that whatever was begun has ended and is listed."""
        ...

    def fault(self, name: str, chance: float) -> None:
        """Let one of FAULTS happen this often from now on."""
        ...


def order(driver: Driver, token: str) -> Order:
    tags = {TAG_FARM: "f1", TAG_MACHINE: f"row-{token}", TAG_POOL: "burst"}
    return Order(offer=driver.provider.offers()[0].name, token=token, tags=tags, secret=f"secret {token}")


def listed(driver: Driver) -> dict[str, Instance]:
    """All that is there, but what is gone."""
    return {one.id: one for one in driver.provider.list().instances if one.state != "gone"}


class SwitchSuite:
    """What a provider does with machines that are there, whoever made them."""

    @pytest.fixture
    def driver(self) -> Driver:
        raise NotImplementedError

    def up(self, driver: Driver, token: str = "t1") -> str:
        made = driver.provider.create(order(driver, token))
        driver.wait()
        assert listed(driver)[made].state == "up"
        return made

    def test_what_a_machine_prints_is_text_of_some_length(self, driver: Driver) -> None:
        printed = driver.provider.console(self.up(driver))
        assert len(printed) <= 1 << 16

    def test_an_offer_has_a_price_and_a_time(self, driver: Driver) -> None:
        offer = driver.provider.offers()[0]
        assert offer.price_per_hour_micros >= 0
        assert offer.boot.p95_ms >= offer.boot.p50_ms >= 0

    def test_a_machine_is_suspended_and_resumed(self, driver: Driver) -> None:
        made = self.up(driver)
        if not getattr(driver, "suspends", True):
            with pytest.raises(ProviderError):
                driver.provider.suspend(made)
            driver.provider.resume(made)
            assert listed(driver)[made].state == "up"
            return
        driver.provider.suspend(made)
        driver.provider.suspend(made)
        driver.wait()
        assert listed(driver)[made].state == "stopped"
        driver.provider.suspend(made)
        driver.provider.resume(made)
        driver.provider.resume(made)
        driver.wait()
        assert listed(driver)[made].state == "up"
        driver.provider.resume(made)
        assert listed(driver)[made].state == "up"

    @pytest.mark.parametrize("call", ["resume", "suspend", "delete"])
    def test_what_it_does_not_know_it_says(self, driver: Driver, call: str) -> None:
        with pytest.raises(UnknownMachine):
            getattr(driver.provider, call)("i-0123")

    def test_a_listing_with_gaps_says_so(self, driver: Driver) -> None:
        self.up(driver)
        driver.fault("part_missing", 1.0)
        assert not driver.provider.list().complete
        driver.fault("part_missing", 0.0)
        assert driver.provider.list().complete


class ProviderSuite(SwitchSuite):
    """And with those that it makes."""

    def test_what_is_made_comes_up_and_carries_its_tags(self, driver: Driver) -> None:
        made = self.up(driver)
        assert listed(driver)[made].tags[TAG_MACHINE] == "row-t1"

    def test_one_token_is_one_machine(self, driver: Driver) -> None:
        made = driver.provider.create(order(driver, "t1"))
        assert driver.provider.create(order(driver, "t1")) == made
        driver.wait()
        assert driver.provider.create(order(driver, "t1")) == made
        assert list(listed(driver)) == [made]

    @pytest.mark.parametrize("first", ["nothing", "suspend"])
    def test_a_machine_is_given_back(self, driver: Driver, first: str) -> None:
        made = self.up(driver)
        if first == "suspend" and getattr(driver, "suspends", True):
            driver.provider.suspend(made)
        driver.provider.delete(made)
        driver.provider.delete(made)
        driver.wait()
        assert made not in listed(driver)

    def test_a_machine_is_given_back_while_it_is_coming(self, driver: Driver) -> None:
        made = driver.provider.create(order(driver, "t1"))
        driver.provider.delete(made)
        driver.wait()
        assert made not in listed(driver)

    def test_a_token_does_not_bring_back_what_is_gone(self, driver: Driver) -> None:
        made = self.up(driver)
        driver.provider.delete(made)
        driver.wait()
        assert driver.provider.create(order(driver, "t1")) == made
        driver.wait()
        assert listed(driver) == {}

    def test_it_gives_no_more_than_its_quota(self, driver: Driver) -> None:
        for number in range(driver.most):
            driver.provider.create(order(driver, f"t{number}"))
        assert driver.provider.offers()[0].quota_left in (0, None)
        with pytest.raises(QuotaReached):
            driver.provider.create(order(driver, "one more"))
        driver.wait()
        assert len(listed(driver)) == driver.most

    @pytest.mark.parametrize(("fault", "error"), [("no_capacity", NoCapacity), ("throttled", Throttled)])
    def test_what_was_refused_is_not_there(
        self, driver: Driver, fault: str, error: type[ProviderError]
    ) -> None:
        driver.fault(fault, 1.0)
        with pytest.raises(error):
            driver.provider.create(order(driver, "t1"))
        driver.fault(fault, 0.0)
        driver.wait()
        assert listed(driver) == {}
        assert self.up(driver) in listed(driver)

    def test_what_was_not_answered_is_asked_again_and_there_once(self, driver: Driver) -> None:
        driver.fault("no_answer", 1.0)
        for _ in range(8):
            with pytest.raises(NoAnswer):
                driver.provider.create(order(driver, "t1"))
        driver.fault("no_answer", 0.0)
        made = driver.provider.create(order(driver, "t1"))
        driver.wait()
        assert list(listed(driver)) == [made]

    def test_a_machine_that_does_not_boot_can_be_given_back(self, driver: Driver) -> None:
        driver.fault("boot_failed", 1.0)
        made = driver.provider.create(order(driver, "t1"))
        driver.wait()
        assert listed(driver)[made].state == "coming"
        driver.provider.delete(made)
        driver.wait()
        assert listed(driver) == {}

    @pytest.mark.parametrize("seed", range(5))
    def test_whatever_goes_wrong_all_can_be_given_back(self, driver: Driver, seed: int) -> None:
        """Calls of all kinds under all faults; what is listed in the end was asked for, once each, and goes."""
        chance = Random(f"provider {seed}")
        for fault in FAULTS:
            driver.fault(fault, 0.3)
        tokens: list[str] = []
        for step in range(60):
            tokens += [f"t{step}"] if len(tokens) < driver.most else []
            found = sorted(self._try(lambda: listed(driver)) or {})
            self._try(partial(self._something, driver, chance, tokens, found))
            if chance.random() < 0.2:
                driver.wait()
        for fault in FAULTS:
            driver.fault(fault, 0.0)
        driver.wait()
        left = listed(driver)
        rows = [one.tags[TAG_MACHINE] for one in left.values()]
        assert len(rows) == len(set(rows))
        assert set(rows) <= {f"row-{token}" for token in tokens}
        for one in left:
            driver.provider.delete(one)
        driver.wait()
        assert listed(driver) == {}

    @staticmethod
    def _something(driver: Driver, chance: Random, tokens: list[str], found: list[str]) -> None:
        calls = ["create", "suspend", "resume", "delete"] if found else ["create"]
        call = chance.choice(calls)
        if call == "create":
            driver.provider.create(order(driver, chance.choice(tokens)))
        else:
            getattr(driver.provider, call)(chance.choice(found))

    @staticmethod
    def _try(act: Callable[[], T]) -> T | None:
        try:
            return act()
        except ProviderError:
            return None
