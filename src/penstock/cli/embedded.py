"""A whole farm in this process: hub, HTTP edge on loopback, services' loop, and local agents as children."""

import errno
import socket
import threading
from typing import Any

from penstock.cli.opened import Opened
from penstock.cli.output import say
from penstock.cli.place import forget_hub_address, write_hub_address
from penstock.hub import intake, sessions
from penstock.hub.loop import Services
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.ports import FarmFailed, StoreError
from penstock.web.app import make_app
from penstock.web.server import Edge
from penstock.web.site import Site
from penstock.wiring import provider

PASS_S = 0.25
"""The services look around at least so often; whatever happens in between rings the bell."""


class EmbeddedFarm:
    """Runs from `start` to `stop`. The thread that starts it must live as long: its agents die with that thread."""

    def __init__(self, opened: Opened) -> None:
        self._place, self._parts, self._bell = opened.place, opened.parts, opened.bell
        self._no_sandbox, self._identity = opened.asked.sandbox == "plain", opened.asked.identity
        self._services = Services(self._parts.hub, opened.led)
        self._token = self._parts.hub.entropy.token(32)
        self._stopping = threading.Event()
        self._loop = threading.Thread(target=self._run_services, name="services", daemon=True)
        self._providers: list[Any] = []
        self._edge: Edge | None = None
        self._problem: Exception | None = None
        self.address = ""

    def start(self, listen: socket.socket) -> None:
        """Serve on `listen`, run the services, start the agents of all local pools."""
        parts = self._parts
        app = make_app(Site(parts.hub, parts.logs, parts.git, self._bell, self._token, on_fault=self._note))
        self._edge = Edge(app, listen).start()
        self.address = self._edge.address
        write_hub_address(self._place.folder, self.address, self._token)
        self._loop.start()
        for pool in self._place.rules.pools:
            if pool.provider == "local":
                self._start_agents(pool)

    def page(self) -> str:
        """The address of the page, with what opens it."""
        return f"{self.address}/login?token={self._token}"

    def check(self) -> None:
        """Raise what stopped the services or filled the disk; start agents again that have ended.

        Raises FarmFailed for an agent that does not stay. Call it from the thread that called `start`.
        """
        if self._problem is not None:
            raise self._problem
        for agents in self._providers:
            for sentence in agents.revive():
                say(f"penstock: {sentence}")
        self._check_identity()

    def _check_identity(self) -> None:
        """An agent measures its machine anew: when packages changed since the plan was made, its jobs would wait for ever."""
        machines = self._parts.hub.store.read(lambda tx: tx.find(Machine, "power", Power.UP))
        if any(machine.accepting and machine.identity != self._identity for machine in machines):
            raise FarmFailed(
                "the packages or compilers of this machine changed after the build was planned; run the same command again"
            )

    def stop(self) -> None:
        """End services, HTTP edge and agents, in this order; harmless when not all of them were started.

        Services first: else what one agent gives back would be offered to the next one that is about to end. The
        edge before the agents: what they break off now ends as "farm stopped", which is held against nobody, and
        not as something that they gave back.
        """
        self._stopping.set()
        self._bell.wake("farm")
        if self._loop.is_alive():
            self._loop.join()
        self._bell.close()
        if self._edge is not None:
            self._edge.stop()
            forget_hub_address(self._place.folder)
        for agents in self._providers:
            agents.stop()
        self._close_books()

    def _close_books(self) -> None:
        """What agents held ends with them; where that cannot be written any more, the next start does it."""
        try:
            intake.end_stale(self._parts.hub)
        except (StoreError, OSError):
            return

    def _start_agents(self, pool: Pool) -> None:
        agents = provider(pool.provider)(pool, self._place.folder / "agents", self.address, self._no_sandbox)
        self._providers.append(agents)
        agents.start([sessions.create_token(self._parts.hub, pool.name) for _ in range(agents.count)])

    def _note(self, problem: Exception) -> None:
        """A call failed for lack of room: its agent would try again for an hour, while nobody makes any."""
        if not isinstance(problem, OSError) or problem.errno in (errno.ENOSPC, errno.EDQUOT):
            self._problem = self._problem or problem

    def _run_services(self) -> None:
        """The loop around run_once: nothing is decided here."""
        while not self._stopping.is_set():
            try:
                self._services.run_once(self._parts.hub.clock.monotonic_ms())
            except Exception as problem:
                self._problem = problem
                return
            self._bell.wait_farm(PASS_S)
