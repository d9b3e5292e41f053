"""Who may be given which secret, and where a job that is given some may run."""

import msgspec
import pytest

from penstock.model.decision import Reason
from penstock.model.job import JobSpec, Source
from penstock.model.machine import Machine
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Platform, Pool
from penstock.model.secret import Secret
from penstock.model.snapshot import Ask, Group, PoolFacts, Queued, Snapshot
from penstock.model.units import Size
from penstock.policy.admission import Facts
from penstock.policy.placement import decide
from penstock.policy.planning import Given, PlanningError, plan
from penstock.policy.reuse import key_of
from penstock.policy.secrets import given_now, refuse_secrets
from penstock.policy.suitability import OLD, facts_of, of_pool, refusals

MANIFEST = Manifest("m", (ModuleAsk(name="app", line=7),))
SPEC = JobSpec(
    kind="build",
    module="app",
    platform="p",
    commands=("sign",),
    secrets=("KEY",),
    trust="trusted",
    klass="release",
)
MAIN = Facts(branch="main", ref="refs/heads/main", project="qemu", who="ada")


def refused(secret: Secret | None, facts: Facts | None = MAIN, **changes: object) -> str:
    spec = msgspec.structs.replace(SPEC, **changes)
    job = PlannedJob(id="app:build@p", kind="build", module="app", platform="p", spec=spec)
    try:
        refuse_secrets(MANIFEST, Plan((job,)), {"KEY": secret} if secret else {}, facts)
    except PlanningError as wrong:
        return str(wrong).removeprefix("m:7: app:build@p asks for secret KEY, ")
    return ""


@pytest.mark.parametrize(
    ("limits", "changes", "told"),
    [
        ({}, {}, ""),
        ({}, {"trust": "untrusted"}, "and is not trusted; secrets are for trusted jobs alone: leave it out"),
        ({"projects": ("qemu",)}, {}, ""),
        (
            {"projects": ("qt",)},
            {},
            "which is for other projects; submit it from a repository of such a project",
        ),
        ({"branches": ("stable-*", "main")}, {}, ""),
        ({"branches": ("refs/heads/m*",)}, {}, ""),
        (
            {"branches": ("refs/tags/*", "stable-*")},
            {},
            "which is for other branches; submit it from such a branch of the project's own repository",
        ),
        ({"classes": ("release",)}, {}, ""),
        (
            {"classes": ("release",)},
            {"klass": "try"},
            "which jobs of class try do not get; ask for it in a job of such a class",
        ),
    ],
)
def test_a_secret_is_for_those_that_farm_toml_names(
    limits: dict[str, tuple[str, ...]], changes: dict[str, object], told: str
) -> None:
    assert refused(Secret(name="KEY", file="f", **limits), **changes) == told


def test_a_secret_that_there_is_not_is_one_line() -> None:
    assert refused(None) == "which the farm does not have; add [secret.KEY] to farm.toml, or leave it out"


def test_nobody_vouches_for_a_branch_that_is_only_called_so() -> None:
    assert refused(Secret(name="KEY", file="f", branches=("main",)), Facts(who="ada"))


def test_the_local_user_reads_the_file_himself_but_his_jobs_must_be_trusted() -> None:
    far = Secret(name="KEY", file="f", projects=("qt",))
    assert refused(far, None) == ""
    assert refused(far, None, trust="untrusted")
    assert refused(None, None)


def test_jobs_without_secrets_and_plans_that_only_show_a_graph_ask_for_nothing() -> None:
    assert refused(None, secrets=()) == ""
    refuse_secrets(MANIFEST, Plan((PlannedJob(id="x", kind="build", module="x", platform="p"),)), {}, MAIN)


@pytest.mark.parametrize(
    ("name", "changes", "given"),
    [
        ("KEY", {}, True),
        ("OTHER", {}, False),
        ("KEY", {"secrets": ()}, False),
        ("KEY", {"trust": "untrusted"}, False),
        ("GONE", {"secrets": ("GONE",)}, False),
    ],
)
def test_what_was_planned_is_given_as_long_as_the_farm_has_it(
    name: str, changes: dict[str, object], given: bool
) -> None:
    known = {one: Secret(name=one, file="f") for one in ("KEY", "OTHER")}
    assert given_now(msgspec.structs.replace(SPEC, **changes), name, known) is given


def test_names_are_in_the_key_and_only_of_jobs_that_have_some() -> None:
    bare = msgspec.structs.replace(SPEC, secrets=())
    assert key_of(SPEC, (), "s") != key_of(bare, (), "s")
    both = [msgspec.structs.replace(SPEC, secrets=names) for names in (("A", "B"), ("B", "A"))]
    assert key_of(both[0], (), "s") == key_of(both[1], (), "s")


def test_build_and_test_are_given_their_own_and_a_fetch_none() -> None:
    asked = ModuleAsk(
        name="app",
        platforms=("p",),
        fetch=("get",),
        build=("make",),
        secrets=("KEY",),
        test=AskedTest(run=("check",), secrets=("TOKEN",)),
    )
    made = plan(
        Manifest("m", (asked,)),
        {"p": Platform(name="p")},
        {},
        {"app": Source(repository="r")},
        Given(trust="trusted"),
    )
    assert {job.kind: job.spec.secrets for job in made.jobs if job.spec} == {
        "fetch": (),
        "build": ("KEY",),
        "test": ("TOKEN",),
    }


# Where they run

ASK = Ask("p", "", "trusted", "change", Size(1, 10), secrets=True)
OPEN = Reason("secrets", "the job is given secrets, and it takes untrusted jobs, too")
FAR = Reason("network", "pool a reaches only the hub, the job asks for network: full")


def machine(**changes: object) -> Machine:
    about = {"platforms": ("p",), "trust": ("trusted",), "power": "up", "accepting": True} | changes
    return Machine(id="m", name="m", pool="a", **about)  # type: ignore[arg-type]


def test_a_job_with_secrets_runs_only_where_no_untrusted_one_does() -> None:
    farm = Snapshot(now_ms=0, pools={"a": PoolFacts(name="a")})
    assert refusals(ASK, machine(), farm) == []
    assert refusals(ASK, machine(trust=("trusted", "untrusted")), farm) == [OPEN]
    only, both = (Pool(name="a", provider="owned", platforms=("p",), trust=t) for t in ONLY_AND_BOTH)
    assert (of_pool(ASK, only), of_pool(ASK, both)) == ([], [OPEN])
    bare = msgspec.structs.replace(ASK, secrets=False)
    assert of_pool(bare, both) == []


ONLY_AND_BOTH: tuple[tuple[str, ...], ...] = (("trusted",), ("untrusted", "trusted"))


def test_a_job_with_the_network_does_not_run_where_there_is_only_the_hub() -> None:
    wants = msgspec.structs.replace(ASK, network="full", secrets=False)
    farm = Snapshot(now_ms=0, pools={"a": PoolFacts(name="a", hub_only=True)})
    assert refusals(wants, machine(), farm) == [FAR]
    assert refusals(ASK, machine(), farm) == []
    pool = Pool(name="a", provider="owned", platforms=("p",), network="hub-only")
    assert of_pool(wants, pool) == [FAR]


def test_a_job_with_the_network_goes_through_the_hub_only_with_an_agent_that_knows_how() -> None:
    """An older one would run it without."""
    wants = msgspec.structs.replace(ASK, network="full", secrets=False)
    pool = Pool(name="a", provider="owned", platforms=("p",), network="hub-only", reaches=("a.example:443",))
    farm = Snapshot(now_ms=0, pools={"a": facts_of(pool)})
    assert refusals(wants, machine(agent="0.1.0"), farm) == [Reason("agent-old", OLD)]
    assert refusals(wants, machine(agent="0.1.0+forward"), farm) == []
    assert refusals(ASK, machine(agent="0.1.0"), farm) == []
    assert of_pool(wants, pool) == []
    assert refusals(wants, machine(agent="0.1.0"), Snapshot(now_ms=0)) == []
    group = Group(wants, (Queued(1, 0, "j", 1),))
    both = (machine(agent="0.1.0"), msgspec.structs.replace(machine(agent="0.1.0+forward"), id="new"))
    made = decide(msgspec.structs.replace(farm, groups=(group,), machines=both))
    assert [one.machine for one in made.places] == ["new"]
