"""An example of a provider, to be copied: machines that are agents of this host, each a process with a folder of its own.

What every provider must do is in `penstock.ports.Provider`, and tried by `tests/conformance/provider_suite.py`, which this
one passes (tests/agent/test_example_provider.py). The checklist is in CONTRIBUTING.md.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from penstock.model.rented import Instance, InstanceState, Listing, Notice, Offer, Order
from penstock.model.rules import Pool
from penstock.ports import NoCapacity, ProviderError, QuotaReached, Throttled, UnknownMachine
from penstock.providers.starting import agent_words

Launch = Callable[[list[str], Path], int]


def launch(words: list[str], log: Path) -> int:
    """Start an agent that outlives the hub. Returns its process id. Whatever a library raises becomes a ProviderError."""
    command = [sys.executable, "-m", "penstock.agent", "--no-sandbox", *words]
    out = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), out, (os.POSIX_SPAWN_DUP2, 1, 2)]
    try:
        return os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)
    except OSError as problem:
        raise NoCapacity(f"no process can be started: {problem}") from None


class Processes:
    """One pool's machines. All that is known of them lies in the folder, so that another hub process knows it, too."""

    def __init__(self, pool: Pool, now: Callable[[], int], folder: Path, launch: Launch = launch) -> None:
        self._pool, self._folder, self._launch = pool, folder, launch

    def offers(self) -> tuple[Offer, ...]:
        """One offer: what a machine costs, how long it takes, how many more there may be."""
        pool, count = self._pool, sum(state != "gone" for state in self._states().values())
        left = None if pool.max is None else max(0, pool.max - count)
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
        """The id follows from the token: the same order, however often it comes, is the same machine."""
        id_ = f"m-{hashlib.sha256(order.token.encode()).hexdigest()[:16]}"
        home = self._folder / id_
        if not home.exists():
            if self.offers()[0].quota_left == 0:
                raise QuotaReached(f"{self._pool.name} has no more than {self._pool.max} machines")
            self._prepare(home, order)
        if self._state(home) == "coming" and not self._process(home):
            try:
                self._start(home)
            except (NoCapacity, QuotaReached, Throttled):
                shutil.rmtree(home)  # refused: nothing is there
                raise
        return id_

    def resume(self, id_: str) -> None:
        """Only a machine that is stopped is started."""
        home = self._home(id_)
        if self._state(home) in ("stopping", "stopped"):
            self._start(home)
            (home / "stopped").unlink()

    def suspend(self, id_: str) -> None:
        """The agent ends by itself, its folder stays."""
        home = self._home(id_)
        if self._state(home) in ("coming", "up"):
            (home / "stopped").touch()
            self._signal(home, signal.SIGTERM)

    def delete(self, id_: str) -> None:
        """What is gone stays known, so that its token makes no second machine."""
        home = self._home(id_)
        (home / "gone").touch()
        self._signal(home, signal.SIGKILL)
        shutil.rmtree(home / "work", ignore_errors=True)

    def list(self) -> Listing:
        """What cannot be read may be there: then the listing is not complete, and nothing is concluded from a gap."""
        found, complete = [], True
        for name, state in self._states().items():
            try:
                tags = json.loads((self._folder / name / "order.json").read_text())["tags"]
                found.append(Instance(id=name, state=state, tags=tags))
            except (OSError, ValueError, KeyError):
                complete = False
        return Listing(instances=tuple(found), complete=complete)

    def console(self, id_: str) -> str:
        """What its agent said last."""
        log = self._home(id_) / "log"
        return log.read_bytes()[-(1 << 16) :].decode("ascii", "replace") if log.exists() else ""

    def notices(self) -> tuple[Notice, ...]:
        """Nobody takes processes back."""
        return ()

    def _prepare(self, home: Path, order: Order) -> None:
        """The folder appears whole, by a rename: whoever dies on the way leaves nothing that counts."""
        fresh = home.with_name(f".{home.name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        (fresh / "token").touch(0o600)
        (fresh / "token").write_text(order.secret)
        words = agent_words(self._pool, order, str(home / "token"), str(home / "work"))
        (fresh / "order.json").write_text(json.dumps({"tags": order.tags, "words": words}))
        fresh.rename(home)

    def _start(self, home: Path) -> None:
        pid = self._launch(json.loads((home / "order.json").read_text())["words"], home / "log")
        (home / "process").write_text(f"{pid} {_born(pid)}")

    def _home(self, id_: str) -> Path:
        if id_ not in self._states():
            raise UnknownMachine(f"{self._pool.name} has no machine {id_}")
        return self._folder / id_

    def _states(self) -> dict[str, InstanceState]:
        try:
            return {home.name: self._state(home) for home in sorted(self._folder.glob("m-*"))}
        except OSError as problem:
            raise ProviderError(f"{self._folder}: {problem.strerror}") from None

    def _state(self, home: Path) -> InstanceState:
        there = self._process(home) != 0
        if (home / "gone").exists():
            return "going" if there else "gone"
        if (home / "stopped").exists():
            return "stopping" if there else "stopped"
        return "up" if there and (home / "work" / "credential.json").exists() else "coming"

    def _process(self, home: Path) -> int:
        """Its process id, 0 = it does not run. A number is given again: only with its time of birth it is a name."""
        try:
            pid, born = (home / "process").read_text().split()
        except FileNotFoundError:
            return 0
        return int(pid) if _born(int(pid)) == born else 0

    def _signal(self, home: Path, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if pid := self._process(home):
                os.kill(pid, number)


def _born(pid: int) -> str:
    """When a process began, "" = it is not there; one that ended and is our child is let go of."""
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]
