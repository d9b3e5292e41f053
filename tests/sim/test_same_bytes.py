"""The same bytes whatever the order of hashes, and whether the policy and the loop are compiled or not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.sim import compiling
from penstock.sim.engine import loop

TESTS = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from sim.test_faults import ALL
from sim.worlds import busy_days, run
from penstock.model.trial import Faults
for preset in ("penstock", "burst-at-once", "gitlab"):
    outcome, _ = run(busy_days(500), preset=preset, seed=7, faults=Faults(faults=ALL))
    print(outcome.digest, outcome.costs, sum(outcome.end_ms), outcome.peaks)
"""


def figures(compiled: str, hashes: str, cache: Path | None = None) -> str:
    environment = os.environ | {"PENSTOCK_COMPILED": compiled, "PYTHONHASHSEED": hashes}
    if cache is not None:
        environment["XDG_CACHE_HOME"] = str(cache)
    words = [sys.executable, "-c", PROGRAM, str(TESTS)]
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_order_of_hashes_changes_nothing() -> None:
    first = figures("0", "1")
    assert first == figures("0", "2")
    assert first.count("sha256:") == 3


@pytest.mark.slow
def test_compiled_and_plain_do_the_same(tmp_path: Path) -> None:
    """Compiled from nothing into a folder that only its owner may read, and once more from there."""
    plain = figures("0", "1")
    assert figures("1", "1", tmp_path) == plain
    (kept,) = (tmp_path / "penstock").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o700
    assert figures("1", "2", tmp_path) == plain


def test_without_a_folder_to_keep_it_in_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "penstock").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sources = compiling.reached(loop)
    assert compiling.folder(sources) is None
    assert not compiling.is_cached(sources)
