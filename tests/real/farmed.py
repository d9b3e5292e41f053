"""A farm of processes to break: hubs, agents and what is submitted to them, each below a reaper of its own.

A killed process is started again under its name; what it left running is known, for the reaper adopts it.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from real.hubs import Front
from real.killing import HERE, wait_for
from real.processes import Process, address_of

from penstock.cli.place import Place, find_place
from penstock.hub.fsck import fsck
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, JobState
from penstock.ports import StoreError, Tx
from penstock.wiring import Parts, Quiet, assemble, assemble_reading

T = TypeVar("T")
Document = dict[str, Any]
RULES = """
[farm]
name = "broken"
state = "{url}"
blobs = "file:blobs"
[lease]
contact_s = {lease[0]}
right_s = {lease[1]}
offer_s = {lease[2]}
[platform.p]
image = "host"
[[rule]]
match = {{}}
give = {{ trust = "untrusted" }}
"""
POOL = """
[[pool]]
name = "own{}"
provider = "owned"
platforms = ["p"]
"""
SQLITE = "sqlite:///state/penstock.db"
LISTEN = ("--listen", "127.0.0.1:0")
LEASE = (3.0, 12.0, 3.0)
"""Contact, right and offer in seconds: what is lost is noticed while a test waits."""


class Farmed:
    """A farm in one folder. `url`: where its records are; `front`: where agents and callers find whichever hub lives.

    Its pools are called own0, own1 and so on. `beside`: what brings a command to where hubs are, if that is another
    network. `open`: a folder that jobs without a sandbox may write to, for what they do outside of it.
    """

    def __init__(
        self, folder: Path, url: str = SQLITE, lease: tuple[float, float, float] = LEASE, pools: int = 1
    ) -> None:
        self.folder = folder
        self.url = url
        folder.mkdir(exist_ok=True)
        (folder / "state").mkdir()
        (folder / "farm.toml").write_text(
            RULES.format(url=url, lease=lease) + "".join(POOL.format(n) for n in range(pools))
        )
        self.open = Path(tempfile.mkdtemp(prefix="penstock-open-"))
        self.open.chmod(0o777)
        self.hubs: dict[str, Process] = {}
        self.agents: dict[str, Process] = {}
        self.stock: list[str] = []
        self.beside: Sequence[str] = ()
        self.front = Front(lambda: [a for hub in self.hubs.values() if (a := address_of(hub))])
        self._parts: Parts | None = None

    # Processes -------------------------------------------------------------------------------------------------

    def start_hub(
        self,
        name: str = "hub",
        *options: str,
        program: Sequence[str] = ("-m", "penstock"),
        before: Sequence[str] = (),
    ) -> Process:
        """Start it; it is there when `address_of` says where. `program`: another that does the same (dying.py)."""
        words = [sys.executable, *program, "serve", "--farm", "farm.toml", *(options or LISTEN), "--json"]
        self.hubs[name] = Process(self.folder, name, words, before)
        return self.hubs[name]

    def start_agent(
        self,
        name: str,
        *options: str,
        program: Sequence[str] = ("-m", "penstock.agent"),
        before: Sequence[str] = (),
    ) -> Process:
        """Start it on the folder of its name, with a token of its own the first time; plain processes, two slots."""
        home = self.folder / name
        if not home.exists():
            home.mkdir()
            (home / "token").write_text(self.token())
        words = [sys.executable, *program, "--token-file", str(home / "token"), "--name", name]
        words += ["--work-dir", str(home / "work"), *(options or self.plainly)]
        self.agents[name] = Process(self.folder, name, words, before)
        return self.agents[name]

    @property
    def plainly(self) -> tuple[str, ...]:
        return ("--hub", self.front.address, "--slots", "2", "--no-sandbox")

    def token(self, pool: int = 0) -> str:
        """A one-time enrolment token: from `stock`, or asked for now."""
        if self.stock:
            return self.stock.pop()
        asked = {"pool": f"own{pool}"}
        found = wait_for(lambda: self.call("POST", "/api/v1/tokens", asked), "a token")
        return str(found["token"])

    def wait_served(self) -> str:
        """Until a hub answers and somebody leads; its address."""
        found: str = wait_for(self._served, "a hub that leads")
        return found

    def _served(self) -> str:
        assert any(hub.lives for hub in self.hubs.values()), [h.log.read_text() for h in self.hubs.values()]
        addresses = [address for hub in self.hubs.values() if (address := address_of(hub))]
        return next((one for one in addresses if self.ready(one).get("leads")), "")

    def ready(self, address: str) -> Document:
        """What /readyz says; {} when nobody answers."""
        code, said = self._ask("GET", f"{address}/readyz")
        return json.loads(said) if code == 200 else {}

    def close(self) -> None:
        self.front.close()
        for process in [*self.agents.values(), *self.hubs.values()]:
            process.end()
        if self._parts is not None:
            self._parts.close()
        subprocess.run(["rm", "-rf", str(self.open)], check=True)

    # What people do --------------------------------------------------------------------------------------------

    def repository(self, manifests: Sequence[str]) -> list[str]:
        """A repository `source` with a commit for each manifest; the commits."""
        source = self.folder / "source"
        if not source.exists():
            subprocess.run(["git", "init", "--quiet", str(source)], check=True)
        found = []
        for text in manifests:
            (source / ".penstock.yml").write_text(text)
            git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(source)]
            subprocess.run([*git, "add", "."], check=True)
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
            done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
            found.append(done.stdout.strip())
        return found

    def submit(self, commit: str) -> str | None:
        """Ask for a build, by an id that makes asking again harmless. None while no hub can answer."""
        body = {"request": f"r-{commit}", "repository": str(self.folder / "source"), "ref": commit}
        said = self.call("POST", "/api/v1/submit", body)
        return said["build"] if said else None

    def call(self, method: str, path: str, body: Document | None = None) -> Document | None:
        """One call as the local operator; None while no hub can answer it. Fails for what is refused for good."""
        code, said = self.tell(method, path, body)
        assert code in (0, 200, 201, 401, 503), (path, code, said)
        found: Document | None = json.loads(said) if code in (200, 201) else None
        return found

    def tell(self, method: str, path: str, body: Document | None = None) -> tuple[int, str]:
        """Status and body of the answer to a call as the local operator; status 0 where nobody answers."""
        try:
            served = json.loads((self.place.folder / "hub.json").read_text())
        except (OSError, ValueError):
            return 0, ""
        text = "" if body is None else json.dumps(body)
        return self._ask(method, served["address"] + path, served["token"], text)

    def _ask(self, *what: str) -> tuple[int, str]:
        """Status and body of an answer, status 0 where there is none; from beside the hub, wherever that is."""
        if not self.beside:
            return ask(*what)
        words = [*self.beside, sys.executable, "-m", "real.farmed", *what]
        said = subprocess.run(words, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout
        code, _, rest = said.partition(" ")
        return int(code), rest

    @property
    def place(self) -> Place:
        return find_place(self.folder / "farm.toml", None)

    # What the books say ----------------------------------------------------------------------------------------

    @property
    def parts(self) -> Parts:
        """The farm's books, to be read beside its hubs."""
        if self._parts is None:
            rules, folder = self.place.rules, self.place.folder
            shared = not self.url.startswith("sqlite")
            self._parts = assemble(rules, folder, Quiet()) if shared else assemble_reading(rules, folder)
        return self._parts

    def read(self, what: Callable[[Tx], T]) -> T:
        """Read the books, again while the database is away for a moment."""

        def once() -> list[T] | None:
            try:
                return [self.parts.hub.store.read(what)]
            except StoreError:
                return None

        return wait_for(once, "the books to be read")[0]

    def jobs(self) -> list[Job]:
        return self.read(lambda tx: tx.find(Job, "build"))

    def attempts(self) -> list[Attempt]:
        return self.read(lambda tx: tx.find(Attempt, "build"))

    def machines(self) -> list[Machine]:
        return self.read(lambda tx: tx.find(Machine, "pool"))

    def farm(self) -> Farm:
        found = self.read(lambda tx: tx.get(Farm, "farm"))
        assert found is not None
        return found

    def running(self) -> list[Attempt]:
        return [one for one in self.attempts() if one.state == AttemptState.RUNNING]

    def wait_all_ended(self) -> list[Job]:
        """Until no job is open; in vain, what is open still and who was there to do it is told."""
        try:
            wait_for(lambda: not self.open_jobs(1), "all jobs to end")
        except AssertionError as vain:
            raise AssertionError(f"{vain}: {self._standstill()}") from None
        return self.jobs()

    def open_jobs(self, limit: int | None = None) -> list[Job]:
        return self.read(lambda tx: tx.find(Job, "open", True, limit=limit))

    def _standstill(self) -> str:
        """All that is open, who could do it, and the last lines that hubs and agents said."""
        open_ids = {job.id for job in self.open_jobs()}
        parts: list[object] = [self.farm(), *self.open_jobs(5), *self.machines()]
        parts += [one for one in self.attempts() if one.job in open_ids][-20:]
        for process in [*self.hubs.values(), *self.agents.values()]:
            last = process.log.read_text("utf-8", "replace")[-1500:]
            parts.append(f"{process.name}, {'alive' if process.lives else 'dead'}: {last}")
        return "\n".join([f"{len(open_ids)} jobs are open", *map(str, parts)])

    def log_of(self, attempt: Attempt) -> bytes:
        return self.parts.logs.read(attempt.id, 0, 1 << 30)

    def accepted(self) -> dict[str, Attempt]:
        """The attempt whose result counts, of each job that passed: exactly one, told of exactly once."""
        attempts, events = self.attempts(), self.read(lambda tx: tx.find(Event, "kind", "job"))
        found = {}
        for job in self.jobs():
            passed = [a for a in attempts if a.job == job.id and a.state == AttemptState.PASSED]
            told = [e for e in events if e.job == job.id and e.state == JobState.PASSED]
            assert len(passed) == len(told) == (job.state == JobState.PASSED), (job, passed, told)
            if passed:
                found[job.id] = passed[0]
        return found

    def assert_logs_whole(self, accepted: dict[str, Attempt]) -> None:
        """Byte for byte what the commands print, for jobs that only echo and count."""
        for job in self.jobs():
            if job.id in accepted:
                found, expected = self.log_of(accepted[job.id]), b"".join(map(_printed, job.spec.commands))
                assert found == expected, (job.name, len(found), len(expected), found[-300:])

    def fsck(self, deep: bool = True) -> list[str]:
        """What `penstock fsck --deep` would print."""
        return [str(wrong) for wrong in fsck(self.parts.hub, digest_again=deep)]

    def faults_said(self) -> list[str]:
        """Tracebacks in what hubs and agents said: each is a fault of ours."""
        return [
            f"{path.name}: {found.group(0)}"
            for path in self.folder.glob("*.log")
            for found in re.finditer(r"Traceback.*(?:\n[ \t].*)*\n.*", path.read_text("utf-8", "replace"))
        ]


def _printed(command: str) -> bytes:
    """What a command of a job prints, itself first."""
    words = command.split()
    said = " ".join(words[1:]) + "\n" if words[0] == "echo" and ">" not in command else ""
    if words[0] == "seq":
        said = "".join(f"{n}\n" for n in range(int(words[1]), int(words[2]) + 1))
    return f"+ {command}\n{said}".encode()


def ask(method: str, url: str, token: str = "", body: str = "") -> tuple[int, str]:
    """Status and body of an answer; status 0 where nobody answers."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(url, body.encode() or None, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except OSError as wrong:
        return 0, str(wrong)


def modules(number: int, build: Callable[[int], list[str]], prefix: str = "m") -> str:
    """A manifest with so many modules; `build` gives the commands of each."""
    said = {f"{prefix}{n}": {"platforms": ["p"], "build": build(n)} for n in range(number)}
    return json.dumps({"version": 1, "modules": said})


def work(farm: Farmed, build: int) -> Callable[[int], list[str]]:
    """Jobs that are short, print what can be counted and leave something; some print and leave more."""

    def commands(n: int) -> list[str]:
        more = ["seq 1 9000", "head -c 300000 /dev/zero > $DESTDIR$PREFIX/large"] if n % 5 == 0 else []
        leave = ["mkdir -p $DESTDIR$PREFIX", f"echo {build} {n} > $DESTDIR$PREFIX/small", *more]
        return [f"echo run >> {farm.open}/runs", *leave, "sleep 0.1", f"echo end {build} {n}"]

    return commands


@contextlib.contextmanager
def farmed(folder: Path, *more: Any, **options: Any) -> Iterator[Farmed]:
    """A farm whose processes end with the test, however that ends."""
    farm = Farmed(folder, *more, **options)
    try:
        yield farm
    finally:
        farm.close()
        while Process.begun:
            Process.begun.pop().end()


if __name__ == "__main__":
    print(*ask(*sys.argv[1:]))
