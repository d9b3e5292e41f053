"""A farm that is told what a hub sees, for tests of the view and of its rows."""

from fullfarms import BURST, OWN, rules

from penstock.model.decision import Decision
from penstock.model.rules import Rules
from penstock.model.snapshot import Ask
from penstock.model.units import Size
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import view
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.standing import Phase, Standing
from penstock.policy.capacity.view import Seen, Wanted

ASK = Ask("linux", "", "untrusted", "change", Size(1, 1024))
RULES = rules(OWN, BURST)
MINUTE_MS = 60_000


def wanted(job: str, since_ms: int = 1000, ask: Ask = ASK, **about: object) -> Wanted:
    return Wanted(job, ask, f"{ask.platform}\n\n{about.get('name', 'zlib')}\nbuild", since_ms, 3)


def own(name: str = "o1", phase: Phase = "up", version: int = 0) -> Standing:
    return Standing(name, "own", phase, version)


def rented(name: str = "b1", phase: Phase = "up", **about: object) -> Standing:
    return Standing(name, "burst", phase, **about)  # type: ignore[arg-type]


class Told:
    """One farm that is told things, at rising moments."""

    def __init__(self, farm: Rules = RULES, choice: Choice = Choice()) -> None:
        self.rows = Rows(farm, choice)
        self.now_ms = 1000

    def __call__(self, passed_ms: int = 1000, **seen: object) -> Decision:
        self.now_ms += passed_ms
        return view.decide(self.rows, Seen(now_ms=self.now_ms, **seen))  # type: ignore[arg-type]

    def bring(self, **seen: object) -> set[int]:
        """Tell without deciding."""
        self.now_ms += 1000
        return view.bring(self.rows, Seen(now_ms=self.now_ms, **seen))  # type: ignore[arg-type]

    def state(self, machine: str) -> int:
        return self.rows.farm.machines[c.MACHINE_STATE][self.rows.machines[machine]]

    def flags(self, machine: str) -> int:
        return self.rows.farm.machines[c.MACHINE_FLAGS][self.rows.machines[machine]]

    def job(self, job: str, field: int) -> int:
        return self.rows.farm.jobs[field][self.rows.jobs[job]]
