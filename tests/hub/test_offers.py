"""Several offers of one pool: what gives nothing is followed by the next one in the same pass."""

import pytest
from farms import planned
from renting import Rented

from penstock.model.machine import Machine
from penstock.model.rented import Offer, Order
from penstock.model.states import Power
from penstock.ports import NoAnswer, NoCapacity, ProviderError, QuotaReached

OFFERS = tuple(
    Offer(name=name, price_per_hour_micros=price) for name, price in (("a", 300), ("b", 100), ("c", 200))
)


class Several(Rented):
    """A farm whose provider has three offers; `trouble` says which of them give nothing, and why."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.trouble: dict[str, ProviderError] = {}
        self.asked: list[tuple[str, str]] = []
        self.create = self.provider.create
        self.provider.create = self._create  # type: ignore[method-assign]
        self.provider.offers = lambda: OFFERS  # type: ignore[method-assign]

    def ask(self, name: str = "c1", jobs: int = 1) -> None:
        """Let time pass until something is ordered for these jobs."""
        self.asked.clear()
        self.submit(name, *(planned(f"{name}-{n}") for n in range(jobs)))
        for _ in range(4000):
            self.tick(1000)
            if self.asked:
                return
        raise AssertionError("nothing was ordered")

    def _create(self, order: Order) -> str:
        self.asked.append((order.offer, order.token))
        if order.offer in self.trouble:
            raise self.trouble[order.offer]
        return self.create(order)


@pytest.fixture
def farm() -> Several:
    return Several()


def test_the_cheapest_is_ordered_and_the_row_says_why(farm: Several) -> None:
    farm.ask()
    assert [offer for offer, _ in farm.asked] == ["b"]
    assert farm.machine.offer == "b"
    assert farm.machine.power_reason.endswith("; b is the cheapest for its speed of 3 offers")


@pytest.mark.parametrize("problem", [NoCapacity("none left"), QuotaReached("enough")])
def test_the_next_one_is_asked_at_once_for_the_same_machine(farm: Several, problem: ProviderError) -> None:
    farm.trouble = {"b": problem, "c": problem}
    farm.ask()
    assert [offer for offer, _ in farm.asked] == ["b", "c", "a"]
    assert len({token for _, token in farm.asked}) == 1
    machine = farm.machine
    assert (machine.power, machine.offer) == (Power.BOOTING, "a")
    assert f"b gave none ({problem}), now c; c gave none ({problem}), now a" in machine.power_reason


def test_what_gave_none_is_not_asked_first_by_the_next_order(farm: Several) -> None:
    farm.trouble = {"b": NoCapacity("none left")}
    farm.ask()
    farm.ask("c2", 4)
    assert "b" not in {offer for offer, _ in farm.asked}


def test_where_all_give_nothing_the_order_is_given_up_and_comes_again_later(farm: Several) -> None:
    farm.trouble = {one.name: NoCapacity("none left") for one in OFFERS}
    farm.ask()
    assert [offer for offer, _ in farm.asked] == ["b", "c", "a"]
    assert {one.power for one in farm.all(Machine)} == {Power.GONE}
    farm.trouble.clear()
    farm.until(Power.REGISTERING)


def test_a_call_without_an_answer_stays_with_its_offer(farm: Several) -> None:
    """It may have been carried out: another offer would be a second machine."""
    farm.trouble = {"b": NoAnswer("late")}
    farm.ask()
    for _ in range(4):
        farm.tick(1000)
    assert len(farm.asked) > 1
    assert {offer for offer, _ in farm.asked} == {"b"}
    farm.trouble.clear()
    farm.until(Power.REGISTERING)
    assert len(farm.provider.states()) == 1
