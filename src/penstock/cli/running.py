"""A hub process from start to stop: HTTP edge, leadership and services, agents of local pools while it leads."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from penstock.cli.deciding import Deciding
from penstock.cli.output import say
from penstock.cli.place import Place, forget_hub_address, write_hub_address
from penstock.hub import intake, sessions
from penstock.hub.leader import Leader, Term
from penstock.model.farm import Farm
from penstock.model.rules import Pool, Rules
from penstock.ports import StoreError
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge, Tls
from penstock.web.site import LOOPBACK, Site
from penstock.wiring import Parts, open_submitter, provider


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a hub process runs: plain processes in local pools; names that it answers to; TLS of its main address;
    `inner`: also listen on a loopback address of its own, for commands and agents of this machine."""

    no_sandbox: bool = False
    hosts: tuple[str, ...] = ()
    tls: Tls | None = None
    inner: bool = False


class RunningHub:
    """Runs from `start` to `stop`. The thread that starts it must live as long: local agents die with that thread.

    `note` is told of what went wrong: in a pass, in keeping the leadership, or (a full disk) in a call.
    """

    def __init__(
        self, place: Place, parts: Parts, bell: Bell, note: Callable[[Exception], None], manner: Manner
    ) -> None:
        self._place, self._parts, self._bell, self._note, self._manner = place, parts, bell, note, manner
        self._rules = place.rules
        self._token = parts.hub.entropy.token(32)
        self._leader = Leader(parts.hub, socket.gethostname(), alone=parts.alone)
        self._deciding = Deciding(parts, self._leader, bell, note)
        self._agents: dict[str, tuple[Pool, Any]] = {}
        self._agents_of: Term | None = None
        self._edge: Edge | None = None
        self.address = ""
        self.inner_address = ""

    @property
    def leads(self) -> bool:
        """Whether this process decides now."""
        return self._deciding.leads

    def start(self, listen: socket.socket) -> None:
        """Serve on `listen`, and lead where nobody does."""
        inner = socket.create_server(("127.0.0.1", 0)) if self._manner.inner else None
        self._edge = Edge(self._app(self._rules), listen, self._manner.tls, inner, self._ready).start()
        self.address = self._edge.address
        self.inner_address = self._edge.inner_address or self.address
        write_hub_address(self._place.folder, self.inner_address, self._token)
        self._deciding.start()

    def lives(self) -> bool:
        """Whether calls are answered and no pass hangs: what a watchdog wants to know."""
        return self._edge is not None and self._edge.ticks() and not self._deciding.stuck()

    def wait_open(self, timeout_s: float) -> None:
        """Wait until the services run, at most so long."""
        self._deciding.begun.wait(timeout_s)

    def page(self) -> str:
        """The address of the page, with what opens it."""
        return f"{self.address}/login?token={self._token}"

    def tend(self) -> None:
        """Local agents run while this process leads; those that ended are started again. Call it again and again, from
        the thread that called `start`. Raises FarmFailed for an agent that does not stay."""
        term = self._deciding.opened
        if self._agents_of is not None and self._agents_of is not term:
            self._stop_agents()
        if term is None:
            return
        self._agents_of = term
        for pool in self._local():
            if pool.name not in self._agents:
                self._start_agents(pool)
        for _, agents in self._agents.values():
            for sentence in agents.revive():
                say(f"penstock: {sentence}")

    def use(self, rules: Rules) -> None:
        """Go by these rules from now. Agents of local pools that are another or gone are ended."""
        self._rules = rules
        self._deciding.use(rules)
        if self._edge is not None:
            self._edge.use(self._app(rules))
        local = {pool.name: pool for pool in self._local()}
        for name, (pool, agents) in list(self._agents.items()):
            if local.get(name) != pool:
                agents.stop()
                del self._agents[name]

    def stop(self) -> None:
        """End services, HTTP edge and local agents, in this order; harmless when not all of them were started.

        Services first: else what one agent gives back would be offered to the next one that is about to end. Then
        another hub may lead. The edge before the agents: what they break off now ends as "farm stopped", which is held
        against nobody, and not as something that they gave back.
        """
        self._deciding.stop()
        self._in_peace(self._leader.resign)
        self._bell.close()
        if self._edge is not None:
            self._edge.stop()
            forget_hub_address(self._place.folder)
        self._stop_agents()
        if self._parts.alone:
            # What local agents held ends with them. Where others may lead by now, the next leader does it.
            self._in_peace(lambda: intake.end_stale(self._parts.hub))

    def _in_peace(self, last: Callable[[], object]) -> None:
        """Where it cannot be written any more, the next start does it."""
        try:
            last()
        except (StoreError, OSError):
            return

    def _ready(self) -> dict[str, object]:
        """For /readyz: that the store answers, whether this process leads, whether the farm is frozen."""
        farm = self._parts.hub.store.read(lambda tx: tx.get(Farm, "farm"))
        return {"leads": self.leads, "frozen": farm is not None and farm.frozen}

    def _app(self, rules: Rules) -> Any:
        parts = self._parts
        hub = replace(parts.hub, rules=rules)
        return make_app(
            Site(
                hub,
                parts.logs,
                parts.git,
                self._bell,
                self._token,
                hosts=(*LOOPBACK, *self._manner.hosts),
                on_fault=self._note,
                on_forward=lambda line: say(f"penstock: {line}"),
                submit=open_submitter(hub, parts.folder),
            )
        )

    def _local(self) -> list[Pool]:
        return [pool for pool in self._rules.pools if pool.provider == "local"]

    def _start_agents(self, pool: Pool) -> None:
        folder = self._place.folder / "agents"
        agents = provider(pool.provider)(pool, folder, self.inner_address, self._manner.no_sandbox)
        self._agents[pool.name] = (pool, agents)
        hub = replace(self._parts.hub, rules=self._rules)
        agents.start([sessions.create_token(hub, pool.name) for _ in range(agents.count)])

    def _stop_agents(self) -> None:
        for _, agents in self._agents.values():
            agents.stop()
        self._agents, self._agents_of = {}, None
