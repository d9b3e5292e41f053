"""What is done with machines, each in a thread of its own that goes after what is wanted of it until that is so.

Calls only say what is wanted: up, stopped or gone. So a machine that is to go while it still comes goes, and one that is
asked for twice comes once.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import libvirt

from penstock.ports import NoAnswer, ProviderError, UnknownMachine
from penstock.providers.libvirt.channel import Tell
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Connection, Link

Wish = Literal["up", "stopped", "gone"]
AGAIN_S = 1.0
"""What failed is tried again after so long, while it is still wanted."""
TRIES = 5
Domain = Any
"""A libvirt.virDomain."""


@dataclass
class Machine:
    """One machine as this process knows it. `begun`: it runs, or was refused (`wrong`). `turns`: rises with whatever is
    begun or ended, so that who looked meanwhile knows that it saw neither before nor after. `waits_for`: what its host has to have first."""

    id: str
    tags: dict[str, str]
    wish: Wish = "up"
    thread: threading.Thread | None = None
    turns: int = 0
    fresh: bool = True
    begun: threading.Event = field(default_factory=threading.Event)
    wrong: ProviderError | None = None
    gone_ms: int | None = None
    waits_for: str = ""

    def wants(self, wish: Wish) -> bool:
        """Whether this is still wanted."""
        return self.wish == wish

    @property
    def expected(self) -> bool:
        """Whether it is about to be made, so that a definition which does not run is no dead machine."""
        return self.fresh and not self.begun.is_set()


class Machines:
    """All that this process goes after. `boot` begins a machine that never ran; it raises ProviderError. `fresh_words`: what a
    guest is told when its memory was resumed. `room`: what holds a machine's part of the host while it starts."""

    def __init__(self, link: Link, files: Files, tell: Tell, boot: Callable[[Machine], None]) -> None:
        self._link, self._files, self._tell, self._boot = link, files, tell, boot
        self._lock = threading.Lock()
        self.known: dict[str, Machine] = {}
        self.again_s = AGAIN_S
        self.wall_ms: Callable[[], int] = lambda: 0
        self.words: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.room: Callable[[Machine], AbstractContextManager[None]] = lambda machine: nullcontext()

    def add(self, machine: Machine) -> Machine:
        """Know of it from now on; the one that is known already, where there is one."""
        with self._lock:
            return self.known.setdefault(machine.id, machine)

    def want(self, machine: Machine, wish: Wish) -> None:
        """From now on this is wanted of it; what was wanted before is not."""
        with self._lock:
            machine.wish = wish
            machine.turns += 1
            if machine.thread is None:
                name = f"libvirt {machine.id[:8]}"
                machine.thread = threading.Thread(
                    target=self._pursue, args=(machine,), name=name, daemon=True
                )
                machine.thread.start()

    def _pursue(self, machine: Machine) -> None:
        """Until what is wanted is so, or cannot be."""
        failed = 0
        while True:
            wish = machine.wish
            try:
                getattr(self, f"_{wish}")(machine)
                failed, machine.wrong = 0, None
            except UnknownMachine:
                if wish == "gone":
                    self._over(machine)
            except Exception as problem:  # whatever it was, no machine is left to a thread that ended
                failed += 1
                wrong = problem if isinstance(problem, ProviderError) else NoAnswer(str(problem))
                machine.wrong = wrong
                if failed < TRIES and not (machine.fresh and wish == "up"):
                    time.sleep(self.again_s)
                    continue
            machine.begun.set()
            with self._lock:
                if machine.wish == wish:
                    machine.thread = None
                    machine.turns += 1
                    return

    # What each wish means

    def _up(self, machine: Machine) -> None:
        """Runs, and its guest knows who it is."""
        if machine.gone_ms is not None:
            return
        if not self._call("look", machine, lambda domain: domain.isActive()):
            sleeps = self._call("look", machine, lambda domain: domain.hasManagedSaveImage())
            if not sleeps and not machine.fresh:
                return  # it crashed: its memory is lost, and with it all that it was
            with self.room(machine):
                self._start(machine, bool(sleeps))
        machine.fresh = False
        machine.begun.set()
        self._say(machine)

    def _start(self, machine: Machine, sleeps: bool) -> None:
        if sleeps:
            self._leave_resumed(machine)
            self._call("start", machine, lambda domain: domain.create())
        else:
            self._boot(machine)

    def _stopped(self, machine: Machine) -> None:
        """Its memory is in a file."""
        if self._call("look", machine, lambda domain: domain.isActive()):
            machine.fresh = False
            self._call("save", machine, lambda domain: domain.managedSave(0))

    def _gone(self, machine: Machine) -> None:
        """Nothing is left of it."""
        with suppress(UnknownMachine):
            if self._call("look", machine, lambda domain: domain.isActive()):
                self._call("destroy", machine, _destroy)
            self._call("undefine", machine, _undefine)
        self._over(machine)

    def _over(self, machine: Machine) -> None:
        self._files.remove(machine.id)
        if machine.gone_ms is None:
            machine.gone_ms = self.wall_ms()

    def _leave_resumed(self, machine: Machine) -> None:
        """It slept: its clock is behind and its connections are dead, and it does not know. One that was never told who it
        is has no need to."""
        if not self._files.has_unsaid(machine.id):
            self._files.leave(machine.id, {"kind": "resumed"})

    def _say(self, machine: Machine) -> None:
        """Tell it what it has still to be told."""
        unsaid = self._files.unsaid(machine.id)
        if unsaid is None:
            return

        channel = self._files.channel(machine.id)
        wanted = partial(self._is_heard, machine)
        if self._tell(channel, lambda: self.words(unsaid), wanted):
            self._files.said(machine.id)

    def _is_heard(self, machine: Machine) -> bool:
        """Whether it is still worth speaking to."""
        try:
            return machine.wants("up") and bool(self._call("look", machine, lambda domain: domain.isActive()))
        except UnknownMachine:
            return False
        except ProviderError:
            return True  # it is the host that does not answer

    def _call(self, what: str, machine: Machine, act: Callable[[Domain], Any]) -> Any:
        def on(there: Connection) -> Any:
            return act(there.lookupByUUIDString(machine.id))

        if what == "look":
            return self._link.call(what, on)
        return self._link.change(what, on)


def _destroy(domain: Domain) -> None:
    """End it at once. One that ended by itself meanwhile is what was wanted."""
    with suppress(libvirt.libvirtError):
        domain.destroy()


def _undefine(domain: Domain) -> None:
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
