"""What somebody submits becomes a build once, by the rules of the farm; what is wrong is one line."""

import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from penstock.config.submitting import Submitter, given_to
from penstock.forges.git import Git
from penstock.hub import incarnation
from penstock.hub.context import Moved, Refused
from penstock.hub.submission import Submission, Unfit
from penstock.model.change import Build, Change
from penstock.model.job import Job
from penstock.model.rules import Platform, Pool, Rule, Rules
from penstock.model.units import Size
from penstock.policy.admission import Vouched
from tests.farms import POOL, Agent, TestFarm

MANIFEST = """version: 1
modules:
  zlib:
    source: .
    platforms: [linux]
    build: [make]
    test: [make check]
"""
MORE = "  tiny: { source: ., platforms: [linux], build: [make] }\n"
PINNED = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}
RULES = Rules(platforms={"linux": Platform(name="linux", image="host")}, pools=(POOL,))

NOBODY = Vouched()


class Desk:
    """A farm, a repository on its machine, and who submits it."""

    def __init__(self, folder: Path, rules: Rules = RULES) -> None:
        self.farm = TestFarm(rules)
        self.repository = folder / "zlib"
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit(MANIFEST)
        far = Git(folder / "mirrors", local_user=False, lookup=lambda host, port: ["127.0.0.1"])
        self.submitter = Submitter(self.farm.hub, far, Git(folder / "mirrors", local_user=True))

    def submit(self, asked: Submission) -> Build:
        return self.submitter(asked).build

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *words], cwd=self.repository, env=PINNED, check=True)

    def commit(self, manifest: str) -> None:
        (self.repository / ".penstock.yml").write_text(manifest)
        (self.repository / "Makefile").write_text("all:\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=x")

    def asked(self, request: str = "r1", **changes: object) -> Submission:
        values = {"repository": str(self.repository), "user": "the operator", "who": "ada", "local": True}
        return Submission(request=request, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    one = Desk(tmp_path)
    Agent(one.farm, "m1", identity="sha256:here")
    return one


def test_a_submission_is_planned_for_the_machines_that_are_there(desk: Desk) -> None:
    build = desk.submit(desk.asked(project="libs", priority=3, klass="nightly", queue_limit_ms=5000))
    jobs = {job.name: job for job in desk.farm.all(Job) if job.build == build.id}
    assert sorted(jobs) == ["zlib:build@linux", "zlib:test@linux"]
    spec = jobs["zlib:build@linux"].spec
    assert (spec.identity, spec.trust, spec.klass) == ("sha256:here", "trusted", "nightly")
    (change,) = desk.farm.all(Change)
    assert (change.who, change.project, change.priority, change.queue_limit_ms) == ("ada", "libs", 3, 5000)
    assert len(change.ref) == 40


def test_the_same_request_is_the_same_build_whatever_has_happened_since(desk: Desk) -> None:
    first = desk.submit(desk.asked())
    desk.commit(MANIFEST.replace("make check", "make test"))
    assert desk.submit(desk.asked()).id == first.id
    assert desk.submit(desk.asked("r2")).id != first.id
    with pytest.raises(Refused, match="'r1' was used for something else"):
        desk.submit(desk.asked(ref="HEAD~1"))
    assert desk.submit(desk.asked(user="bob")).id != first.id  # another's ids are another's
    assert len(desk.farm.all(Change)) == 3


def test_a_farm_that_has_moved_takes_nothing(desk: Desk) -> None:
    incarnation.freeze(desk.farm.hub, "moved", "https://elsewhere.example")
    with pytest.raises(Moved, match=r"elsewhere\.example"):
        desk.submit(desk.asked())
    assert desk.farm.all(Change) == []


def test_two_bodies_under_one_request_that_meet_in_the_store_are_one_build(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one has looked before the first one was stored."""
    looked = desk.farm.hub.store.read

    def blind(operation):  # type: ignore[no-untyped-def]
        return None if "_known" in operation.__code__.co_names else looked(operation)

    desk.submit(desk.asked())
    monkeypatch.setattr(desk.farm.store, "read", blind)
    with pytest.raises(Refused, match="something else"):
        desk.submit(desk.asked(priority=1))
    assert len(desk.farm.all(Change)) == 1


@pytest.mark.parametrize("folder", ["/etc", ".", "../zlib", "zlib", "file:///etc"])
def test_folders_are_for_the_local_operator(desk: Desk, folder: str) -> None:
    with pytest.raises(Unfit, match=r"name an https or ssh address") as told:
        desk.submit(desk.asked(repository=folder, local=False))
    assert "\n" not in str(told.value)
    assert desk.farm.all(Change) == []


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("git://host.example/x", "not allowed"),
        ("ext::sh -c id", "not allowed"),
        ("https://localhost/x.git", "network of the farm"),
        ("https://127.0.0.1/x.git", "network of the farm"),
        ("http://host.example/x", "not allowed"),
    ],
)
def test_addresses_that_are_not_allowed_are_named(desk: Desk, repository: str, said: str) -> None:
    with pytest.raises(Unfit, match=said) as told:
        desk.submit(desk.asked(repository=repository, local=False))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "manifest", "said"),
    [
        ({"ref": "nonsense"}, "", "no ref 'nonsense'"),
        ({"ref": "--upload-pack=x"}, "", "ref"),
        ({"path": "../x"}, "", "path|folder"),
        ({"klass": "nonsense"}, "", "class 'nonsense': write one of"),
        ({}, "version: 1\nmodules: {a: {build: 7}, b: {build: 8}}\n", r"\.penstock\.yml:"),
        ({}, MANIFEST.replace("linux", "beos"), "'beos', which the farm does not have"),
        ({}, MANIFEST.replace("source: .", "source: nonsense"), "nonsense"),
    ],
)
def test_what_cannot_be_built_is_one_line(desk: Desk, changes: dict, manifest: str, said: str) -> None:
    if manifest:
        desk.commit(manifest)
    with pytest.raises(Unfit, match=said) as told:
        desk.submit(desk.asked(**changes))
    assert "\n" not in str(told.value)
    assert desk.farm.all(Change) == []


def test_a_platform_that_nobody_measured_says_to_start_an_agent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(Unfit, match="start one with `penstock agent`"):
        desk.submit(desk.asked())


def test_most_machines_say_what_a_platform_is_and_the_newest_where_they_are_as_many(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number, identity in enumerate(("old", "old", "new")):
        Agent(desk.farm, f"m{number}", key=f"{number}" * 64, identity=identity)
        desk.farm.tick(1000)

    def identity(request: str) -> str:
        build = desk.submit(desk.asked(request))
        return next(job.spec.identity for job in desk.farm.all(Job) if job.build == build.id)

    assert identity("r1") == "old"
    Agent(desk.farm, "m3", key="3" * 64, identity="new")
    assert identity("r2") == "new"


def test_a_platform_with_an_image_is_its_image(tmp_path: Path) -> None:
    image = Platform(name="linux", image="debian-12")
    desk = Desk(tmp_path, msgspec.structs.replace(RULES, platforms={"linux": image}))
    desk.submit(desk.asked())
    assert {job.spec.identity for job in desk.farm.all(Job)} == {"debian-12"}


# What the rules give ------------------------------------------------------------------------------------------


def test_nobody_becomes_trusted_by_naming_a_branch_or_a_project() -> None:
    rules = Rules(
        rules=(
            Rule(match={"branch": "main"}, trust="trusted", klass="release"),
            Rule(match={"project": "qt"}, trust="trusted", klass="release"),
            Rule(match={"group": "committers"}, trust="trusted", klass="change", pools=("own",)),
        ),
        groups={"committers": ("ada",)},
    )
    asked = Submission(request="r", repository="x", ref="main", project="qt", user="eve", who="eve")
    assert given_to(asked, rules, NOBODY).trust == "untrusted"
    ada = msgspec.structs.replace(asked, user="ada", who="ada")
    assert (given_to(ada, rules, NOBODY).trust, given_to(ada, rules, NOBODY).pools) == ("trusted", ("own",))
    local = msgspec.structs.replace(asked, local=True)
    assert (given_to(local, rules, NOBODY).trust, given_to(local, rules, NOBODY).klass) == (
        "trusted",
        "release",
    )


@pytest.mark.parametrize(("asked", "given"), [("", "change"), ("nightly", "nightly"), ("release", "change")])
def test_a_class_can_only_be_lowered(asked: str, given: str) -> None:
    said = Submission(request="r", repository="x", user="ada", who="ada", klass=asked)
    assert given_to(said, Rules(), NOBODY).klass == given


def test_without_rules_only_the_local_operator_is_trusted() -> None:
    asked = Submission(request="r", repository="x", user="ada", who="ada")
    assert given_to(asked, Rules(), NOBODY).trust == "untrusted"
    assert given_to(msgspec.structs.replace(asked, local=True), Rules(), NOBODY).trust == "trusted"


# What nobody could take ---------------------------------------------------------------------------------------


def warned(desk: Desk, request: str = "r1", **changes: object) -> tuple[str, ...]:
    return desk.submitter(desk.asked(request, **changes)).warnings


def test_who_submits_what_no_pool_takes_is_told_at_once_and_again(desk: Desk) -> None:
    assert warned(desk) == ()
    others = msgspec.structs.replace(POOL, projects=("qt",), classes=("release",))
    other_rules(desk, pools=(others,))
    said = (
        "no machine and no pool of this farm can ever take the jobs for linux, such as zlib:build@linux: "
        "pool own: its pool takes no jobs of class change, its pool takes no jobs without a project",
    )
    assert warned(desk, "r2", who="bob") == said
    assert warned(desk, "r2", who="bob") == said, "a repeat is told the same"
    assert len([job for job in desk.farm.all(Job) if job.open]) == 4, "they wait: a pool may be added"


def other_rules(desk: Desk, **changes: object) -> None:
    """What is submitted from now goes by these."""
    hub = replace(desk.farm.hub, rules=msgspec.structs.replace(desk.farm.hub.rules, **changes))
    desk.submitter._hub = hub


def test_a_platform_is_warned_of_once_whatever_of_it_is_too_big(desk: Desk) -> None:
    desk.commit(MANIFEST.replace("    test:", "    size: { cores: 64 }\n    test:") + MORE)
    pools = tuple(Pool(name=f"p{n}", provider="owned", platforms=("linux",), size=Size(2)) for n in range(7))
    other_rules(desk, pools=(POOL, *pools))
    (said,) = warned(desk)
    assert "take 2 of 3 jobs for linux, such as zlib:build@linux: " in said
    assert "pool p0: its machines have 2 cores, 1024 MB, the job asks for 64 cores, 1024 MB" in said
    assert said.endswith("; 3 more pools")


def test_a_farm_without_pools_says_so(desk: Desk) -> None:
    other_rules(desk, pools=(), platforms={"linux": Platform(name="linux", image="debian-12")})
    assert [said.rpartition(": ")[2] for said in warned(desk)] == ["it has no pool"]
