"""`penstock replay` on a farm that nobody serves: what it prints, and how it ends."""

import json
from pathlib import Path

import msgspec
import pytest
from farms import change, plan, planned

from penstock.cli.app import run
from penstock.cli.place import find_place
from penstock.hub import intake, planner
from penstock.hub.loop import Services
from penstock.model.decision import Decided
from penstock.ports import Tx
from penstock.wiring import Parts, Quiet, assemble

FARM = """
[farm]
name = "one"
[waiting]
price_per_hour = 200.0
[platform."linux"]
[[pool]]
name = "burst"
provider = "simulated"
platforms = ["linux"]
price_per_hour = 0.4
boot_s = 30.0
"""


def opened(file: Path) -> Parts:
    place = find_place(file, None)
    return assemble(place.rules, place.folder, Quiet())


@pytest.fixture
def farm_file(tmp_path: Path) -> Path:
    """A farm that nothing happened in."""
    file = tmp_path / "farm.toml"
    file.write_text(FARM)
    parts = opened(file)
    intake.open_farm(parts.hub, "one")
    parts.close()
    return file


@pytest.fixture
def decided(farm_file: Path) -> Path:
    """A farm that has ordered a machine."""
    parts = opened(farm_file)
    planner.submit(parts.hub, change("c1"), plan(planned("zlib")))
    services = Services(parts.hub)
    for second in range(10):
        services.run_once(1_000 * second)
    parts.close()
    return farm_file


def test_what_was_decided_is_decided_again(decided: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "--farm", str(decided)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all agree, to the byte"
    assert run(["replay", "--farm", str(decided), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["decisions"], told["different"]) == (True, 1, [])


def test_what_comes_out_otherwise_is_named_and_ends_with_three(
    decided: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other(tx: Tx) -> None:
        (made,) = tx.find(Decided, "key")
        tx.replace(msgspec.structs.replace(made, acts="[[],[]]"))

    parts = opened(decided)
    parts.hub.store.write(other)
    parts.close()
    assert run(["replay", "--farm", str(decided)]) == 3
    said = capsys.readouterr().out
    assert "decision 1 at" in said
    assert "differs: acts" in said
    assert said.splitlines()[-1] == "1 differ"


def test_a_farm_that_decided_nothing_says_so(farm_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "--farm", str(farm_file)]) == 2
    assert "there is no decision to be made again" in capsys.readouterr().err
