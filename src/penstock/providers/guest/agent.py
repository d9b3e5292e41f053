"""Starts the agent in a child. Our own's file is fetched from the hub each time, so a machine never runs one of yesterday, unless the
hub's is here already and waits; another system's is in the image.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from penstock.providers.guest import buildbot, child, hub
from penstock.providers.guest.waiting import Waiting

RUN = Path("/run/penstock")
WORK = Path("/var/penstock")
OURS = "penstock"
"""What `agent` in an identity says, or nothing, where the agent is our own."""
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TRIES = 12


def start(identity: dict[str, Any], waiting: Waiting | None = None) -> int:
    """Run the agent; its process id. The caller has imported what ours needs, or has it `waiting`, so that this takes no time.

    Raises KeyError, ValueError, OSError.
    """
    network = str(identity.get("network") or "")
    if identity.get("agent", OURS) != OURS:
        become = _foreign(identity)
    else:
        words, ca_file = _laid_out(identity)
        ours = waiting if waiting and waiting.digest == identity.get("prepared") else None
        if ours and (begun := ours.go(words, network)):
            return begun
        become = partial(_become, words, str(identity.get("agent_sha256") or ""), ca_file)
    return child.fork(partial(_begin, become, network))


def _begin(become: Callable[[], int], network: str) -> int:
    """In the child."""
    child.online(network)
    return become()


def prepared(data: bytes, digest: str, words: list[str]) -> Waiting:
    """Our own agent from its file, to be started later. `words`: those of its options that are known. Raises OSError."""
    file = RUN / "agent.pyz"
    write_private(file, data)
    return Waiting(digest, file, ["--cache-mb", str(_cache_mb()), *words])


def _laid_out(identity: dict[str, Any]) -> tuple[list[str], Path | None]:
    """What our own agent finds: its options, and the hub's authority where it has one of its own."""
    write_private(RUN / "token", str(identity["token"]).encode())
    ca_file = RUN / "ca.pem" if identity.get("ca") else None
    if ca_file:
        write_private(ca_file, str(identity["ca"]).encode())
    return command(identity, str(ca_file or "")), ca_file


def _foreign(identity: dict[str, Any]) -> Callable[[], int]:
    """How the child is another system's agent, which calls that system and nobody else."""
    if identity["agent"] != buildbot.NAME:
        raise ValueError(f"agent: this machine has no {identity['agent']}")
    if identity.get("network") != child.DHCP:
        found = hub.seen(f"tcp://{identity['hub']}")
        lead(found.host)
        identity = {**identity, "hub": found.url.removeprefix("tcp://")}
    return buildbot.prepared(identity, WORK / "agent")


def command(identity: dict[str, Any], ca_file: str) -> list[str]:
    """The agent's options: addresses as this machine sees them, and no more disk than there is."""
    words, more = [], ["--ca-file", ca_file] if ca_file else []
    given = [str(word) for word in identity["words"]]
    if "--cache-mb" not in given:
        more += ["--cache-mb", str(_cache_mb())]
    if identity.get("network") == child.DHCP:
        return given + more
    for number, word in enumerate(given):
        if number and given[number - 1] == "--hub":
            found = hub.seen(word)
            lead(found.host)
            more += ["--insecure"] if found.plain and "--insecure" not in more + given else []
            word = found.url
        words.append(word)
    return words + more


def lead(host: str, hosts: Path = Path("/etc/hosts")) -> None:
    """Have a name lead to the gateway, and nowhere else; there is no DNS here. Commands of jobs have a file of their own."""
    if host:
        others = [line for line in hosts.read_text().splitlines() if host not in line.split()[1:]]
        hosts.write_text("\n".join([f"{hub.GATEWAY} {host}", *others, ""]))


def write_private(path: Path, data: bytes) -> None:
    """A file that only we can read, from the first moment."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _cache_mb() -> int:
    """Half of what is free where the agent works: that is memory, and jobs need some, too."""
    found = os.statvfs(WORK)
    return max(1, found.f_bavail * found.f_frsize >> 21)


def _become(words: list[str], digest: str, ca_file: Path | None) -> int:
    """In the child: be the agent."""
    file = RUN / "agent.pyz"
    url = words[words.index("--hub") + 1]
    write_private(file, _patiently(url, digest, str(ca_file) if ca_file else None))
    status: int = child.load(file, "penstock.agent.__main__").main(words)
    return status


def _patiently(url: str, digest: str, ca_file: str | None) -> bytes:
    """A hub may restart just now; one that serves another file than was promised is not asked again."""
    for number in range(_TRIES):
        try:
            return hub.fetch(url, digest, ca_file)
        except OSError as error:
            print(f"penstock guest: {url}: {error}", file=sys.stderr, flush=True)
            time.sleep(_PAUSES_S[min(number, len(_PAUSES_S) - 1)])
    raise OSError(f"{url} did not answer")
