"""`penstock build`: an embedded farm in this process plans, runs, prints and stops."""

import getpass
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

import msgspec

from penstock.cli.opened import Opened
from penstock.cli.output import Leave, refuse
from penstock.cli.place import Place, find_place
from penstock.cli.results import print_build
from penstock.config.asking import Asked, ask, refuse_what_nobody_takes
from penstock.hub import intake, planner, views
from penstock.hub.loop import Services
from penstock.model.change import Build, Change
from penstock.model.job import Attempt, Job
from penstock.model.rules import Rules
from penstock.reports import builds as report
from penstock.web.bell import Bell
from penstock.wiring import Parts, assemble, open_git

LOOK_S = 0.2
SANDBOX_MISSING = (
    "commands run in bubblewrap, which is not installed: run `apt-get install bubblewrap`, "
    "or ask for plain processes with --no-sandbox"
)
SHARED = (
    "this farm's database is shared, so it is no farm for one build: give --state DIR for a farm of your own, or "
    "let `penstock serve` run it and submit to that"
)


class Watcher(Protocol):
    """Is shown the jobs of a build again and again until all have ended."""

    def show(self, jobs: Sequence[Job], attempts: Mapping[str, Sequence[Attempt]]) -> None:
        """The jobs as they are now."""
        ...


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants built, and how."""

    source: Path
    dirty: bool = False
    no_sandbox: bool = False
    as_json: bool = False


def run_build(
    source: Path,
    dirty: bool,
    jobs: int | None,
    no_sandbox: bool,
    farm: Path | None,
    state: Path | None,
    as_json: bool,
) -> None:
    """Build `source` once and leave with its exit status."""
    wish = Wish(source=source, dirty=dirty, no_sandbox=no_sandbox, as_json=as_json)
    check_sandbox(no_sandbox)
    place = find_place(farm, state, source)
    place = msgspec.structs.replace(place, rules=with_slots(place.rules, jobs))
    asked = ask_for(place, wish)
    bell = Bell()
    parts = assemble(place.rules, place.folder, bell)
    try:
        with terminating():
            begin(parts)
            build = submit(parts, asked)
            if build.open:
                _run_farm(Opened(place, parts, bell, asked), build.id, as_json)
        raise Leave(print_result(parts, build.id, as_json))
    finally:
        parts.close()


def check_sandbox(no_sandbox: bool) -> None:
    """Refuse to start without bubblewrap unless plain processes were asked for by name."""
    if not no_sandbox and shutil.which("bwrap") is None:
        refuse(SANDBOX_MISSING)


def with_slots(rules: Rules, jobs: int | None) -> Rules:
    """The rules with `jobs` slots for every local agent, where a number was given."""
    if jobs is None:
        return rules
    changed = [
        msgspec.structs.replace(p, slots=jobs, machines=1) if p.provider == "local" else p
        for p in rules.pools
    ]
    return msgspec.structs.replace(rules, pools=tuple(changed))


def ask_for(place: Place, wish: Wish) -> Asked:
    """Plan what is wished for, before the farm is opened: bad input leaves nothing behind."""
    asked = ask(
        wish.source, wish.dirty, place.rules, open_git(place.folder, place.own()), not wish.no_sandbox
    )
    refuse_what_nobody_takes(asked, place.rules)
    return asked


def begin(parts: Parts) -> None:
    """Lead the farm from now; what agents of an earlier process held has ended with it."""
    if not parts.alone:
        refuse(SHARED)
    intake.open_farm(parts.hub, parts.hub.rules.name)
    intake.end_stale(parts.hub)


def submit(parts: Parts, asked: Asked) -> Build:
    """Write down what was asked for; an unfinished build of the same source gives way."""
    hub = parts.hub
    build = planner.submit(hub, _change(parts, asked), asked.plan, supersede=True)
    # One pass at once: a build in which everything is reused has its verdict without a farm being started.
    Services(hub).run_once(hub.clock.monotonic_ms())
    return hub.store.read(lambda tx: views.load_build(tx, build.id))[0]


def _change(parts: Parts, asked: Asked) -> Change:
    hub = parts.hub
    return Change(
        id=hub.entropy.token(),
        source=asked.source.repository,
        ref=asked.source.commit or asked.source.tree,
        branch=asked.branch,
        who=getpass.getuser(),
        trust=asked.trust,
        created_ms=hub.clock.wall_ms(),
    )


class terminating:  # noqa: N801 - reads as a statement: `with terminating():`
    """While inside, SIGTERM ends the program as Ctrl-C does: everything is put away."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, self._raise)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    @staticmethod
    def _raise(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt


def _run_farm(opened: Opened, build_id: str, quiet: bool) -> None:
    """Run a farm until the build has its verdict."""
    # Here, not at the top: a build with nothing to do needs no server and no progress bars, half of its start-up.
    from penstock.cli.embedded import EmbeddedFarm
    from penstock.cli.progress import watcher

    running = EmbeddedFarm(opened)
    try:
        running.start(socket.create_server(("127.0.0.1", 0)))
        with watcher(quiet) as shown:
            watch(running.check, opened.parts, build_id, shown)
    finally:
        running.stop()


def watch(check: Callable[[], None], parts: Parts, build_id: str, shown: Watcher) -> None:
    """Show the build again and again until it is closed. `check` raises what stopped the farm."""
    while True:
        build, jobs, attempts = parts.hub.store.read(lambda tx: views.load_build(tx, build_id))
        shown.show(jobs, attempts)
        if not build.open:
            return
        check()
        time.sleep(LOOK_S)


def print_result(parts: Parts, build_id: str, as_json: bool) -> int:
    """Print every job and the line of totals. Returns the exit status."""
    build, jobs, attempts = parts.hub.store.read(lambda tx: views.load_build(tx, build_id))
    document = report.build_document(build, jobs, attempts, parts.hub.rules.currency)
    print_build(document, as_json)
    return report.exit_status(jobs)
