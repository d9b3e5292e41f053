"""What machines that run on one host may have together, so that its memory is never given twice.

Whoever came first gets room first, whatever its size and pool: a large machine is not passed by small ones for ever. What runs is what
the host says, machines that nobody here made included; what is about to run is known here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libvirt

from penstock.model.units import Size
from penstock.policy.suitability import said
from penstock.ports import NoAnswer, NoCapacity, ProviderError
from penstock.providers.libvirt.link import Connection, Link
from penstock.providers.libvirt.machines import Machine

LOOK_S = 0.25
"""How often it is looked whether there is room by now."""
KEPT_PART = 10
"""One part in so many of the host's memory is its own."""
_hosts: dict[str, "Room"] = {}
_guard = threading.Lock()


class Room:
    """One host's. Machines are in here from when they want to run until the host lists them as running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: dict[str, Size] = {}
        self._waiting: dict[str, Size] = {}

    def take(self, id_: str, size: Size, most: Size, running: dict[str, Size]) -> str:
        """Have room from now on where there is enough, "" then; else be the next in line and get what is missing, in words. `most`:
        what there is; 0 cores = any number. Raises NoCapacity where there can never be enough."""
        with self._lock:
            if not _fit(size, most):
                raise NoCapacity(f"its host has {_said(most)} for machines, and this one needs {_said(size)}")
            self._waiting.setdefault(id_, size)
            used = Size(0, 0)
            for one in (running | self._starting | self._before(id_)).values():
                used = used.more(one)
            if _fit(used.more(size), most):
                self._starting[id_] = self._waiting.pop(id_)
                return ""
            return f"waits for room on its host: {_said(size)} beside {_said(used)}, of {_said(most)}"

    def leave(self, id_: str) -> None:
        """It runs, or does not want to any more."""
        with self._lock:
            self._starting.pop(id_, None)
            self._waiting.pop(id_, None)

    def _before(self, id_: str) -> dict[str, Size]:
        found = {}
        for other, size in self._waiting.items():
            if other == id_:
                break
            found[other] = size
        return found


def room_of(uri: str) -> Room:
    """That of a host: pools of one host share it."""
    with _guard:
        return _hosts.setdefault(uri, Room())


class Host:
    """One pool's view of it. `size`: of its machines; `most`: asks the host what there is for machines, as `limits` says."""

    def __init__(self, link: Link, uri: str, size: Size, most: Callable[[Connection], Size]) -> None:
        self._link, self._room, self._size, self._most = link, room_of(uri), size, most

    @contextmanager
    def held(self, machine: Machine) -> Iterator[None]:
        """Wait for room, and have it until the host lists the machine or it did not start. Raises ProviderError."""
        try:
            while missing := self._missing(machine):
                machine.waits_for = missing
                if not machine.wants("up"):
                    raise NoAnswer("it is not wanted any more")
                time.sleep(LOOK_S)
            machine.waits_for = ""
            yield
        finally:
            machine.waits_for = ""
            self._room.leave(machine.id)

    def _missing(self, machine: Machine) -> str:
        """What is missing now, "" where it has room. A host that does not answer gives none."""
        try:
            running, most = self._link.call("look", lambda there: (_running(there), self._most(there)))
        except NoCapacity:
            raise
        except ProviderError as problem:
            return str(problem)
        return self._room.take(machine.id, self._size, most, running)


def limits(cores: int | None, memory_mb: int) -> Callable[[Connection], Size]:
    """What there is for machines, as farm.toml says: None cores = any number; 0 = what the host has, of memory all but a tenth."""

    def most(there: Connection) -> Size:
        about = there.getInfo()
        memory = memory_mb or int(about[1]) * (KEPT_PART - 1) // KEPT_PART
        return Size(0 if cores is None else cores or int(about[2]), memory)

    return most


def _running(there: Connection) -> dict[str, Size]:
    """All that runs on the host."""
    found = {}
    for domain in there.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            _, most_kb, _, cores, _ = domain.info()
            found[domain.UUIDString()] = Size(int(cores), -(-int(most_kb) // 1024))
        except libvirt.libvirtError as problem:
            if problem.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return found


def _fit(size: Size, most: Size) -> bool:
    return (not most.cores or size.cores <= most.cores) and (size.memory_mb or 0) <= (most.memory_mb or 0)


def _said(size: Size) -> str:
    return said(size) if size.cores else f"{size.memory_mb or 0} MB"
