"""What the local command writes down about the change that it builds."""

import subprocess
from pathlib import Path

import pytest

from penstock.cli import build
from penstock.cli.place import find_place
from penstock.model.change import Change
from penstock.wiring import Quiet, assemble

pytestmark = pytest.mark.needs("git")
FARM = """
[farm]
name = "here"
[platform.p]
image = "host"
[[pool]]
name = "here"
provider = "local"
platforms = ["p"]
"""
MANIFEST = "version: 1\nmodules:\n  a:\n    platforms: [p]\n    build: ['true']\n"


@pytest.mark.parametrize("dirty", [False, True], ids=["committed", "dirty"])
def test_costs_of_a_local_build_are_of_the_branch_that_was_checked_out(tmp_path: Path, dirty: bool) -> None:
    (tmp_path / "farm.toml").write_text(FARM)
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / ".penstock.yml").write_text(MANIFEST)
    who = ["-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    for words in (
        ["init", "--quiet", "--initial-branch=topic/png"],
        ["add", "--all"],
        ["commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(repository), *who, *words], check=True)
    place = find_place(tmp_path / "farm.toml", tmp_path / "state")
    asked = build.ask_for(place, build.Wish(source=repository, dirty=dirty, no_sandbox=True, as_json=False))
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        build.begin(parts)
        made = build.submit(parts, asked)
        change = parts.hub.store.read(lambda tx: tx.get(Change, made.change))
    finally:
        parts.close()
    assert change is not None
    assert change.branch == "topic/png"
