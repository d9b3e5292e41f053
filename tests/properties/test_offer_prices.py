"""I9 over mixed offers: what is entered for a machine is its use at the rates of its own offer, to the micro-unit.

The other side of the sum is reckoned here, by hand as it were: each millisecond at what the machine's offer cost in it. A leader
may die before or after it has written a page, prices change, days end, orders go on to another offer.
"""

import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, replace

import hypothesis.strategies as st
import msgspec
import pytest
from farms import TestFarm
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from penstock.hub import bookkeeper, steps
from penstock.hub.bookkeeper import Bookkeeper
from penstock.hub.fsck import fsck
from penstock.hub.steps import change
from penstock.model.ledger import Entry, Price
from penstock.model.machine import Machine, powered
from penstock.model.rented import Offer
from penstock.model.rules import Billing, Platform, Pool, Rules
from penstock.model.states import POWER, Power
from penstock.model.units import charge_micros
from penstock.policy.charging.meters import billed_as

POOLS = tuple(
    Pool(name=name, provider="ec2", platforms=("linux",), price_per_hour_micros=price, billing=billing)
    for name, price, billing in (
        ("spot", 161_003, Billing()),
        ("burst", 400_000, Billing(granularity_ms=1, minimum_ms=60_000)),
    )
)
NAMES = ("m7i.large/a/spot", "m7a.large/b/spot", "c7i.large/a/spot", "")
pick = st.integers(0, 10_000)


class Killed(BaseException):
    """The leader's process ends here."""


class Offering:
    """A provider of which only the offers are asked."""

    def __init__(self, pool: Pool) -> None:
        self.prices = {name or pool.name: (10_007 * n, n) for n, name in enumerate(NAMES, 1)}

    def offers(self) -> tuple[Offer, ...]:
        return tuple(
            Offer(name=name, price_per_hour_micros=hour, stopped_price_per_hour_micros=stopped)
            for name, (hour, stopped) in self.prices.items()
        )


@dataclass
class Used:
    """What one machine used: `exact` (micro-units x ms an hour) in the `lasted_ms` of the run that is open, and what closed
    ones came to."""

    offer: str
    what: str = "hour"
    lasted_ms: int = 0
    exact: int = 0
    micros: int = 0

    def goes_on(self, prices: tuple[int, int], passed_ms: int) -> None:
        self.lasted_ms += passed_ms
        self.exact += {"hour": prices[0], "stopped": prices[1], "": 0}[self.what] * passed_ms

    def end(self, prices: tuple[int, int], billing: Billing, what: str, dropped: bool) -> None:
        """Rounded up as its provider does, at what it costs by then."""
        step_ms = billing.granularity_ms
        least_ms = billing.minimum_ms if self.what == "hour" else 0
        self.goes_on(prices, max(least_ms, -(-self.lasted_ms // step_ms) * step_ms) - self.lasted_ms)
        self.micros += 0 if dropped else charge_micros(self.exact, 1)
        self.what, self.exact, self.lasted_ms = what, 0, 0


class Offers(RuleBasedStateMachine):
    """Machines of two pools and four offers each, which come, sleep and go."""

    fatal = ""

    @initialize()
    def begin(self) -> None:
        self.offering = {pool.name: Offering(pool) for pool in POOLS}
        self.farm = TestFarm(Rules(platforms={"linux": Platform(name="linux")}, pools=POOLS))
        self.used: dict[str, Used] = {}
        self.lead()

    def lead(self) -> None:
        """Another leader. Only its books know a provider: nothing is ordered but by the rules here."""
        self.farm.restart()
        hub = replace(self.farm.leading, providers=self.offering)  # type: ignore[arg-type]
        self.keeper = Bookkeeper(hub)
        self.keep()

    def keep(self) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(bookkeeper, "lead", self.written)
            self.farm.services.finish()  # events get their positions
            self.keeper.finish(0)

    def written(self, *given: object, **how: object) -> object:
        """As steps.lead, with death where it was asked for."""
        fatal, self.fatal = self.fatal, ""
        if fatal == "before":
            raise Killed
        result = steps.lead(*given, **how)  # type: ignore[arg-type]
        if fatal == "after":
            raise Killed
        return result

    @rule(when=st.sampled_from(["before", "after", ""]))
    def books_are_kept(self, when: str) -> None:
        self.fatal = when
        with contextlib.suppress(Killed):
            self.keep()
        self.fatal = ""
        self.lead()

    @rule(passed_ms=st.sampled_from([1, 999, 61_000, 3_700_000, 40_000_000]))
    def time_passes(self, passed_ms: int) -> None:
        self.farm.clock.wall += passed_ms
        for name, used in self.used.items():
            used.goes_on(self.offering[self.farm.get(Machine, name).pool].prices[used.offer], passed_ms)

    @rule(pool=pick, offer=pick, others=st.integers(0, 3))
    def a_machine_is_ordered(self, pool: int, offer: int, others: int) -> None:
        """From this offer in the end: those before gave nothing, within the same second."""
        name = POOLS[pool % 2].name
        offers = list(self.offering[name].prices)
        machine = Machine(
            id=f"r{len(self.used)}",
            name=f"r{len(self.used)}",
            pool=name,
            power=Power.REQUESTED,
            client_token="t",
            offer=offers[(offer + others) % 4],
        )
        change(
            self.farm.hub, lambda step: (step.tx.insert(machine), step.put(step.need(Machine, machine.id)))[1]
        )
        for left in reversed(range(others)):
            if left == 1:
                self.keep()
            self.turn_to(machine.id, offers[(offer + left) % 4])
        self.used[machine.id] = Used(offers[offer % 4])

    def turn_to(self, name: str, offer: str) -> None:
        change(
            self.farm.hub,
            lambda step: step.put(msgspec.structs.replace(step.need(Machine, name), offer=offer)),
        )

    @rule(which=pick, then=pick, made=st.booleans())
    def a_machine_turns(self, which: int, then: int, made: bool) -> None:
        alive = [one for one in self.farm.all(Machine) if one.power != Power.GONE]
        if not alive:
            return
        before = alive[which % len(alive)]
        follows = POWER.follows[before.power]
        power = Power(follows[then % len(follows)])
        provider_id = before.provider_id or f"i-{before.id}" * made

        def turn(step: steps.Step) -> None:
            after = powered(step.need(Machine, before.id), power, "chance", step.now_ms)
            step.put(msgspec.structs.replace(after, provider_id=provider_id))

        change(self.farm.hub, turn)
        used = self.used[before.id]
        what = billed_as(used.what, power)
        refused = (before.power, power) == (Power.RESUMING, Power.SUSPENDED)
        if what != used.what:
            pool = next(one for one in POOLS if one.name == before.pool)
            prices = self.offering[pool.name].prices[used.offer]
            used.end(prices, pool.billing, what, refused or (power == Power.GONE and not provider_id))

    @rule(pool=pick, offer=pick, hour=st.integers(0, 10**6), stopped=st.integers(0, 10**4))
    def prices_change(self, pool: int, offer: int, hour: int, stopped: int) -> None:
        """From the next leader on, which is there at once."""
        self.keep()
        prices = self.offering[POOLS[pool % 2].name].prices
        prices[list(prices)[offer % 4]] = hour, stopped
        self.lead()

    def teardown(self) -> None:
        if not hasattr(self, "farm"):
            return
        self.keep()
        self.lead()  # what is open is closed by a new price of everything, so that all of it is entered
        for offering in self.offering.values():
            offering.prices = {
                name: (hour + 1, stopped + 1) for name, (hour, stopped) in offering.prices.items()
            }
        self.lead()
        assert [str(one) for one in fsck(self.farm.hub)] == []
        entered: Counter[str] = Counter()
        for entry in self.farm.all(Entry):
            entered[entry.machine] += entry.amount_micros
        for name, used in self.used.items():
            assert entered[name] == used.micros + charge_micros(used.exact, 1), name
        self.versions_are_kept()

    def versions_are_kept(self) -> None:
        """The newest price of each offer is the one that is offered; and no two rows that follow each other agree."""
        rows: dict[tuple[str, str], list[Price]] = {}
        for row in sorted(self.farm.all(Price), key=lambda one: one.from_ms):
            rows.setdefault((row.pool, row.what), []).append(row)
        for pool, offering in self.offering.items():
            for name, prices in offering.prices.items():
                newest = tuple(rows[pool, f"{what} {name}"][-1].price_micros for what in ("hour", "stopped"))
                assert newest == prices
        for of in rows.values():
            assert all(a.price_micros != b.price_micros for a, b in itertools.pairwise(of))


Offers.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestOffers = Offers.TestCase
