"""What a pool's machines are, as the host has them and as this process knows them.

A look takes a while and machines turn meanwhile. What runs or is saved is so or was a moment ago; that one is dead is only
said of a machine that nothing was done with since before the look.
"""

from collections.abc import Callable

import libvirt
import msgspec

from penstock.model.rented import TAG_POOL, Instance, InstanceState, Listing
from penstock.providers.libvirt.domain import URI, tags_of
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Connection, Link
from penstock.providers.libvirt.machines import Domain, Machine, Machines

KEPT_MS = 3_600_000
"""What is gone is listed for so long, by the process that saw it."""
ENDED = "it ended by itself on its host"


class Seen(msgspec.Struct, frozen=True):
    """One domain of ours as a look found it."""

    id: str
    tags: dict[str, str]
    active: bool
    saved: bool


Sight = tuple[tuple[Seen, ...], bool]
"""What a look found, and whether the host told of each."""


class Lister:
    """One pool's looks at its host; what it finds half done is gone on with, what is dead is swept away."""

    def __init__(
        self, pool: str, link: Link, files: Files, machines: Machines, now: Callable[[], int]
    ) -> None:
        self._pool, self._link, self._files = pool, link, files
        self._machines, self._now = machines, now

    def listing(self) -> Listing:
        """All of this pool, those that are gone for a while, too. Raises ProviderError."""
        before = {one.id: one.turns for one in [*self._machines.known.values()]}
        seen, complete = self._look()
        found = [self._told(one, self._state(one, before)) for one in seen]
        listed = {one.id for one in seen}
        for machine in [*self._machines.known.values()]:
            if machine.id not in listed and self._is_told(machine):
                state: InstanceState = "gone" if machine.thread is None else "going"
                found.append(Instance(id=machine.id, state=state, tags=machine.tags))
        return Listing(instances=tuple(found), complete=complete)

    def _told(self, one: Seen, state: InstanceState) -> Instance:
        machine = self._machines.known.get(one.id)
        why = ENDED if state == "gone" else ""
        if machine is not None and machine.wrong is not None and state in ("coming", "gone"):
            why = str(machine.wrong)
        if machine is not None and state == "coming":
            why = machine.waits_for or why
        return Instance(id=one.id, state=state, tags=one.tags, why=why)

    def _look(self) -> Sight:
        """All of this pool."""

        def look(there: Connection) -> Sight:
            found, complete = [], True
            for domain in there.listAllDomains(0):
                try:
                    tags = tags_at(domain)
                    if tags is not None and tags.get(TAG_POOL) == self._pool:
                        found.append(_seen(domain, tags))
                except libvirt.libvirtError as problem:
                    # One that went meanwhile is no gap.
                    complete &= problem.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN
            return tuple(found), complete

        return self._link.call("list", look)

    def there(self) -> tuple[Seen, ...]:
        """What counts against the quota: all but what is over."""
        before = {one.id: one.turns for one in [*self._machines.known.values()]}
        return tuple(one for one in self._look()[0] if self._state(one, before) != "gone")

    def _state(self, one: Seen, before: dict[str, int]) -> InstanceState:
        machine = self._machines.known.get(one.id)
        if machine is not None and machine.thread is not None:
            return self._on_its_way(one, machine)
        if one.active:
            return self._running(one)
        if one.saved:
            return "stopped"
        if machine is not None and (machine.turns != before.get(one.id) or machine.expected):
            return "coming"  # it turned while it was looked at: the next look knows more
        self._sweep(one)
        return "gone"

    def _on_its_way(self, one: Seen, machine: Machine) -> InstanceState:
        """Where something is done with it, or what was wanted was so already."""
        if machine.wish == "up":
            return "up" if one.active and not self._files.has_unsaid(one.id) else "coming"
        if machine.wish == "stopped":
            return "stopped" if one.saved else "stopping"
        return "going"

    def _running(self, one: Seen) -> InstanceState:
        """Up, or still to be told something: by an earlier process that did not come to it."""
        if not self._files.has_unsaid(one.id):
            return "up"
        machine = self._machines.add(Machine(one.id, one.tags, fresh=False))
        self._machines.want(machine, "up")
        return "coming"

    def _sweep(self, one: Seen) -> None:
        """It crashed, or its hub did before it ran: what is left of it goes, where this hub has to do with it."""
        machine = self._machines.known.get(one.id)
        if machine is None and not self._files.has_any(one.id):
            return
        machine = self._machines.add(Machine(one.id, one.tags, fresh=False))
        if machine.gone_ms is None:
            machine.gone_ms = self._now()
            self._files.keep_console(one.id)
        self._machines.want(machine, "gone")

    def _is_told(self, machine: Machine) -> bool:
        """Whether one that is not at the host any more is still listed."""
        if machine.thread is not None:
            return machine.wish == "gone"
        if machine.gone_ms is None:
            return False
        if self._now() - machine.gone_ms <= KEPT_MS:
            return True
        self._machines.known.pop(machine.id, None)
        return False


def tags_at(domain: Domain) -> dict[str, str] | None:
    """Whose a domain is, None where no farm made it."""
    try:
        return tags_of(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, URI, 0))
    except libvirt.libvirtError as problem:
        if problem.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return None
        raise


def _seen(domain: Domain, tags: dict[str, str]) -> Seen:
    active = bool(domain.isActive())
    return Seen(domain.UUIDString(), tags, active, not active and bool(domain.hasManagedSaveImage()))
