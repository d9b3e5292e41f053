"""The threads of a hub process that decide: one keeps the leadership or watches for it, one runs the services, one
notes how far the farm has come."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from penstock.hub import incarnation, intake
from penstock.hub.beside import Threads
from penstock.hub.context import Frozen, Hub, NotLeading
from penstock.hub.leader import Leader, Term
from penstock.hub.loop import Services
from penstock.hub.provisioner import Provisioner
from penstock.model.farm import Farm
from penstock.model.rules import Rules
from penstock.ports import Stale, StoreError
from penstock.web.bell import Bell
from penstock.wiring import Parts

PASS_S = 0.25
"""The services look around at least so often; whatever happens in between rings the bell."""
WATCH_S = 0.5
"""How often the leader is heard of, and how often the others look whether it is."""
AGAIN_S = 1.0
SOON_S = 0.02
"""After a pass that failed, and after one that only came at a bad moment."""
MARK_MS = 30_000
"""How far the farm has come is noted beside the blobs so often, and when it begins."""
MARKING_S = 2.0
"""At the end the mark that is being written is waited for so long."""
FAILING_MS = 30_000
"""When every pass has failed for so long, another hub may try: it may reach what this one does not."""
LET_MS = 20_000
"""For so long the others go first then."""
STUCK_MS = 600_000
"""A pass that does not end for so long is no deciding: the leader falls silent, so that another takes over."""


class Deciding:
    """Runs from `start` to `stop`; nothing is decided here, only when and by whom. `note` is told what went wrong;
    `begun` is set when the services run for the first time."""

    def __init__(self, parts: Parts, leader: Leader, bell: Bell, note: Callable[[Exception], None]) -> None:
        self._hub, self._marks, self._alone = parts.hub, parts.marks, parts.alone
        self._leader, self._bell, self._note = leader, bell, note
        self._failing_ms: int | None = None
        self._rules = parts.hub.rules
        self._opened: Term | None = None
        self._began_ms: int | None = None
        self._stopping = threading.Event()
        self.begun = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, name="leadership", daemon=True),
            threading.Thread(target=self._decide, name="services", daemon=True),
        ]
        self._marking = threading.Thread(target=self._mark, name="marks", daemon=True)

    @property
    def opened(self) -> Term | None:
        """The term in which the services run: local agents may be started. None while another leads, or it is frozen."""
        return self._opened if self._opened is self._leader.term else None

    @property
    def leads(self) -> bool:
        """Whether this process decides now."""
        term = self._leader.term
        return term is not None and term.lasts_ms(self._hub.clock.monotonic_ms()) > 0

    def stuck(self) -> bool:
        """Whether a pass has been under way for longer than any pass takes."""
        began_ms = self._began_ms
        return began_ms is not None and self._hub.clock.monotonic_ms() - began_ms > STUCK_MS

    def start(self) -> None:
        """Begin to watch, and to decide when it is our turn."""
        for thread in (*self._threads, self._marking):
            thread.start()

    def use(self, rules: Rules) -> None:
        """Decide by these rules from the next pass on."""
        self._rules = rules

    def stop(self) -> None:
        """End the threads, after the pass that is under way; the leadership is kept until `Leader.resign`."""
        self._stopping.set()
        self._bell.wake("farm")
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        if self._marking.is_alive():
            self._marking.join(MARKING_S)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            now_ms = self._hub.clock.monotonic_ms()
            if not self.stuck():
                self._watch(now_ms)
            self._stopping.wait(WATCH_S)

    def _watch(self, now_ms: int) -> None:
        before = self._leader.term
        try:
            if self._leader.run_once(now_ms) is not before:
                self._bell.wake("farm")
        except Exception as problem:
            self._note(problem)

    def _decide(self) -> None:
        services: Services | None = None
        made_for: tuple[Term, Rules] | None = None
        while not self._stopping.is_set():
            term, rules = self._leader.term, self._rules
            if term is None or not self.leads:
                self._bell.wait_farm(PASS_S)
                continue
            if services is None or made_for != (term, rules):
                services, made_for = self._services(term, rules), (term, rules)
            self._pass(services, term)
        if services is not None and made_for is not None and made_for[0] is self._opened and self.leads:
            self._finish(services)

    def _finish(self, services: Services) -> None:
        """The last words before this process stops. What cannot be entered now is when somebody leads again."""
        try:
            services.finish()
        except (NotLeading, Frozen, StoreError, OSError):
            return

    def _services(self, term: Term, rules: Rules) -> Services:
        hub = replace(term.hub, rules=rules)
        beside = Threads(lambda: self._bell.wake("farm"))
        return Services(hub, term.farm, term.timekeeper, beside, provisioner=partial(self._provisioner, term))

    def _provisioner(self, term: Term, hub: Hub) -> Provisioner:
        """Its calls have threads of their own, and begin only while this process surely leads."""
        calls = Threads(lambda: self._bell.wake("farm"))
        return Provisioner(hub, calls, lambda: term.lasts_ms(hub.clock.monotonic_ms()))

    def _pass(self, services: Services, term: Term) -> None:
        """One pass, then wait for the bell; or what went wrong is told, and tried again."""
        self._began_ms = self._hub.clock.monotonic_ms()
        try:
            if self._opened is not term:
                self._open(services, term)
            services.run_once(self._hub.clock.monotonic_ms())
        except NotLeading:
            self._leader.lost(term)
        except (Stale, Frozen):
            self._stopping.wait(SOON_S)  # the row was written by somebody else: again
        except Exception as problem:
            self._note(problem)
            self._failed()
            self._stopping.wait(AGAIN_S)
        else:
            self._failing_ms = None
            self._bell.wait_farm(PASS_S)
        finally:
            self._began_ms = None

    def _failed(self) -> None:
        """A pass failed: who cannot decide for long lets another hub try, where there may be one."""
        now_ms = self._hub.clock.monotonic_ms()
        self._failing_ms = now_ms if self._failing_ms is None else self._failing_ms
        if self._alone or now_ms - self._failing_ms < FAILING_MS:
            return
        self._failing_ms = None
        try:
            self._leader.step_back(now_ms, LET_MS)
        except StoreError as problem:
            self._note(problem)  # then it is not heard of any more, either

    def _open(self, services: Services, term: Term) -> None:
        """What agents of local pools held ended with the process that started them; not in a frozen farm.

        A database that is older than the farm is found out before anything is decided on it.
        """
        incarnation.check(services.hub, self._marks)
        farm = self._hub.store.read(lambda tx: tx.get(Farm, "farm"))
        if farm is not None and not farm.frozen:
            intake.end_stale(services.hub)
            self._opened = term
            self.begun.set()

    def _mark(self) -> None:
        """Note how far the farm has come, in a thread of its own: a blob store that is away holds up nobody."""
        marked_ms: int | None = None
        while not self._stopping.is_set():
            now_ms = self._hub.clock.monotonic_ms()
            if self.opened is not None and (marked_ms is None or now_ms - marked_ms >= MARK_MS):
                marked_ms = now_ms
                try:
                    incarnation.note(self._hub, self._marks)
                except Exception as problem:
                    self._note(problem)
            self._stopping.wait(WATCH_S)
