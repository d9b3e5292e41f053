"""From a manifest to the graph of jobs."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.job import Source, Trust
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk, Need
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Platform
from penstock.model.units import Size
from penstock.policy.planning import CLASSES, Given, PlanningError, lower_class, plan

PLATFORMS = {name: Platform(name=name, environment={"CC": name}) for name in ("p", "q")}


def module(name: str, *needs: str, **differs: object) -> ModuleAsk:
    """A module for platform p; "b@q" in needs is b on q."""
    asked = tuple(Need(*need.split("@")) for need in needs)
    start = ModuleAsk(name=name, line=ord(name[0]), needs=asked, platforms=("p",), build=(f"make {name}",))
    return msgspec.structs.replace(start, **differs)


def planned(*modules: ModuleAsk, trust: Trust = "untrusted", klass: str = "change") -> Plan:
    sources = {
        one.name: Source(repository="/r", tree=f"tree-{one.name}", digest=f"d-{one.name}") for one in modules
    }
    identities = {"p": "image-p"}
    return plan(Manifest("m", modules), PLATFORMS, identities, sources, Given(trust=trust, klass=klass))


def ids(made: Plan) -> list[str]:
    return [job.id for job in made.jobs]


def by_id(made: Plan) -> dict[str, PlannedJob]:
    return {job.id: job for job in made.jobs}


def test_a_module_is_built_and_tested_on_each_of_its_platforms() -> None:
    made = planned(module("a", platforms=("p", "q"), test=AskedTest(run=("check",))))
    assert ids(made) == ["a:build@p", "a:test@p", "a:build@q", "a:test@q"]
    build, test = made.jobs[:2]
    assert build.spec is not None
    assert test.spec is not None
    assert (build.needs, build.key, build.reuse, build.spec.commands) == ((), None, False, ("make a",))
    assert (build.spec.environment, build.spec.identity, build.spec.keep_worktree) == (
        {"CC": "p"},
        "image-p",
        False,
    )
    assert (test.needs, test.spec.needs_modules) == (("a:build@p",), (("a", "p"),))
    assert (test.spec.commands, test.spec.source_from, test.spec.artifacts) == (("check",), "source", ())
    assert made.jobs[2].spec is not None
    assert made.jobs[2].spec.identity == ""


def test_parents_come_first_and_the_rest_keeps_the_order_of_the_file() -> None:
    made = planned(module("d", "c"), module("c", "a"), module("b"), module("a"))
    assert ids(made) == ["b:build@p", "a:build@p", "c:build@p", "d:build@p"]


def test_needs_across_platforms() -> None:
    made = planned(
        module("a", platforms=("q",)),
        module("b", "a@q", "a@q", test=AskedTest(run=("t",), start="build")),
    )
    build, test = by_id(made)["b:build@p"], by_id(made)["b:test@p"]
    assert build.needs == ("a:build@q",)
    assert test.needs == ("b:build@p", "a:build@q")
    assert test.spec is not None
    assert build.spec is not None
    assert test.spec.needs_modules == (("b", "p"), ("a", "q"))
    assert test.spec.source_from == "build"
    assert build.spec.keep_worktree


def test_a_fetch_comes_before_and_its_result_is_the_source() -> None:
    made = planned(module("a"), module("b", "a", fetch=("get",), test=AskedTest(run=("t",))))
    fetch, build, test = made.jobs[1:]
    assert fetch.spec is not None
    assert build.spec is not None
    assert test.spec is not None
    assert (fetch.id, fetch.kind, fetch.needs) == ("b:fetch@p", "fetch", ())
    assert (fetch.spec.network, fetch.spec.commands, fetch.spec.needs_modules) == ("full", ("get",), ())
    assert (build.needs, build.spec.source_from, build.spec.network) == (
        ("b:fetch@p", "a:build@p"),
        "fetch",
        "none",
    )
    assert (test.needs, test.spec.source_from) == (("b:build@p", "b:fetch@p", "a:build@p"), "fetch")


def test_sizes_and_times_of_a_test_are_its_own_or_the_modules() -> None:
    own = AskedTest(run=("t",), size=Size(2, 5), timeout_ms=7, reuse="never")
    like = AskedTest(run=("t",))
    made = by_id(
        planned(module("a", size=Size(8, 9), timeout_ms=3, test=own), module("b", timeout_ms=3, test=like))
    )
    first, second = made["a:test@p"], made["b:test@p"]
    assert first.spec is not None
    assert second.spec is not None
    assert (first.size, first.spec.timeout_ms, first.spec.reuse) == (Size(2, 5), 7, "never")
    assert (second.size, second.spec.timeout_ms, second.spec.reuse) == (Size(), 3, "passed")


def test_a_module_is_never_trusted_more_than_what_it_needs() -> None:
    made = planned(
        module("a", trust="untrusted"),
        module("b", "a"),
        module("c", "b", trust="trusted"),
        module("d"),
        trust="trusted",
    )
    assert [job.spec.trust for job in made.jobs if job.spec] == [
        "untrusted",
        "trusted",
        "untrusted",
        "untrusted",
    ]


def test_a_repository_can_not_raise_its_trust() -> None:
    (job,) = planned(module("a", trust="trusted")).jobs
    assert job.spec is not None
    assert job.spec.trust == "untrusted"


@pytest.mark.parametrize(
    ("given_class", "asked", "got"),
    [
        ("change", None, "change"),
        ("change", "try", "try"),
        ("change", "release", "change"),
        ("security", "release", "release"),
        ("nightly", "try", "nightly"),
        ("change", "huge", "change"),
        ("mine", "try", "mine"),
    ],
)
def test_a_class_is_only_ever_lowered(given_class: str, asked: str | None, got: str) -> None:
    assert lower_class(given_class, asked) == got


def test_classes_go_to_the_jobs() -> None:
    (job,) = planned(module("a", klass="nightly"), klass="release").jobs
    assert job.spec is not None
    assert job.spec.klass == "nightly"
    assert CLASSES.index("nightly") < CLASSES.index("release")


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ([module("a", platforms=("pp",))],
         "m:97: module a is for platform 'pp', which the farm does not have; did you mean 'p'?"),
        ([module("a", platforms=("win",))], "m:97: module a is for platform 'win', which the farm does not have; write one of p, q"),
        ([module("a", "zlob"), module("zlib")],
         "m:97: module a needs 'zlob', which is no module; did you mean 'zlib'?"),
        ([module("a", "b", platforms=("p", "q")), module("b")],
         "m:97: module a needs b on q, which b is not built for; add q to the platforms of b"),
        ([module("a", "b@q"), module("b")],
         "m:97: module a needs b on q, which b is not built for; add q to the platforms of b"),
        ([module("a", "b"), module("b", "c"), module("c", "a"), module("d", "a")],
         "m:97: these modules need each other, so that none can be built first: a, b, c; take one of these needs out"),
        ([module("a", "a")],
         "m:97: these modules need each other, so that none can be built first: a itself; take one of these needs out"),
        ([module("x"), module("b", "c"), module("c", "b"), module("e", "f"), module("f", "e")],
         "m:98: these modules need each other, so that none can be built first: b, c and e, f; take one"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_told(modules: list[ModuleAsk], told: str) -> None:
    with pytest.raises(PlanningError) as wrong:
        planned(*modules)
    assert str(wrong.value).startswith(told)


def test_a_circle_over_two_platforms_is_a_circle() -> None:
    first = module("a", "b@q", platforms=("p",))
    second = module("b", "a@p", platforms=("q",))
    with pytest.raises(PlanningError, match="a, b"):
        planned(first, second)


def test_a_source_that_is_not_there() -> None:
    with pytest.raises(PlanningError) as wrong:
        plan(Manifest("m", (module("a"),)), PLATFORMS, {}, {}, Given())
    assert str(wrong.value) == "m:97: the source of module a was not found"


@st.composite
def graphs(draw: st.DrawFn) -> list[ModuleAsk]:
    """Modules a.. that need earlier ones, in any order in the file."""
    made: list[ModuleAsk] = []
    for number in range(draw(st.integers(0, 8))):
        needs = (
            draw(st.lists(st.sampled_from(made), max_size=3, unique_by=lambda one: one.name)) if made else []
        )
        name = chr(ord("a") + number)
        test = draw(st.sampled_from([None, AskedTest(run=("t",)), AskedTest(run=("t",), start="build")]))
        fetch = draw(st.sampled_from([(), ("get",)]))
        made.append(module(name, *(one.name for one in needs), platforms=("p", "q"), test=test, fetch=fetch))
    return draw(st.permutations(made))


@given(graphs())
def test_the_order_of_a_file_changes_no_job(modules: list[ModuleAsk]) -> None:
    made = planned(*modules)
    seen: set[str] = set()
    for job in made.jobs:
        assert set(job.needs) <= seen, "parents come first"
        seen.add(job.id)
    assert len(seen) == len(made.jobs)
    again = planned(*sorted(modules, key=lambda one: one.name))
    assert by_id(again) == by_id(made)
    assert planned(*modules) == made


def jobs_of(made: Plan, kinds: Iterable[str]) -> int:
    return sum(job.kind in set(kinds) for job in made.jobs)


@given(graphs())
def test_every_module_has_a_build_on_every_platform(modules: list[ModuleAsk]) -> None:
    made = planned(*modules)
    assert jobs_of(made, ["build"]) == 2 * len(modules)
    assert jobs_of(made, ["test"]) == 2 * sum(one.test is not None for one in modules)
    assert jobs_of(made, ["fetch"]) == 2 * sum(bool(one.fetch) for one in modules)
