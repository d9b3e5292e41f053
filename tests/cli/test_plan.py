"""`penstock plan` as people call it: nothing runs, nothing is written, everything is said."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.app import run

MANIFEST = """
version: 1
modules:
  zlib:
    platforms: [gcc, clang]
    build: [make]
    test: [make check]
  png:
    needs: [zlib]
    platforms: [gcc]
    size: {cores: 3}
    build: [make]
"""
FARM = """
[farm]
name = "mine"
[platform.gcc]
image = "host"
[platform.clang]
image = "host"
environment = { CC = "clang" }
[[pool]]
name = "here"
provider = "local"
platforms = ["gcc", "clang"]
cores = 2
memory_mb = 4096
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with a manifest and a farm."""
    (tmp_path / ".penstock.yml").write_text(MANIFEST)
    (tmp_path / "farm.toml").write_text(FARM)
    identity = ["-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True)
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The document that a plan prints."""
    assert run(["plan", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_plan_of_a_repository(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(source.rglob("*"))
    document = planned(capsys, str(source))
    assert document["schema"] == 1
    assert document["totals"] == {"jobs": 5, "build": 3, "test": 2, "modules": 2, "platforms": 2, "reused": 0}
    jobs = {job["id"]: job for job in document["jobs"]}
    assert set(jobs["zlib:build@gcc"]) == {
        "id", "module", "platform", "kind", "key", "needs", "size", "reuse", "reason",
    }  # fmt: skip
    assert jobs["zlib:build@gcc"]["key"].startswith("sha256:")
    assert jobs["png:build@gcc"]["key"] is None
    assert jobs["png:build@gcc"]["needs"] == ["zlib:build@gcc"]
    assert jobs["png:build@gcc"]["size"] == {"cores": 3, "memory_mb": 1024}
    assert sorted(source.rglob("*")) == before


def test_the_same_source_gives_the_same_keys_and_a_changed_one_others(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def keys() -> list[str]:
        return [job["key"] for job in planned(capsys, str(source), "--dirty")["jobs"]]

    first = keys()
    assert keys() == first
    (source / "new.c").write_text("int x;\n")
    assert keys() != first
    assert planned(capsys, str(source))["jobs"][0]["key"] == first[0], "what is not committed is not in it"


def test_what_a_change_of_one_module_reaches(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = planned(capsys, str(source), "--changed", "png")
    assert {job["id"] for job in document["jobs"] if not job["reuse"]} == {"png:build@gcc"}


def test_a_job_that_no_machine_here_can_ever_take_is_refused_before_anything_runs(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    assert run(["build", str(source), "--no-sandbox", "--state", str(state)]) == 2
    assert capsys.readouterr().err == (
        f"penstock: {source}/.penstock.yml:8: no pool of provider local takes png:build@gcc: "
        "here: it has 2 cores, 4096 MB, the job asks for 3 cores, 1024 MB; change one of the two\n"
    )
    assert not (state / "penstock.db").exists()


def test_all_of_qt_is_planned_as_its_own_files_say(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = planned(capsys, str(shared_data / "qt"))
    assert document["totals"] == {
        "jobs": 3416, "build": 1764, "test": 1652, "modules": 42, "platforms": 65, "reused": 0,
    }  # fmt: skip
    ids = {job["id"] for job in document["jobs"]}
    assert all(set(job["needs"]) <= ids for job in document["jobs"])
    assert {"file", "line", "what"} == set(document["unknown"][0])
    changed = planned(capsys, str(shared_data / "qt"), "--changed", "qtmqtt")
    assert changed["totals"]["reused"] == 3416 - 82


def test_check_says_that_a_farm_is_right(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(source / "farm.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "mine",
        "platforms": ["gcc", "clang"],
        "pools": ["here"],
        "prices_from_tco": {},
        "warnings": [],
    }


RENTED = """
[farm]
address = "https://hub.example.org"
[platform.p]
[[pool]]
name = "burst"
provider = "ec2"
platforms = ["p"]
[pool.ec2]
region = "eu-west-1"
image = "ami-0a1b"
types = [{ name = "m7i.large" }]
subnets = [{ zone = "eu-west-1a", id = "subnet-0a" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "warned"),
    [
        ("", "", True),
        ("[platform.p]", '[platform.p]\nimage = "debian-12"', False),
        ('platforms = ["p"]', 'platforms = ["p"]\nmin = 1', False),
        ("[[pool]]", '[[pool]]\nname = "own"\nprovider = "owned"\nplatforms = ["p"]\n[[pool]]', False),
    ],
)
def test_check_warns_of_a_platform_that_no_machine_will_ever_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, warned: bool
) -> None:
    farm = tmp_path / "farm.toml"
    farm.write_text(RENTED.replace(old, new))
    assert run(["check", str(farm)]) == 0
    told = capsys.readouterr().err
    assert told.startswith(f"{farm}: warning: platform 'p' has image \"host\", which") is warned
    assert told.count("\n") == int(warned)


def test_check_says_what_an_owned_machine_comes_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = tmp_path / "farm.toml"
    farm.write_text(
        '[platform.p]\n[[pool]]\nname = "own"\nprovider = "owned"\nplatforms = ["p"]\n'
        "tco = { purchase = 8760, life_years = 1 }\n"
    )
    assert run(["check", str(farm)]) == 0
    assert "pool own: 1.000000 USD an hour of a machine, from its tco\n" in capsys.readouterr().out
    assert run(["check", str(farm), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prices_from_tco"] == {"own": "1.000000"}
