"""`penstock serve`: a hub process that runs until it is told to stop."""

import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from penstock.cli.listening import Wanted, listen_on, manner_of
from penstock.cli.migrate import refuse_unless_current
from penstock.cli.output import Leave, say
from penstock.cli.place import Place, find_place
from penstock.cli.problems import farm_line, lines_of
from penstock.cli.running import RunningHub
from penstock.cli.signals import Signals, tell_systemd
from penstock.config.mistakes import Mistakes
from penstock.ports import Away, FarmFailed
from penstock.web.bell import Bell
from penstock.web.server import files_at_most
from penstock.wiring import Parts, assemble

TEND_S = 0.5
FIXED = ("name", "state", "blobs")
"""Rules that are read once, at the start."""
SAY_AGAIN_S = 60.0
"""What goes wrong again and again is said so seldom."""
AGENTS_AGAIN_S = 30.0
"""After a local agent that did not stay."""
PATIENT_S = 60.0
"""So long a hub that starts asks again for an object store that is away: shorter than systemd waits for a start."""
ASK_AGAIN_S = 2.0


def run_serve(farm: Path | None, state: Path | None, wanted: Wanted) -> None:
    """Serve until SIGTERM or SIGINT."""
    place = find_place(farm, state)
    manner = manner_of(wanted, place)
    files_at_most()
    listen = listen_on(wanted.listen)
    if wanted.no_migrate:
        refuse_unless_current(place)
    bell, said = Bell(), Said()
    parts = patiently(lambda: assemble(place.rules, place.folder, bell), said.note)
    hub = RunningHub(place, parts, bell, said.note, manner)
    try:
        with Signals() as signals:
            hub.start(listen)
            _announce(hub, wanted)
            tell_systemd("READY=1")
            _until_stopped(hub, signals, lambda: find_place(farm, state), place)
            tell_systemd("STOPPING=1")
            say("penstock: stopping")
    finally:
        hub.stop()
        parts.close()


def patiently(
    make: Callable[[], Parts], note: Callable[[Exception], None], pause: Callable[[float], None] = time.sleep
) -> Parts:
    """What `make` makes, tried again for a while where a store elsewhere is away. Raises what it raises."""
    until_s = time.monotonic() + PATIENT_S
    while True:
        try:
            return make()
        except Away as problem:
            if time.monotonic() >= until_s:
                raise
            note(problem)
        pause(ASK_AGAIN_S)


class Said:
    """Says what goes wrong, and the same thing not again for a minute."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def note(self, problem: Exception) -> None:
        """Say it."""
        what = _in_a_line(problem)
        now = time.monotonic()
        if now - self._last.get(what, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._last = {line: at for line, at in self._last.items() if now - at < SAY_AGAIN_S}
            self._last[what] = now
            say(what)


def _in_a_line(problem: Exception) -> str:
    """What the world did is a line; a fault of ours is shown whole."""
    lines = lines_of(problem)
    return "\n".join(lines) if lines else farm_line(problem) or "".join(traceback.format_exception(problem))


def _announce(hub: RunningHub, wanted: Wanted) -> None:
    """The address is the first line of standard output, so that whoever asked for port 0 learns it."""
    if wanted.as_json:
        print(json.dumps({"address": hub.address, "pid": os.getpid()}), flush=True)
    else:
        print(hub.address, flush=True)


def _until_stopped(hub: RunningHub, signals: Signals, find: Callable[[], Place], first: Place) -> None:
    tend_at = 0.0
    while True:
        if time.monotonic() >= tend_at:
            try:
                hub.tend()
            except FarmFailed as problem:
                say(f"penstock: {problem}")
                tend_at = time.monotonic() + AGENTS_AGAIN_S
        if hub.lives():
            tell_systemd("WATCHDOG=1")
        word = signals.wait(TEND_S)
        if word == "stop":
            return
        if word == "reload":
            _reload(hub, find, first)


def _reload(hub: RunningHub, find: Callable[[], Place], first: Place) -> None:
    """New rules from farm.toml: all of them, or none and what is wrong with them."""
    tell_systemd("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        rules = find().rules
        fixed = [name for name in FIXED if getattr(rules, name) != getattr(first.rules, name)]
        if fixed:
            say(f"penstock: the old rules stay: a new {' and '.join(fixed)} needs a restart")
        else:
            hub.use(rules)
            say("penstock: new rules")
    except (Mistakes, Leave) as wrong:
        for line in lines_of(wrong) or []:
            say(line)
        say("penstock: the old rules stay")
    tell_systemd("READY=1")
