"""Where a farm is found, whatever its database is called."""

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.cli import app
from penstock.cli.place import Place, find_place
from penstock.hub import intake
from penstock.wiring import Quiet, assemble

RULES = """
[farm]
name = "mine"
state = "{state}"
[platform.p]
image = "host"
[[pool]]
name = "own"
provider = "owned"
platforms = ["p"]
"""


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Place]:
    def make(state: str) -> Place:
        (tmp_path / "farm.toml").write_text(RULES.format(state=state))
        monkeypatch.chdir(tmp_path)
        return find_place(None, None)

    return make


@pytest.mark.parametrize("state", ["sqlite:///farm.db", "sqlite:///state/x.db"])
def test_a_database_of_any_name_is_found(
    at: Callable[[str], Place], state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = at(state)
    assert app.run(["builds"]) == 2
    assert "there is no farm here yet" in capsys.readouterr().err
    parts = assemble(place.rules, place.folder, Quiet())
    intake.open_farm(parts.hub, "here")
    parts.close()
    assert place.database() == place.folder / state.rpartition("/")[2]
    assert app.run(["builds"]) == 0


def test_of_a_shared_database_it_is_said_who_must_be_asked(
    at: Callable[[str], Place], capsys: pytest.CaptureFixture[str]
) -> None:
    assert at("postgresql:///mine").database() is None
    assert app.run(["builds"]) == 2
    assert "start one with `penstock serve`" in capsys.readouterr().err
