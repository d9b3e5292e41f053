"""Secrets in farm.toml and in .penstock.yml, and what becomes of who asks."""

from pathlib import Path

import msgspec
import pytest

from penstock.config.farm import read_farm
from penstock.config.manifest import read_manifest
from penstock.config.mistakes import Mistakes
from penstock.hub.planner import submit
from penstock.hub.submission import Unfit
from penstock.model.job import Job
from penstock.model.rules import Rule
from penstock.model.secret import Secret
from tests.config.test_submitting import MANIFEST, RULES, Desk
from tests.farms import POOL, Agent, TestFarm, change, plan, planned

ASKING = MANIFEST.replace("    build: [make]\n", "    build: [make]\n    secrets: [KEY]\n")


def farm(folder: Path, text: str) -> dict[str, Secret]:
    (folder / "farm.toml").write_text(text)
    return read_farm(folder / "farm.toml").secrets


def test_a_secret_has_a_file_and_whose_it_is(tmp_path: Path) -> None:
    text = (
        '[secret.KEY]\nfile = "/etc/key"\nprojects = ["qemu"]\nbranches = ["main"]\nclasses = ["release"]\n'
    )
    assert farm(tmp_path, text + '[secret."a.b-c"]\nfile = "x"\n') == {
        "KEY": Secret(
            name="KEY", file="/etc/key", projects=("qemu",), branches=("main",), classes=("release",)
        ),
        "a.b-c": Secret(name="a.b-c", file="x"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[secret.KEY]\n", "1: secret 'KEY' lacks `file`"),
        ('[secret."../x"]\nfile = "x"\n', "1: secret '../x' cannot be a file's name"),
        ('[secret.KEY]\nvalue = "hunter2"\n', "2: secret 'KEY' has no `value`"),
        ('[secret.KEY]\nfile = "x"\nclasses = ["relase"]\n', "3: element 1 of `classes`"),
        ('secret = "x"\n', "1: `secret` is 'x'; write [secret.NAME]"),
    ],
)
def test_mistakes_are_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Mistakes) as wrong:
        farm(tmp_path, text)
    assert told in str(wrong.value)


def manifest(lines: str) -> bytes:
    return f"version: 1\nmodules:\n  a: {{platforms: [p], build: [make], {lines}}}\n".encode()


def test_build_and_test_ask_each_for_their_own() -> None:
    (one,) = read_manifest(manifest("secrets: [A, A, B], test: {run: [x], secrets: [C]}"), "m").modules
    assert (one.secrets, one.test.secrets if one.test else ()) == (("A", "B"), ("C",))
    (short,) = read_manifest(manifest("secrets: [A], test: [x]"), "m").modules
    assert short.test is not None
    assert short.test.secrets == ()


@pytest.mark.parametrize("asked", ["[../x]", "A", "{A: x}", str([f"s{n}" for n in range(17)])])
def test_names_that_are_none_are_mistakes(asked: str) -> None:
    with pytest.raises(Mistakes):
        read_manifest(manifest(f"secrets: {asked}"), "m")


def desk(folder: Path, secrets: dict[str, Secret], rules: tuple[Rule, ...] = ()) -> Desk:
    made = Desk(folder, msgspec.structs.replace(RULES, secrets=secrets, rules=rules))
    Agent(made.farm, "m1", identity="sha256:here")
    made.commit(ASKING)
    return made


def test_a_trusted_change_gets_it_in_its_spec_by_name_alone(tmp_path: Path) -> None:
    one = desk(tmp_path, {"KEY": Secret(name="KEY", file="f")})
    build = one.submit(one.asked())
    specs = {job.spec.kind: job.spec.secrets for job in one.farm.all(Job) if job.build == build.id}
    assert specs == {"build": ("KEY",), "test": ()}


@pytest.mark.parametrize(
    ("secrets", "rules", "told"),
    [
        ({}, (), "asks for secret KEY, which the farm does not have"),
        (
            {"KEY": Secret(name="KEY", file="f")},
            (Rule(match={}, trust="untrusted"),),
            "zlib:build@linux asks for secret KEY, and is not trusted",
        ),
        (
            {"KEY": Secret(name="KEY", file="f", branches=("stable",))},
            (),
            "asks for secret KEY, which is for other branches",
        ),
    ],
)
def test_who_may_not_have_it_is_told_in_one_line_and_nothing_is_planned(
    tmp_path: Path, secrets: dict[str, Secret], rules: tuple[Rule, ...], told: str
) -> None:
    one = desk(tmp_path, secrets, rules)
    with pytest.raises(Unfit, match=told) as wrong:
        one.submit(one.asked())
    assert "\n" not in str(wrong.value)
    assert one.farm.all(Job) == []


def test_no_plan_gives_secrets_to_an_untrusted_job_whoever_made_it() -> None:
    farm = TestFarm()
    with pytest.raises(ValueError, match="asks for secrets and is not trusted"):
        submit(farm.hub, change("c1"), plan(planned("zlib", secrets=("KEY",))))


def test_what_an_untrusted_machine_says_it_is_decides_nothing_for_trusted_jobs(tmp_path: Path) -> None:
    """Three liars of a pool that strangers may join would else keep every trusted job waiting for a machine like them."""
    strangers = msgspec.structs.replace(POOL, name="strangers", trust=("untrusted",))
    one = Desk(tmp_path, msgspec.structs.replace(RULES, pools=(POOL, strangers)))
    Agent(one.farm, "m1", identity="sha256:here")
    for number in range(3):
        Agent(one.farm, f"liar{number}", pool="strangers", identity="sha256:elsewhere", key=f"{number}" * 64)
    build = one.submit(one.asked())
    assert {job.spec.identity for job in one.farm.all(Job) if job.build == build.id} == {"sha256:here"}
