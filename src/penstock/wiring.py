"""The only file that picks adapters: rules in, a hub with its store, blobs, clocks and forge out."""

import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import msgspec

from penstock.config.submitting import Submitter
from penstock.forges.git import Git
from penstock.history.report import Unreadable
from penstock.history.rows import Rows
from penstock.hub.context import Hub
from penstock.model.pool_foreign import Serves
from penstock.model.rules import Pool, Rules
from penstock.ports import (
    BlobStore,
    Clock,
    LogStore,
    Marks,
    Notifier,
    Provider,
    Store,
    StoreError,
)
from penstock.queueport import Queue
from penstock.store.blobs import open_blobs
from penstock.store.logs import open_logs
from penstock.store.marks import open_marks
from penstock.store.open import open_reading, open_store
from penstock.wire.rest import Rest, read_secret

PROVIDERS = {
    "libvirt": "penstock.providers.libvirt.provider:Libvirt",
    "ec2": "penstock.providers.ec2.instances:Ec2",
    "kubernetes": "penstock.providers.kubernetes.provider:Provider",
    "local": "penstock.providers.local:Local",
    "owned": "penstock.providers.owned:Owned",
    "simulated": "penstock.providers.simulated:Simulated",
}
"""Provider names of farm.toml and who fulfils them; imported when used."""

RENTED = ("ec2", "kubernetes", "libvirt", "simulated")
"""Those that give machines, as ports.Provider says; the hub orders from them."""

QUEUES = {
    "buildbot-worker": "penstock.forges.buildbot_queue:open_queue",
    "gitlab-runner": "penstock.forges.gitlab_queue:open_queue",
}
"""Agents of other systems that pools may name, and what opens the queue that they work for; imported when used."""

HISTORIES = {
    "bitcoin-ci": "penstock.history.bitcoin_ci:rows",
    "buildbot": "penstock.history.buildbot:rows",
    "firefox-ci": "penstock.history.firefox_ci:rows",
    "github-actions": "penstock.history.github_actions:rows",
    "github-jobs": "penstock.history.github_jobs:rows",
    "gitlab": "penstock.history.gitlab:rows",
    "mozilla-buildjson": "penstock.history.mozilla_buildjson:rows",
    "normal": "penstock.history.normal:rows",
    "sacct": "penstock.history.sacct:rows",
    "swf": "penstock.history.swf:rows",
    "treeherder": "penstock.history.treeherder:rows",
}
"""Formats of `penstock history import` and what reads them; imported when used."""

SHARED = ("postgresql://", "postgres://")
"""How addresses of databases begin that several hub processes share."""

Objects = tuple[BlobStore, LogStore, Marks]
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class SystemClock:
    """The machine's own clocks."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment of this boot."""
        return time.monotonic_ns() // 1_000_000


class SystemEntropy:
    """The kernel's random numbers."""

    def token(self, size_bytes: int = 16) -> str:
        """Lower-case letters and digits that carry at least `size_bytes` of chance."""
        number = secrets.randbits(8 * size_bytes)
        digits = []
        while number:
            number, digit = divmod(number, 36)
            digits.append(_ALPHABET[digit])
        return "".join(digits) or "0"


class Parts(msgspec.Struct, frozen=True):
    """A farm put together: the hub's services see `hub`; the web edge also `logs` and `git`.

    `marks` lie beside the blobs. `alone`: no other process can have this state open.
    """

    hub: Hub
    logs: LogStore
    git: Git
    folder: Path
    marks: Marks
    alone: bool = True

    def close(self) -> None:
        """Let go of the store and its lock; what was woken last is still told."""
        if isinstance(self.hub.wake, Everywhere):
            self.hub.wake.close()
        self.hub.store.close()


class Quiet:
    """A notifier for commands during which nobody waits."""

    def wake(self, topic: str) -> None:
        """Nobody to wake."""


class Notices(Protocol):
    """Wakes other processes, until it is closed."""

    def wake(self, topic: str) -> None:
        """Tell them."""
        ...

    def close(self) -> None:
        """Tell what is left, and end."""
        ...


class Everywhere:
    """Wakes who waits here and, through the database, who waits at other hub processes."""

    def __init__(self, here: Notifier, there: Notices) -> None:
        self._here, self._there = here, there

    def wake(self, topic: str) -> None:
        """Here at once, there soon."""
        self._here.wake(topic)
        self._there.wake(topic)

    def close(self) -> None:
        """End telling others."""
        self._there.close()


def assemble(rules: Rules, folder: Path, wake: Notifier) -> Parts:
    """Open the farm whose state is in `folder`. Raises ports.Locked when another process has it; StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise StoreError(f"the state folder {folder} cannot be made: {wrong.strerror}") from wrong
    # First what may be away: nothing is held by then that would have to be let go.
    objects = _objects(rules, folder)
    store = open_store(rules.state, Path(rules.folder))
    if rules.state.startswith(SHARED):
        from penstock.store.notices import PostgresNotices

        wake = Everywhere(wake, PostgresNotices(rules.state, wake.wake))
    return _parts(rules, folder, objects, store, wake)


def assemble_reading(rules: Rules, folder: Path) -> Parts:
    """As `assemble`, only to read its records: a hub may be serving it meanwhile. Raises StoreError."""
    store = open_reading(rules.state, Path(rules.folder))
    return _parts(rules, folder, _objects(rules, folder), store, Quiet())


def _objects(rules: Rules, folder: Path) -> Objects:
    """Blobs, logs and marks. Raises StoreError; Away where they may be there in a moment."""
    place = Path(rules.folder)
    logs = open_logs(rules.blobs, folder / "logs")
    return open_blobs(rules.blobs, place), logs, open_marks(rules.blobs, place)


def _parts(rules: Rules, folder: Path, objects: Objects, store: Store, wake: Notifier) -> Parts:
    blobs, logs, marks = objects
    hub = Hub(
        store=store,
        blobs=blobs,
        clock=SystemClock(),
        entropy=SystemEntropy(),
        rules=rules,
        wake=wake,
        providers=rented(rules, SystemClock()),
        queues=queues(rules),
    )
    return Parts(hub, logs, open_git(folder), folder, marks, alone=not rules.state.startswith(SHARED))


def open_git(folder: Path, leave_out: Iterable[Path] = ()) -> Git:
    """The git forge of a local user, with its mirrors in the state folder; `leave_out`: of working trees."""
    return Git(folder / "mirrors", local_user=True, leave_out=leave_out)


def open_submitter(hub: Hub, folder: Path) -> Submitter:
    """What is submitted to a farm that is served becomes a build. Callers name public addresses, and
    hosts that the rules allow; the local operator also folders of this machine and any host. Mirrors are those that `open_git` reads."""
    far = Git(folder / "mirrors", local_user=False, hosts=hub.rules.git_hosts)
    return Submitter(hub, far, open_git(folder))


def rented(rules: Rules, clock: Clock) -> dict[str, Provider]:
    """Who gives the machines of each pool that can be rented, or switches those of a pool that can be switched."""
    return {
        pool.name: _rented(pool, clock) for pool in rules.pools if pool.provider in RENTED or pool.controls
    }


def _rented(pool: Pool, clock: Clock) -> Provider:
    made: Any = provider(pool.provider)(pool, clock.wall_ms)
    if pool.provider == "libvirt":
        made.agent_file = _agent_file
    found: Provider = made
    return found


def _agent_file() -> tuple[bytes, str]:
    """What /agent.pyz is, and its digest; made when it is first asked for."""
    from penstock.web.agentfile import agent_file

    made = agent_file()
    return made.data, made.digest


def queues(rules: Rules) -> dict[str, Queue]:
    """The queues of other systems that pools serve, by their addresses."""
    found: dict[str, Queue] = {}
    for pool in rules.pools:
        if pool.serves is not None and pool.agent in QUEUES:
            module, _, attribute = QUEUES[pool.agent].partition(":")
            open_queue = getattr(import_module(module), attribute)
            mine = [one.serves for one in rules.pools if one.serves and one.serves.url == pool.serves.url]
            found[pool.serves.url] = open_queue(
                mine, partial(_rest, rules, pool.serves), partial(_secrets, rules, mine)
            )
    return found


def _rest(
    rules: Rules, serves: Serves, headers: Callable[[str], dict[str, str]]
) -> Callable[[], Callable[..., Any]]:
    """What asks another system's interface, for one look."""
    return Rest(serves.url, _file(rules, serves.token_file), _file(rules, serves.ca_file), headers).within


def _secrets(rules: Rules, serves: Iterable[Serves]) -> dict[str, str]:
    """What agents log in with, by name: lines "NAME SECRET" of the files. Raises QueueError."""
    texts = [read_secret(_file(rules, one.secrets_file)) for one in serves]
    lines = [line.split() for text in texts for line in text.splitlines()]
    return {words[0]: words[1] for words in lines if len(words) == 2}


def _file(rules: Rules, named: str) -> str:
    """A file that farm.toml names, "" where it names none."""
    return str(Path(rules.folder) / named) if named else ""


def provider(name: str) -> Callable[..., Any]:
    """The class of a provider, imported now. Raises KeyError for an unknown name."""
    module, _, attribute = PROVIDERS[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


def history_format(name: str) -> Rows:
    """What reads histories of this format. Unreadable naming all formats when there is none of that name."""
    if name not in HISTORIES:
        raise Unreadable("FORMAT", None, f"no format {name!r}", f"one of {', '.join(HISTORIES)}")
    module, attribute = HISTORIES[name].split(":")
    found: Rows = getattr(import_module(module), attribute)
    return found
