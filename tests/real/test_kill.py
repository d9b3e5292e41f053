"""A farm that is killed at every step of a job: run again, it passes, and nothing that had passed is built again.

In a transaction and after its commit it is killed by turns: at odd ones within, at even ones after. PENSTOCK_CHAOS above 1
tries both at each.
"""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real.killing import LIMIT_S, Ended, Place

from penstock.cli.place import find_place
from penstock.hub.context import NotFound
from penstock.hub.fsck import fsck
from penstock.wiring import Quiet, assemble

pytestmark = [pytest.mark.slow, pytest.mark.needs("bwrap", "git")]
AT_ONCE = 2
STEP = 1 if int(os.environ.get("PENSTOCK_CHAOS", "1")) > 1 else 2
MANIFEST = """
version: 1
modules:
  a:
    platforms: [p]
    build: ["mkdir -p $DESTDIR$PREFIX/share", "cp a.txt $DESTDIR$PREFIX/share/a.txt"]
    test: ["echo look", "test -f $PREFIX/share/a.txt"]
  b:
    platforms: [p]
    needs: [a]
    build: ["mkdir -p $DESTDIR$PREFIX/share", "echo copy", "cp $PREFIX/share/a.txt $DESTDIR$PREFIX/share/b.txt"]
"""
FILES = {".penstock.yml": MANIFEST, "a.txt": "some text\n"}
JOBS = {"a build", "a test", "b build"}


def violations(place: Place) -> list[str]:
    """What `penstock fsck --deep` would print."""
    found = find_place(place.folder / "farm.toml", place.state)
    parts = assemble(found.rules, found.folder, Quiet())
    try:
        return [str(wrong) for wrong in fsck(parts.hub, digest_again=True)]
    except NotFound:
        return []  # killed before there was a farm
    finally:
        parts.close()


def recovers(place: Place) -> Ended:
    """Build again what was killed: it passes, nothing that was made is made again, and the books are right."""
    made, before = place.made(), place.attempts()
    assert violations(place) == []
    again = place.build()
    assert again.status == 0, again.err
    assert set(again.results()) == JOBS
    assert set(again.results().values()) <= {"passed", "reused"}
    after = place.attempts()
    assert {key: after.get(key) for key in made} == {key: before.get(key) for key in made}
    assert violations(place) == []
    return again


def die(folder: Path, point: str, number: int) -> bool:
    """Kill a build at one passage of a point, and build again. False when it ended before it got there."""
    place = Place(folder / f"{point}-{number}", FILES)
    ended = place.build(point=point, number=number)
    if ended.status == 0:
        return False
    assert ended.status == -signal.SIGKILL, ended.err
    recovers(place)
    return True


def until_none(one: Callable[[int], bool], begin: int, step: int) -> int:
    """Call it for `begin` and so on until one says False; returns how many said True."""
    done = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in itertools.count(begin, AT_ONCE * step):
            said = list(pool.map(one, range(first, first + AT_ONCE * step, step)))
            done += sum(said)
            if not all(said):
                return done
    raise AssertionError


# At least so many passages a build of three jobs has; more where the machine is slow.
@pytest.mark.parametrize(
    ("point", "least", "begin", "step"),
    [
        ("write", 40, 1, STEP),
        ("commit", 40, STEP, STEP),
        ("publish", 2, 1, 1),
        ("published", 2, 1, 1),
        ("upload", 2, 1, 1),
        ("finish", 2, 1, 1),
        ("log", 2, 1, 1),
    ],
)
def test_killed_at_every_passage_of_a_point_it_goes_on(
    tmp_path: Path, point: str, least: int, begin: int, step: int
) -> None:
    assert until_none(lambda number: die(tmp_path, point, number), begin, step) >= least // step


def test_an_agent_whose_hub_died_before_it_could_begin_does_not_begin(tmp_path: Path) -> None:
    stranger = os.getppid()
    words = ["--die-with-parent", str(stranger), "--hub", "http://127.0.0.1:1", "--token-file", "token"]
    command = [sys.executable, "-m", "penstock.agent", *words]
    ended = subprocess.run(command, cwd=tmp_path, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert list(tmp_path.iterdir()) == []
