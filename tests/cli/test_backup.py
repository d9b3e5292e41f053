"""Farms saved and brought back from the command line."""

import json
from pathlib import Path

import pytest
from farms import change, plan, planned

from penstock.cli.app import run
from penstock.cli.place import find_place
from penstock.hub import incarnation, intake, planner
from penstock.hub.fsck import fsck
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.wiring import Quiet, assemble

FARM = """
[farm]
name = "one"
[platform."linux"]
[[pool]]
name = "own"
provider = "owned"
platforms = ["linux"]
"""


@pytest.fixture
def farm_file(tmp_path: Path) -> Path:
    """A farm with one queued job."""
    file = tmp_path / "farm.toml"
    file.write_text(FARM)
    place = find_place(file, None)
    parts = assemble(place.rules, place.folder, Quiet())
    intake.open_farm(parts.hub, "one")
    planner.submit(parts.hub, change("c1"), plan(planned("zlib")))
    parts.close()
    return file


def test_a_farm_is_saved_brought_back_and_thawed(
    farm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, new = tmp_path / "saved", tmp_path / "new"
    assert run(["backup", str(saved), "--farm", str(farm_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["blobs"], told["problems"]) == (0, [])
    assert Path(told["backup"], "farm.toml").read_text() == FARM
    assert run(["restore", str(saved), "--state", str(new)]) == 0
    assert "frozen until `penstock thaw --adopt`" in capsys.readouterr().out
    place = find_place(None, new)
    parts = assemble(place.rules, place.folder, Quiet())
    farm = parts.hub.store.read(lambda tx: tx.get(Farm, "farm"))
    jobs = parts.hub.store.read(lambda tx: tx.find(Job, "key"))
    assert (farm.frozen, [job.spec.module for job in jobs], fsck(parts.hub)) == (True, ["zlib"], [])
    assert incarnation.adopt(parts.hub)
    parts.close()


def test_it_is_saved_while_another_process_has_it(farm_file: Path, tmp_path: Path) -> None:
    place = find_place(farm_file, None)
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        assert run(["backup", str(tmp_path / "saved"), "--farm", str(farm_file)]) == 0
    finally:
        parts.close()


def test_nothing_is_restored_over_a_farm(
    farm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["backup", str(tmp_path / "saved"), "--farm", str(farm_file)])
    assert run(["restore", str(tmp_path / "saved"), "--farm", str(farm_file)]) == 2
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restore", "nowhere", "--state", "new"], "there is no backup here"),
        (["backup", "saved", "--state", "empty"], "there is no such database"),
        (["thaw", "--state", "empty"], "say what this farm is"),
        (["thaw", "--adopt", "--as-copy", "--state", "empty"], "say what this farm is"),
        (["freeze", "--moved-to", "somewhere", "--state", "empty"], "is no address of a hub"),
    ],
)
def test_what_cannot_be_done_is_a_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
