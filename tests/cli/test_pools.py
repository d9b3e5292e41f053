"""`penstock pools` on a farm that nobody serves."""

import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.cli.place import find_place
from penstock.hub import intake
from penstock.wiring import Quiet, assemble

FARM = """
[farm]
name = "one"
[platform."linux"]
[[pool]]
name = "own"
provider = "owned"
platforms = ["linux"]
[[pool]]
name = "burst"
provider = "ec2"
platforms = ["linux"]
"""


@pytest.fixture
def farm(tmp_path: Path) -> list[str]:
    file = tmp_path / "farm.toml"
    file.write_text(FARM)
    place = find_place(file, None)
    parts = assemble(place.rules, place.folder, Quiet())
    intake.open_farm(parts.hub, "one")
    parts.close()
    return ["--farm", str(file)]


def test_a_pool_is_stopped_listed_and_started_again(
    farm: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pools", "stop", "burst", "--reason", "the bill", *farm]) == 0
    assert "burst is stopped: nothing starts there until it is started again" in capsys.readouterr().out
    assert run(["pools", "stop", "burst", *farm]) == 1
    assert "was stopped already" in capsys.readouterr().out
    assert run(["pools", "list", "--json", *farm]) == 0
    own, burst = json.loads(capsys.readouterr().out)["pools"]
    assert (own["name"], own["stopped"], own["reason"]) == ("own", False, "")
    assert burst["stopped"]
    assert burst["reason"].endswith("the bill")
    assert [one["code"] for one in burst["notes"]] == ["stopped"]
    assert run(["pools", "list", *farm]) == 0
    said = capsys.readouterr().out
    assert f"pool burst: {burst['notes'][0]['text']}" in said
    assert "an operator can start it again: penstock pools start burst" in said
    assert run(["pools", "start", "burst", *farm]) == 0
    assert run(["pools", "start", "burst", *farm]) == 1


def test_a_pool_that_there_is_not_is_refused(farm: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pools", "stop", "bursts", *farm]) == 2
    assert "pool 'bursts' does not exist" in capsys.readouterr().err
