"""The embedded farm's own watch over itself."""

from pathlib import Path

import msgspec
import pytest

from penstock.cli.build import begin
from penstock.cli.embedded import EmbeddedFarm
from penstock.cli.opened import Opened
from penstock.cli.output import Leave
from penstock.cli.place import Place
from penstock.config.asking import Asked
from penstock.model.farm import Farm
from penstock.model.job import Source
from penstock.model.machine import Machine
from penstock.model.plan import Plan
from penstock.ports import FarmFailed
from penstock.store.logs import FolderLogs
from penstock.store.marks import FolderMarks, open_marks
from penstock.web.bell import Bell
from penstock.wiring import Parts, open_git
from tests.farms import POOL, RULES, Agent, TestFarm, planned


def embedded(farm: TestFarm, folder: Path, identity: str) -> EmbeddedFarm:
    """A farm in this process whose plan was made for `identity`; nothing of it is started."""
    parts = Parts(
        farm.hub, FolderLogs(folder / "logs"), open_git(folder), folder, FolderMarks(folder / "marks")
    )
    asked = Asked(
        source=Source(repository="/r"),
        plan=Plan(()),
        trust="trusted",
        sandbox="bubblewrap",
        identity=identity,
        file=".penstock.yml",
        lines={},
    )
    return EmbeddedFarm(Opened(Place(farm.hub.rules, folder), parts, Bell(), asked))


def test_a_machine_that_changed_after_the_plan_was_made_ends_the_build_instead_of_letting_it_wait(
    tmp_path: Path,
) -> None:
    farm = TestFarm()
    here = embedded(farm, tmp_path, "sha256:planned")
    here.check()
    agent = Agent(farm, "here-1", identity="sha256:planned")
    here.check()
    agent.registration = msgspec.structs.replace(agent.registration, identity="sha256:upgraded")
    agent.again()
    assert farm.get(Machine, agent.answer.machine.id).identity == "sha256:upgraded"
    with pytest.raises(FarmFailed, match="changed after the build was planned"):
        here.check()


def test_what_agents_held_ends_with_the_farm_and_is_held_against_nobody(tmp_path: Path) -> None:
    here_pool = msgspec.structs.replace(POOL, provider="local")
    farm = TestFarm(msgspec.structs.replace(RULES, pools=(here_pool,)))
    here = embedded(farm, tmp_path, "")
    agent = Agent(farm, "here-1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    agent.start()
    here.stop()
    assert farm.states(build) == {"zlib:build": "queued"}
    assert farm.job(build, "zlib:build").losses == 0
    assert not farm.get(Machine, agent.answer.machine.id).accepting


def test_a_farm_that_others_may_serve_is_no_farm_for_one_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = TestFarm()
    here = Parts(
        farm.hub, FolderLogs(tmp_path / "logs"), open_git(tmp_path), tmp_path, open_marks("file:b", tmp_path)
    )
    epoch = farm.get(Farm, "farm").leader_epoch
    with pytest.raises(Leave):
        begin(msgspec.structs.replace(here, alone=False))
    assert "this farm's database is shared" in capsys.readouterr().err
    assert farm.get(Farm, "farm").leader_epoch == epoch
    begin(here)
    assert farm.get(Farm, "farm").leader_epoch == epoch + 1
