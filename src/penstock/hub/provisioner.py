"""Asks policy/capacity what starts where, what is rented, resumed, suspended and given back, and carries it out.

Whatever could be rented belongs here with all that competes with it: on an island (pools that one job could choose
between) with a pool that somebody gives machines of, this service places jobs, too. The others are placer's.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from penstock.hub.beside import AtOnce, Beside
from penstock.hub.capacityview import CapacityView, is_ours
from penstock.hub.context import Hub
from penstock.hub.holding import Holder
from penstock.hub.journal import Journalist
from penstock.hub.placer import Without, offers
from penstock.hub.queueview import QueueView
from penstock.hub.reconciler import Reconciler
from penstock.hub.renter import Renter
from penstock.hub.steps import Step, lead, lead_all, look
from penstock.model.decision import Boot, Decided, Decision, Memory, Place, PowerCommand
from penstock.model.farm import Event, Farm
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import view as policy
from penstock.policy.capacity.rows import Rows, unpacked
from penstock.policy.capacity.setting import Choice, islands
from penstock.policy.capacity.view import Seen
from penstock.ports import Tx

TRIES = 3
"""Decisions in one pass, while something of the last one was refused."""
MANY = 300
"""Acts of one decision after which a pass does not decide again, whatever was refused: the next pass does, at once."""
QUIET_MS = 5_000
"""A new leader decides nothing before: what the last one called has ended by then."""
REMEMBER_MS = 10_000
"""What was learnt is written down so often, and with whatever orders or stops a machine or was refused."""
NOTHING = {"offered": 0, "stale": 0, "ordered": 0, "commanded": 0, "called": 0, "listed": 0, "expired": 0}


class Provisioner:
    """One leader's. `beside` calls providers; `lasts_ms` says for how long nobody else can lead yet: without that no call
    is begun; `every_ms`: how often providers are listed while anything is on its way. `away`: pools of whose queue nothing
    is known, and why; `unheard`: those whose agents may be there unseen."""

    def __init__(
        self,
        hub: Hub,
        beside: Beside | None = None,
        lasts_ms: Callable[[], int] = lambda: 1,
        choice: Choice = Choice(),
        every_ms: int = 10_000,
    ) -> None:
        self._hub, self._lasts_ms = hub, lasts_ms
        calls = beside or AtOnce()
        self._renter = Renter(hub, calls)
        self._reconciler = Reconciler(hub, calls.apart(), every_ms)
        self._dealings = self._reconciler.dealings = self._renter.dealings
        self._holder = Holder(hub, self._dealings)
        self._choice = choice
        self._quiet_ms: int | None = None
        self._remembered_ms: int | None = None
        self._remembered = ""
        self.sight: CapacityView | None = None
        self.wake_ms: int | None = None
        drawn = islands(hub.rules.pools)
        owners = dict(zip((pool.name for pool in hub.rules.pools), drawn, strict=True))
        self._islands = {island for pool, island in owners.items() if pool in hub.providers}
        mine = frozenset(pool for pool, island in owners.items() if island in self._islands)
        self.without = Without(mine, self._takes)
        self.away: Mapping[str, str] = {}
        self.unheard: frozenset[str] = frozenset()
        self.told: Callable[[Rows, Seen], None] = lambda rows, seen: None
        self._journal = Journalist(hub, choice)

    def run_once(self, now_ms: int, view: QueueView) -> dict[str, int]:
        """One pass. Returns what was done, by name."""
        if not self.without.pools:
            return NOTHING
        counts: Counter[str] = Counter(NOTHING)
        sight = self.sight or self._begin()
        if not self._may_call(now_ms):
            self.wake_ms = self._quiet_ms
            return dict(counts)
        counts["listed"] += self._reconciler.run_once(self._machines(view), now_ms)
        heard = [one for one in self._machines(view) if one.pool not in self.unheard]
        held = self._holder.run_once(heard, now_ms)
        counts["expired"] += self._reconciler.expire([one for one in heard if one.pool not in held], now_ms)
        counts["called"] += self._renter.carry(self._machines(view), now_ms)
        if self._reconciler.notices:
            self._reconciler.notices.catch_up(self._machines(view))
        for _ in range(TRIES):
            if not self._decide(sight, view, counts):
                break
        if self._remembered_ms is None or now_ms - self._remembered_ms >= REMEMBER_MS:
            self._remember(sight.rows, now_ms)
        paused = sight.rows.farm.pools[c.POOL_PAUSED_MS]
        self._dealings.paused({pool: paused[row] for pool, row in sight.rows.pools.items()})
        self._dealings.write(now_ms)
        return dict(counts)

    def next_ms(self, view: QueueView) -> int | None:
        """When it has something to do though nothing happens."""
        machines = [one for one in view.asleep.values() if one.pool in self.without.pools]
        moments = [self.wake_ms, self._renter.wake_ms(), self._reconciler.wake_ms(machines), view.later_ms()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _begin(self) -> CapacityView:
        """The first time what the last leader had learnt is read."""
        memory = look(self._hub, lambda tx, farm: tx.get(Memory, "capacity"))
        rows = unpacked(memory.content if memory else b"", self._hub.rules, self._choice)
        self.sight = CapacityView(self._hub, rows, self._islands, self.without.pools)
        return self.sight

    def _may_call(self, now_ms: int) -> bool:
        """Only who surely leads commands and calls, and not before the last leader's calls have ended."""
        if self._quiet_ms is None:
            self._quiet_ms = now_ms + (QUIET_MS if (self._hub.epoch or 0) > 1 else 0)
        return now_ms >= self._quiet_ms and self._lasts_ms() > 0

    def _takes(self, ask: Ask) -> bool:
        return (self.sight or self._begin()).rows.island_of(ask) in self._islands

    def _machines(self, view: QueueView) -> list[Machine]:
        """All of ours that are not gone, as they are now."""
        look(self._hub, partial(_follow, view=view))
        known = [*view.asleep.values(), *view.machines.values()]
        return [one for one in known if one.pool in self.without.pools and is_ours(self._hub, one)]

    def _decide(self, sight: CapacityView, view: QueueView, counts: Counter[str]) -> bool:
        """See, decide, apply. True when something was refused, so that it is worth deciding again."""
        sight.failed(self._renter.failures + self._reconciler.failures)
        self._renter.failures, self._reconciler.failures = [], []
        sight.away = {pool: why for pool, why in self.away.items() if pool in self.without.pools}
        seen = look(self._hub, partial(sight.seen, view=view))
        if seen is None:
            return False
        self.told(sight.rows, seen)
        self._journal.tell(sight.rows, seen)
        decision = policy.decide(sight.rows, seen)
        self.wake_ms = decision.wake_ms
        if not decision.places and not decision.power:
            self._journal.quiet(seen.now_ms)
            if seen.failed:
                self._remember(sight.rows, seen.now_ms)
            return False
        places = tuple(sight.expect(view, decision.places))
        stale = self._offer(sight, view, places)
        counts["offered"] += len(places) - stale
        counts["stale"] += stale
        refused = self._command(sight.rows, decision.power, counts, seen.now_ms)
        self._write_down(sight.rows, seen, decision)
        if decision.power:
            counts["called"] += self._renter.carry(self._machines(view), seen.now_ms)
        if not (stale or refused or self._renter.failures):
            return False
        if len(decision.places) + len(decision.power) <= MANY:
            return True
        self._hub.wake.wake("farm")
        self.wake_ms = seen.now_ms
        return False

    def _offer(self, sight: CapacityView, view: QueueView, places: tuple[Place, ...]) -> int:
        """Write the starts as offers. Returns how many were refused."""
        fitting, refused = sight.fitting(view, places)
        if fitting:
            done = lead_all(self._hub, offers(self._hub, fitting))
            refused += [place for chunk in done for place in chunk]
        for place in refused:
            view.doubt(place.job, place.machine)
        sight.offered(places, refused)
        return len(refused)

    def _command(
        self, rows: Rows, commands: tuple[PowerCommand, ...], counts: Counter[str], now_ms: int
    ) -> int:
        """Write intents. Returns how many were refused."""
        refused = 0
        called: list[tuple[int, str]] = []
        for command, machine in zip(commands, self._renter.intend(commands, now_ms), strict=True):
            if isinstance(command, Boot):
                called.append((command.row, machine))
                rows.called(*called[-1])
                counts["ordered"] += 1
            elif machine:
                counts["commanded"] += 1
            else:
                refused += 1
        self._journal.told(called)
        return refused

    def _write_down(self, rows: Rows, seen: Seen, decision: Decision) -> None:
        """The decision with digests of what it was made from; with orders what was learnt, too."""
        acts = msgspec.json.encode((decision.places, decision.power)).decode()
        made = Decided(at_ms=seen.now_ms, view=policy.digest(seen), memory=rows.digest(), acts=acts)
        self._journal.write(made)
        if decision.power or seen.failed:
            self._remember(rows, seen.now_ms)

    def _remember(self, rows: Rows, now_ms: int) -> None:
        self._remembered_ms = now_ms
        digest = rows.digest()
        if digest == self._remembered:
            return
        lead(self._hub, partial(_learn, fresh=Memory(at_ms=now_ms, digest=digest, content=rows.pack())))
        self._remembered = digest


def _follow(tx: Tx, farm: Farm, view: QueueView) -> None:
    """Bring the view of the queue to what is so now."""
    view.hear(tx.find(Event, "position", 0))
    view.follow(tx)


def _learn(step: Step, fresh: Memory) -> None:
    """Write what was learnt over what was there, if it is different."""
    known = step.tx.get(Memory, fresh.id)
    if known is None:
        step.tx.insert(fresh)
    elif known.digest != fresh.digest:
        step.put(msgspec.structs.replace(fresh, version=known.version))
