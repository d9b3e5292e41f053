"""A plan held against the archive."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.artifact import Failure, Module
from penstock.model.graph import closure
from penstock.model.job import JobSpec, Trust
from penstock.model.plan import Plan, PlannedJob
from penstock.model.states import ModuleState
from penstock.policy.archive import Lookup, with_reuse
from penstock.policy.reuse import key_of

Found = tuple[Sequence[Module], Failure | None]


def job(name: str, *needs: str, kind: str = "build", **differs: object) -> PlannedJob:
    spec = JobSpec(kind="build", module=name, platform="p", commands=(f"make {name}",), identity="i")
    spec = msgspec.structs.replace(spec, kind=kind, **differs)
    ids = tuple(need if ":" in need else f"{need}:build@p" for need in needs)
    return PlannedJob(id=f"{name}:{kind}@p", kind=spec.kind, module=name, platform="p", needs=ids, spec=spec)


def made(key: str, trust: Trust = "untrusted") -> Module:
    return Module(trust=trust, key=key, state=ModuleState.VERIFIED, producer="job-1", output=f"out of {key}")


def all_there(trust: Trust, key: str) -> Found:
    return [made(key, trust)], None


def nothing(trust: Trust, key: str) -> Found:
    return (), None


def judged(lookup: Lookup, *jobs: PlannedJob, automatic: bool = False) -> list[PlannedJob]:
    return list(with_reuse(Plan(jobs), lookup, 0, automatic).jobs)


def lacking(*names: str) -> Callable[[Trust, str], Found]:
    """An archive without the keys of jobs that need nothing and are called so."""
    keys = {job_key(job(name)) for name in names}
    return lambda trust, key: ((), None) if key in keys else all_there(trust, key)


def job_key(one: PlannedJob) -> str:
    assert one.spec is not None
    return key_of(one.spec, (), "")


def test_all_is_reused_where_all_is_there() -> None:
    a, b, c = judged(all_there, job("a"), job("b", "a"), job("c", "b", "a"))
    assert [one.reuse for one in (a, b, c)] == [True, True, True]
    assert {one.reason for one in (a, b, c)} == {"same key as job-1"}
    assert c.spec is not None
    parts = [("a", "p", f"out of {a.key}"), ("b", "p", f"out of {b.key}")]
    assert c.key == key_of(c.spec, parts, "")


def test_keys_behind_what_must_be_built_are_not_known() -> None:
    a, b, c = judged(nothing, job("a"), job("b", "a"), job("c", "b"))
    assert (a.key is not None, a.reuse, a.reason) == (True, False, "nothing in the archive has its key")
    assert (b.key, b.reuse, b.reason) == (None, False, "needs a@p, which must be built first")
    assert (c.key, c.reason) == (None, "needs b@p, which must be built first")


def test_one_missing_need_is_enough() -> None:
    *_, c = judged(lacking("b"), job("a"), job("b"), job("c", "a", "b"))
    assert c.reason == "needs b@p, which must be built first"


def test_a_test_needs_the_output_of_its_build() -> None:
    test = job("a", "a", kind="test", source_from="build")
    assert judged(nothing, job("a"), test)[1].reason == "its own build comes first"
    build, reused = judged(all_there, job("a"), test)
    assert reused.reuse
    assert reused.spec is not None
    assert build.key is not None
    assert reused.key == key_of(reused.spec, [("a", "p", f"out of {build.key}")], build.key)


def test_a_fetch_is_run_and_what_starts_from_it_is_not_known() -> None:
    fetch, build = judged(all_there, job("a", kind="fetch"), job("a", "a:fetch@p", source_from="fetch"))
    assert fetch.reason == "never reused: a fetch brings what is there today"
    assert (build.key, build.reason) == (None, "starts from what a:fetch@p brings, which is not known yet")


def test_a_platform_that_is_not_measured_has_no_keys() -> None:
    (one,) = judged(all_there, job("a", identity=""))
    assert (one.key, one.reason) == (None, "what p is has not been measured yet")


def failed(trust: Trust, key: str) -> Found:
    return (), Failure(trust=trust, key=key, job="job-9", reason="broken", until_ms=5)


def test_a_remembered_failure_is_told_where_it_stands() -> None:
    a, b = judged(failed, job("a"), job("b", "a"), automatic=True)
    assert (a.reuse, a.reason) == (False, "failed before as job-9: broken")
    assert b.reason == "needs a@p, which failed before"
    assert judged(failed, job("a"))[0].reason == "nothing in the archive has its key"


def test_a_tree_that_is_empty_is_no_part_of_a_prefix() -> None:
    def empty(trust: Trust, key: str) -> Found:
        return [msgspec.structs.replace(made(key), output="")], None

    _, b = judged(empty, job("a"), job("b", "a"))
    assert b.spec is not None
    assert b.key == key_of(b.spec, (), "")


def test_a_plan_of_which_only_the_graph_is_known_stays_as_it_is() -> None:
    bare = msgspec.structs.replace(job("a"), spec=None, reason="read, not run")
    assert judged(all_there, bare) == [bare]


def test_trusted_jobs_do_not_reuse_what_is_untrusted() -> None:
    def untrusted(trust: Trust, key: str) -> Found:
        return [made(key, "untrusted")], None

    (one,) = judged(untrusted, job("a", trust="trusted"))
    assert not one.reuse


@st.composite
def plans(draw: st.DrawFn) -> list[PlannedJob]:
    """Up to nine builds, each after those it needs."""
    found: list[PlannedJob] = []
    for name in "abcdefghi"[: draw(st.integers(0, 9))]:
        needs = (
            draw(st.lists(st.sampled_from(found), max_size=3, unique_by=lambda one: one.module))
            if found
            else []
        )
        found.append(job(name, *(one.module for one in needs)))
    return found


@given(plans(), st.integers(0, 3))
def test_a_key_is_known_when_all_below_is_reused_and_holds_exactly_that(
    jobs: list[PlannedJob], salt: int
) -> None:
    def lookup(trust: Trust, key: str) -> Found:
        absent = hashlib.sha256(f"{salt}{key}".encode()).digest()[0] % 4 == 0
        return nothing(trust, key) if absent else all_there(trust, key)

    after = {one.id: one for one in judged(lookup, *jobs)}
    needs = {one.id: one.needs for one in jobs}
    for one in after.values():
        below = [after[name] for name in closure(needs, [one.id])]
        assert (one.key is not None) == all(need.reuse for need in below)
        if one.key is not None:
            assert one.spec is not None
            parts = [(need.module, "p", f"out of {need.key}") for need in below]
            assert one.key == key_of(one.spec, parts, "")


def test_a_deep_plan_is_judged() -> None:
    jobs = [job("m0"), *(job(f"m{n}", f"m{n - 1}") for n in range(1, 300))]
    assert all(one.reuse for one in judged(all_there, *jobs))


@pytest.mark.parametrize(
    ("start", "below"),
    [(["a"], []), (["b"], ["a"]), (["d"], ["b", "c", "a"]), (["d", "b"], ["b", "c", "a"]), (["x"], [])],
)
def test_closure(start: list[str], below: list[str]) -> None:
    assert closure({"b": ["a"], "c": ["a"], "d": ["b", "c"]}, start) == below
