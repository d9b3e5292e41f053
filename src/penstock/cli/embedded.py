"""A whole farm in this process for one build: a hub on loopback, and agents that were measured before."""

import errno
import socket

from penstock.cli.opened import Opened
from penstock.cli.running import Manner, RunningHub
from penstock.model.machine import Machine
from penstock.model.states import Power
from penstock.ports import FarmFailed

OPEN_S = 2.0


class EmbeddedFarm:
    """Runs from `start` to `stop`. The thread that starts it must live as long: its agents die with that thread."""

    def __init__(self, opened: Opened) -> None:
        self._parts = opened.parts
        self._identity = opened.asked.identity
        self._problem: Exception | None = None
        manner = Manner(no_sandbox=opened.asked.sandbox == "plain")
        self._hub = RunningHub(opened.place, opened.parts, opened.bell, self._note, manner)

    @property
    def address(self) -> str:
        """Where it serves."""
        return self._hub.address

    def start(self, listen: socket.socket) -> None:
        """Serve on `listen`, run the services, start the agents; `check` does it where that takes a while."""
        self._hub.start(listen)
        self._hub.wait_open(OPEN_S)
        self._hub.tend()

    def page(self) -> str:
        """The address of the page, with what opens it."""
        return self._hub.page()

    def check(self) -> None:
        """Raise what stopped the services or filled the disk; start agents, and again those that have ended.

        Raises FarmFailed for an agent that does not stay. Call it from the thread that called `start`.
        """
        if self._problem is not None:
            raise self._problem
        self._hub.tend()
        self._check_identity()

    def stop(self) -> None:
        """End everything; harmless when not all of it was started."""
        self._hub.stop()

    def _check_identity(self) -> None:
        """An agent measures its machine anew: when packages changed since the plan was made, its jobs would wait for ever."""
        machines = self._parts.hub.store.read(lambda tx: tx.find(Machine, "power", Power.UP))
        if any(machine.accepting and machine.identity != self._identity for machine in machines):
            raise FarmFailed(
                "the packages or compilers of this machine changed after the build was planned; run the same command again"
            )

    def _note(self, problem: Exception) -> None:
        """A call failed for lack of room: its agent would try again for an hour, while nobody makes any."""
        if not isinstance(problem, OSError) or problem.errno in (errno.ENOSPC, errno.EDQUOT):
            self._problem = self._problem or problem
