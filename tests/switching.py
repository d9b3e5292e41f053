"""A farm with owned machines that have switches, beside one that rents, for tests of the hub."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from farms import Agent, TestFarm
from renting import BURST

from penstock.model.farm import Event
from penstock.model.machine import Machine
from penstock.model.pool_power import Control
from penstock.model.rules import Platform, Pool, Quantiles, Rules, Waiting
from penstock.model.states import Power
from penstock.model.units import Size
from penstock.ports import NoAnswer, ProviderError
from penstock.providers.owned import Owned
from penstock.providers.simulated import Simulated

NAMES = ("m1", "m2")
OWN = Pool(
    name="own",
    provider="owned",
    platforms=("linux",),
    machines=2,
    slots=1,
    size=Size(2, 4096),
    price_per_hour_micros=300_000,
    stopped_price_per_hour_micros=200_000,
    resume=Quantiles(60_000, 60_000),
    controls=tuple(
        Control(machine=name, address=f"ipmi://bmc-{name}", user="farm", password_file="/none")
        for name in NAMES
    ),
)
RULES = Rules(
    platforms={"linux": Platform(name="linux")},
    waiting=Waiting(price_per_hour_micros=1_000_000),
    pools=(OWN, BURST),
)


@dataclass
class FakeSwitch:
    """A switch without a machine: what is asked of it is so at once, unless it is broken or nobody shuts down."""

    has_power: bool = True
    broken: ProviderError | None = None
    stubborn: bool = False
    asked: list[str] = field(default_factory=list)

    def is_on(self) -> bool | None:
        if self.broken:
            raise self.broken
        return self.has_power

    def on(self) -> None:
        self._ask("on")
        self.has_power = True

    def off(self, hard: bool) -> None:
        self._ask("hard off" if hard else "soft off")
        self.has_power = self.stubborn and not hard

    def _ask(self, what: str) -> None:
        if self.broken:
            raise self.broken
        self.asked.append(what)


class Switched(TestFarm):
    """Its agents register when their machines have had power for long enough, and call as long as they have it."""

    __test__ = False

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__(rules)
        self.switches = {name: FakeSwitch() for name in NAMES}
        self.owned = Owned(rules.pools[0], self.clock.monotonic_ms, self.switches)
        self.burst = Simulated(BURST, self.clock.monotonic_ms)
        self.hub = replace(self.hub, providers={"own": self.owned, "burst": self.burst})
        self.restart()
        self.agents = {name: Agent(self, name, slots=1) for name in NAMES}
        self._boots_ms = dict.fromkeys(NAMES, 0)
        self._there = set(NAMES)
        self.live(6)

    def machine(self, name: str) -> Machine:
        return self.agents[name].machine

    def powers(self) -> list[Power]:
        return [self.machine(name).power for name in NAMES]

    def live(self, seconds: int) -> None:
        """Let time pass; machines and agents do what they do."""
        for _ in range(seconds):
            self.tick(1000)
            for name in NAMES:
                self._live(name)

    def until(self, so: Callable[[], bool], most_s: int = 4000) -> None:
        for _ in range(most_s):
            if so():
                return
            self.live(1)
        raise AssertionError(f"never: {self.powers()}, {self.alerts()}")

    def works(self, name: str) -> None:
        """The jobs that its agent holds end."""
        agent = self.agents[name]
        for work in list(agent.holding.values()):
            agent.fail(work)

    def alerts(self) -> list[str]:
        return [one.reason for one in self.all(Event) if one.state == "alert"]

    def _live(self, name: str) -> None:
        agent = self.agents[name]
        if not self.switches[name].has_power:
            self._there.discard(name)
            self._boots_ms[name] = self.clock.monotonic + 50_000
            agent.holding.clear()
        elif name in self._there and self.machine(name).session == agent.session.id:
            agent.start()
        elif name in self._there or self.clock.monotonic >= self._boots_ms[name]:
            self._there.add(name)
            agent.again()


UNHEARD = NoAnswer("no answer")
