"""The deciding services of the leader, in a fixed order. Whoever owns the thread calls `run_once` when the bell
rings or its timer says so."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from penstock.hub import closer, placer, pruner, recorder, releaser, rescuer, retiring, settler
from penstock.hub.beside import AtOnce, Beside
from penstock.hub.bookkeeper import Bookkeeper
from penstock.hub.context import Frozen, Hub, NotLeading
from penstock.hub.forgetter import Forgetter
from penstock.hub.guardian import Guardian
from penstock.hub.provisioner import Provisioner
from penstock.hub.queueview import QueueView
from penstock.hub.steps import look
from penstock.hub.timekeeper import Timekeeper
from penstock.hub.watcher import EVERY_MS, Watcher
from penstock.model.farm import Event, Farm
from penstock.model.states import JOB
from penstock.ports import Tx

SELDOM_MS = 60_000
"""How often everything is derived again, in farm time."""
MOMENT_MS = 400
"""Farm time is not written again before: what happens within a moment happens at the same time."""
PORTION = 5_000
"""Queued jobs that one pass reads, when the queue is read anew."""
BEAT_MS = 1_500
"""The same where somebody else keeps time, too (leader.Leader, once a second): then no pass waits for that write."""


class Services:
    """All services of one leader. `farm`: what intake.open_farm returned; without it whoever leads now is joined.
    `timekeeper`: one that another thread uses as well, to be heard of. `beside` does what a blob store may hold up.
    `provisioner` makes what deals with providers. `moment_ms`: farm time is not written again before. `books`: whether
    the ledger is kept. `watch_ms`: how often other systems' queues are looked at.
    """

    def __init__(
        self,
        hub: Hub,
        farm: Farm | None = None,
        timekeeper: Timekeeper | None = None,
        beside: Beside | None = None,
        provisioner: Callable[[Hub], Provisioner] = Provisioner,
        moment_ms: int | None = None,
        books: bool = True,
        watch_ms: int = EVERY_MS,
    ) -> None:
        led = farm if farm is not None else look(hub, lambda tx, row: row)
        self.hub = replace(hub, epoch=led.leader_epoch)
        self._timekeeper = timekeeper or Timekeeper(self.hub)
        usual_ms = MOMENT_MS if timekeeper is None else BEAT_MS
        self._moment_ms = usual_ms if moment_ms is None else moment_ms
        self._beside = beside or AtOnce()
        self.view = QueueView(PORTION)
        self.provisioner = provisioner(self.hub)
        self._watcher = Watcher(self.hub, self._beside, watch_ms)
        self._guardian = Guardian(self.hub)
        self._forgetter = Forgetter(self.hub)
        self._bookkeeper = Bookkeeper(self.hub) if books else None
        self._ended: set[str] = set()
        self._stamped = 0
        self._derived_ms: int | None = None
        self._rescued_ms: int | None = None

    def keep_time(self, monotonic_ms: int) -> Farm:
        """Only let time go on."""
        return self._timekeeper.run_once(monotonic_ms)

    def wake_ms(self) -> int | None:
        """At which reading of the monotonic clock a pass is due though nothing happens; None where none is. What ends by
        its silence is found a little later, by the passes that are made anyway."""
        moments = [self.provisioner.next_ms(self.view), self._watcher.next_ms()]
        wake_ms = min((one for one in moments if one is not None), default=None)
        last_ms = self._timekeeper.last_ms
        if wake_ms is None or last_ms is None:
            return None
        return last_ms + wake_ms - look(self.hub, lambda tx, farm: farm.time_ms)

    def run_once(self, monotonic_ms: int) -> dict[str, int]:
        """One pass at this reading of the monotonic clock. Returns what was done, by name.

        A frozen farm is told of, and time goes on in it: nothing is placed, settled, ended or deleted.

        Raises context.NotLeading when another process leads: then this one must stop.
        """
        try:
            return self._pass(monotonic_ms)
        except Frozen:
            self._forget()
            return {"stamped": self._stamp()}
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        """Events may have been stamped and not followed up: everything is read and derived again."""
        self.view.forget()
        self._derived_ms = None

    def _pass(self, monotonic_ms: int) -> dict[str, int]:
        farm, ends, leaving = self._news(monotonic_ms)
        now_ms = farm.time_ms
        if farm.frozen:
            return {"stamped": self._stamp()}
        self.view.go_on()
        counts = settler.run_once(self.hub, ends, self._beside)
        counts |= self._rescue(now_ms)
        seldom = self._is_seldom(now_ms)
        if seldom:
            counts |= releaser.run_once(self.hub, now_ms)
            counts |= self._forgetter.run_once(now_ms)
            self._beside.later("prune", partial(pruner.run_once, self.hub, now_ms))
            self._derived_ms = now_ms
            self.view.check(machines=True)
        counts |= self._guardian.run_once(now_ms)
        counts |= retiring.run_once(self.hub, leaving)
        self._stamped = 0
        watched = self._watcher.run_once(now_ms)
        self.provisioner.away, self.provisioner.unheard = self._watcher.away(), self._watcher.unheard(now_ms)
        rented = self.provisioner.run_once(now_ms, self.view)
        placed = placer.run_once(self.hub, now_ms, self.view, self._follow_up, self.provisioner.without)
        counts |= watched | rented | {name: placed[name] + rented[name] for name in placed}
        if not self._stamped or self.view.unstamped:
            self._stamp()
        ended, self._ended = self._ended, set()
        closed = closer.run_once(self.hub, now_ms, None if seldom else ended)
        if closed["closed"]:
            self._stamp(some=True)
        if not self.view.complete or counts["left"]:
            self.hub.wake.wake("farm")  # what is left is done at once, a portion in each pass
        return counts | closed | {"stamped": self._stamped} | self._enter(now_ms)

    def finish(self) -> None:
        """Before this process stops: what was told is stamped, and entered in the books. Raises NotLeading, Frozen."""
        self._stamp()
        if self._bookkeeper is not None:
            self._bookkeeper.finish(look(self.hub, lambda tx, farm: farm.time_ms))

    def _enter(self, now_ms: int) -> dict[str, int]:
        """The last of a pass: nobody waits for the books."""
        return {} if self._bookkeeper is None else self._bookkeeper.run_once(now_ms)

    def _rescue(self, now_ms: int) -> dict[str, int]:
        """Rights and deadlines end by farm time alone: as long as it stands still there is nothing to find."""
        if now_ms == self._rescued_ms:
            return rescuer.NOTHING
        self.view.check(machines=False)
        counts = rescuer.run_once(self.hub, now_ms)
        self._rescued_ms = None if counts["left"] else now_ms
        return counts

    def _news(self, monotonic_ms: int) -> tuple[Farm, list[str], list[str]]:
        """Advance farm time, unless it was written a moment ago: what happens meanwhile happens at that moment. Then the
        farm's row, attempts to settle, and machines to let go, in one look: nearly always there are none."""
        last_ms = self._timekeeper.last_ms
        if last_ms is None or not 0 <= monotonic_ms - last_ms < self._moment_ms:
            self._timekeeper.run_once(monotonic_ms)
        return look(self.hub, self._seen)

    def _seen(self, tx: Tx, farm: Farm) -> tuple[Farm, list[str], list[str]]:
        if farm.leader_epoch != self.hub.epoch:
            raise NotLeading(f"epoch {farm.leader_epoch} leads, this is {self.hub.epoch}")
        return farm, settler.recorded(tx), retiring.done_with(tx, self._is_seldom(farm.time_ms))

    def _is_seldom(self, now_ms: int) -> bool:
        """Whether everything is to be derived again in this pass."""
        return self._derived_ms is None or now_ms - self._derived_ms >= SELDOM_MS

    def _stamp(self, some: bool = False) -> int:
        """Stamp what was told. Returns how many events."""
        events = recorder.stamp(self.hub, some or self.view.unstamped)
        self._follow_up(events)
        return len(events)

    def _follow_up(self, events: list[Event]) -> None:
        """The view hears of what was stamped, and builds that are new or of which a job has ended are looked at."""
        self._stamped += len(events)
        self.view.stamped(events)
        if self._bookkeeper is not None:
            self._bookkeeper.hear(len(events))
        self._ended |= {event.build for event in events if _may_close(event)}


def _may_close(event: Event) -> bool:
    return event.kind == "build" or (event.kind == "job" and JOB.terminal(event.state))
