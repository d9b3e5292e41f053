"""Provider "libvirt": one pool's virtual machines on one host.

Whose a machine is stands in its definition at the host, before it runs; so a hub that is killed at any moment finds all that
it began. Its id follows from the order's token: asked for twice, it is there once.
"""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import libvirt

from penstock.model.pool_foreign import OURS
from penstock.model.pool_libvirt import Libvirt as Settings
from penstock.model.rented import TAG_POOL, Listing, Notice, Offer, Order
from penstock.model.rules import Pool
from penstock.model.units import Size
from penstock.ports import NoAnswer, ProviderError, QuotaReached, UnknownMachine
from penstock.providers.libvirt.channel import AgentFile, Tell, tell
from penstock.providers.libvirt.copies import Copies
from penstock.providers.libvirt.domain import (
    Build,
    Named,
    domain_xml,
    id_of,
    mac_of,
    machine_id_of,
)
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.image import Image, read_image
from penstock.providers.libvirt.link import Connection, Link
from penstock.providers.libvirt.listing import Lister, tags_at
from penstock.providers.libvirt.machines import Machine, Machines, Wish
from penstock.providers.libvirt.renewing import Renewals
from penstock.providers.libvirt.room import Host, limits
from penstock.providers.libvirt.template import Made
from penstock.providers.serving import told
from penstock.providers.starting import agent_words

BEGUN_S = 3.0
"""A creation takes so long at most while its machine does not run yet, to tell a refusal; then that goes on by itself. What came before
counts: a host that was just started takes a second or more to define its first machine, and a call has 4.5 s."""
TOKEN_FILE, WORK_DIR = "/run/penstock/token", "/var/penstock"
"""Where the guest puts its secret and its work."""
MEMORY_MB = 1024
SEED_BYTES = 32


class Libvirt:
    """One pool's machines. `now`: wall milliseconds. `link` and `say`: how the host and guests are spoken to. `agent_file`: gives the
    file of our own agent, and "sha256:<hex>" of it, which copies of a machine have from the start."""

    follows = True
    """A look is a few calls to a socket, so the hub looks often: it hears of a crash in seconds."""

    def __init__(
        self, pool: Pool, now: Callable[[], int], link: Link | None = None, say: Tell = tell
    ) -> None:
        settings = pool.libvirt or Settings(uri="qemu:///session", image=".")
        self._pool, self._now, self._settings = pool, now, settings
        self.agent_file: Callable[[], tuple[bytes, str]] = _no_file
        self._link = link or Link(settings.uri)
        self._files = Files(Path(settings.folder or _default_folder(pool)))
        self._machines = Machines(self._link, self._files, say, self._boot)
        share = settings.share if settings.clone else None
        self._copies = Copies(pool.name, self._link, self._files, share, self._made)
        asked = pool.size or Size(1, None)
        self._size = Size(asked.cores, asked.memory_mb or MEMORY_MB)
        most = limits(settings.host_cores, settings.host_memory_mb)
        self._machines.room = Host(self._link, settings.uri, self._size, most).held
        self._machines.wall_ms, self._machines.words = now, self._words
        self._renewals = Renewals(pool, self._files, say, self._words)
        self._lister = Lister(pool.name, self._link, self._files, self._machines, now)

    # As ports.Provider

    def offers(self) -> tuple[Offer, ...]:
        """As ports.Provider: one, named like the pool. Without an answer from the host the quota is not known."""
        pool, left = self._pool, None
        if pool.max is not None:
            with suppress(ProviderError):
                left = max(0, pool.max - len(self._link.within("offers", self._lister.there)))
        return (
            Offer(
                name=pool.name,
                price_per_hour_micros=pool.price_per_hour_micros,
                stopped_price_per_hour_micros=pool.stopped_price_per_hour_micros,
                boot=pool.boot,
                resume=pool.resume,
                quota_left=left,
            ),
        )

    def create(self, order: Order) -> str:
        """As ports.Provider. A refusal of the host is told; where it takes longer, the machine is on its way."""
        return self._link.within("create", partial(self._create, order))

    def _create(self, order: Order) -> str:
        id_, until_s = id_of(order.token), time.monotonic() + BEGUN_S
        machine = self._machines.known.get(id_) or self._found(id_)
        if machine is None:
            machine = self._new(id_, order)
        if machine.fresh and machine.thread is None and not machine.begun.is_set():
            self._define(machine, order)
            self._machines.want(machine, "up")
        if (
            not machine.begun.wait(max(0.0, until_s - time.monotonic()))
            or machine.wrong is None
            or not machine.fresh
        ):
            return id_
        wrong = machine.wrong
        self._forget(machine)
        raise wrong

    def resume(self, id_: str) -> None:
        """As ports.Provider."""
        self._link.within("resume", partial(self._want, id_, "up"))

    def suspend(self, id_: str) -> None:
        """As ports.Provider."""
        self._link.within("suspend", partial(self._want, id_, "stopped"))

    def delete(self, id_: str) -> None:
        """As ports.Provider."""
        self._link.within("delete", partial(self._want, id_, "gone"))

    def list(self) -> Listing:
        """As ports.Provider: this pool's machines of any farm."""
        found = self._link.within("list", self._lister.listing)
        self._renewals.due(one.id for one in found.instances if one.state == "up")
        return found

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider: a host of one's own takes nothing back."""
        return ()

    def console(self, id_: str) -> str:
        """As ports.Provider: also of machines that died by themselves, the newest ones."""
        return self._files.printed(id_)

    # Making one

    def _new(self, id_: str, order: Order) -> Machine:
        """One more, as far as the pool lets there be."""
        most = self._pool.max
        if most is not None and len(self._lister.there()) >= most:
            raise QuotaReached(f"{self._pool.name}: no more than {most} machines")
        return self._machines.add(Machine(id_, dict(order.tags) | {TAG_POOL: self._pool.name}))

    def _define(self, machine: Machine, order: Order) -> None:
        """Whose it is and what it will be told, written down before anything runs. Repeats are harmless."""
        try:
            self._files.make()
            self._files.leave(machine.id, self._identity(order, machine.id))
            xml = domain_xml(self._build(), self._named(machine, order.name))
        except OSError as problem:
            raise NoAnswer(f"{self._pool.name}: {problem}") from problem
        self._link.change("define", lambda there: there.defineXML(xml))

    def _boot(self, machine: Machine) -> None:
        """Begin one that never ran: a copy of one that has booted, where the pool says so."""
        name = self._link.call("look", lambda there: there.lookupByUUIDString(machine.id).name())
        if not self._settings.clone:
            self._link.change("start", lambda there: there.lookupByUUIDString(machine.id).create())
            self._copies.tidy()
            return
        self._copies.begin(machine, self._named(machine, name))

    def _made(self) -> Made:
        return Made(self._build(), self._the_image().digest, self._agent())

    def _agent(self) -> AgentFile:
        """What waits in each copy."""
        if not self._settings.clone or self._pool.agent != OURS:
            return AgentFile()
        return AgentFile(*self.agent_file(), ("--work-dir", WORK_DIR, "--slots", str(self._pool.slots)))

    def _build(self) -> Build:
        settings, size, image = self._settings, self._size, self._the_image()
        cpu = settings.cpu or ("host" if settings.kind == "kvm" else "qemu64+rdrand")
        return Build(
            image=image.folder,
            kind=settings.kind,
            machine=settings.machine,
            cpu=cpu,
            cores=size.cores,
            memory_mb=size.memory_mb or 0,
            bridge=settings.bridge,
            words=image.words,
        )

    def _the_image(self) -> Image:
        """What lies in the folder now: an image that is replaced makes other machines from then on."""
        return read_image(Path(self._settings.image), self._pool.agent)

    def _named(self, machine: Machine, name: str) -> Named:
        files, id_ = self._files, machine.id
        called = name if name.endswith(id_[:8]) else f"{name or self._pool.name}-{id_[:8]}"
        return Named(
            id=id_,
            name=called,
            mac=mac_of(id_),
            channel=files.channel(id_).absolute(),
            console=files.console(id_).absolute(),
            tags=machine.tags,
        )

    def _identity(self, order: Order, id_: str) -> dict[str, Any]:
        """Who the guest is and what it does then; the moment and the seed are added when it is told."""
        words = agent_words(self._pool, order, TOKEN_FILE, WORK_DIR)
        return {
            "kind": "identity",
            "name": order.name or id_[:8],
            "mac": mac_of(id_),
            "machine_id": machine_id_of(id_),
            "hub": order.hub,
            "token": order.secret,
            "agent_sha256": "",
            "prepared": self._agent().digest,
            "words": words,
            "network": "dhcp" if self._settings.bridge else "user",
            "ca": "",
            **told(self._pool, order),
        }

    def _words(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as it is sent now: a guest that slept or was copied has an old clock and a known state of chance."""
        return message | {"time_ms": self._now(), "seed": secrets.token_hex(SEED_BYTES)}

    # Finding and following

    def _want(self, id_: str, wish: Wish) -> None:
        machine = self._machines.known.get(id_) or self._found(id_)
        if machine is None:
            raise UnknownMachine(f"{self._pool.name} has no machine {id_}")
        if machine.gone_ms is None:
            self._machines.want(machine, wish)

    def _found(self, id_: str) -> Machine | None:
        """One that an earlier process made."""

        def find(there: Connection) -> dict[str, str] | None:
            try:
                return tags_at(there.lookupByUUIDString(id_))
            except libvirt.libvirtError as problem:
                if problem.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG):
                    return None
                raise

        tags = self._link.call("find", find)
        if tags is None or tags.get(TAG_POOL) != self._pool.name:
            return None
        machine = Machine(id_, tags, fresh=False)
        machine.begun.set()
        return self._machines.add(machine)

    def _forget(self, machine: Machine) -> None:
        """It was refused: nothing of it stays, and its token may ask again."""
        self._machines.want(machine, "gone")
        if machine.thread is not None:
            machine.thread.join(1.0)
        self._machines.known.pop(machine.id, None)


def _no_file() -> tuple[bytes, str]:
    return b"", ""


def _default_folder(pool: Pool) -> str:
    """Where a user's programs keep their state."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(base) / "penstock" / "machines" / pool.name)
