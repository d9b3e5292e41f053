"""A farm that rents from a simulated provider, for tests of the hub."""

from dataclasses import replace

from farms import KEY, TestFarm, planned

from penstock.hub import poller, queue, sessions
from penstock.hub.poller import Said
from penstock.hub.sessions import Registered, Registration
from penstock.model.farm import Event
from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.rules import Platform, Pool, Quantiles, Rules
from penstock.model.states import Power
from penstock.model.units import Size
from penstock.providers.simulated import Simulated

BURST = Pool(
    name="burst",
    provider="simulated",
    platforms=("linux",),
    size=Size(2, 4096),
    price_per_hour_micros=400_000,
    stopped_price_per_hour_micros=10_000,
    boot=Quantiles(30_000, 30_000),
    resume=Quantiles(10_000, 10_000),
    suspend_ms=2_000,
    delete_ms=2_000,
)
RULES = Rules(platforms={"linux": Platform(name="linux")}, pools=(BURST,))


class Killed(BaseException):
    """The process ends here."""


class Rented(TestFarm):
    """A farm that rents from a simulated provider, whose machines' agents do as they are told."""

    __test__ = False

    def __init__(self, rules: Rules = RULES, books: bool = False) -> None:
        super().__init__(rules, books=books)
        self.provider = Simulated(BURST, self.clock.monotonic_ms)
        self.hub = replace(self.hub, providers={"burst": self.provider})
        self.again()

    def again(self) -> None:
        """A new leader, and its first seconds."""
        self.restart()
        self.tick(6000)

    @property
    def machine(self) -> Machine:
        """The one that is not gone."""
        (found,) = [one for one in self.all(Machine) if one.power != Power.GONE]
        return found

    def until(self, power: Power, most_s: int = 4000) -> Machine:
        """Let time pass until the only machine has this power."""
        for _ in range(most_s):
            known = [one for one in self.all(Machine) if one.power == power]
            if known:
                return known[-1]
            self.tick(1000)
        raise AssertionError(f"never {power}: {[(one.name, one.power) for one in self.all(Machine)]}")

    def enrol(self) -> Registered:
        """The agent of the machine that is up registers with what its machine was given."""
        order = next(order for order in self.provider.up().values() if order.secret)
        return sessions.register(self.hub, order.secret, Registration(name="any", key=KEY, slots=1))

    def alerts(self) -> list[str]:
        return [one.reason for one in self.all(Event) if one.state == "alert"]

    def started(self) -> tuple[Registered, Attempt]:
        """A job that runs on a rented machine."""
        self.submit("c1", planned("zlib"))
        self.until(Power.REGISTERING)
        who = self.enrol()
        self.tick(1000)
        heard = poller.poll(self.hub, who.session, Said(call=1))
        work = heard.offers[0]
        return who, queue.acknowledge(self.hub, who.session, work.attempt.id, work.attempt.fence, "ack")

    def idle(self) -> Machine:
        """A rented machine whose job has passed."""
        who, attempt = self.started()
        ending = queue.Ending(result="failed")
        queue.finish(self.hub, who.session, attempt.id, attempt.fence, "fin", ending)
        return self.machine
