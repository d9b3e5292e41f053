"""Keys, and what the archive's knowledge of a key means for a job."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.artifact import Failure, Module
from penstock.model.job import JobSpec, Trust
from penstock.model.states import ModuleState
from penstock.model.units import Size
from penstock.policy.reuse import PrefixPart, answer, key_of, readable, reusable

SPEC = JobSpec(kind="build", module="a", platform="p", commands=("make",), identity="image")
PARTS = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c"])] * 3), max_size=6)


def module(
    state: ModuleState = ModuleState.VERIFIED, trust: Trust = "untrusted", expires_ms: int = 0
) -> Module:
    return Module(trust=trust, key="k", state=state, producer="job-1", output="o", expires_ms=expires_ms)


FAILURE = Failure(trust="untrusted", key="k", job="job-2", reason="make: error 2", until_ms=100)


@given(PARTS)
def test_the_order_of_needs_is_not_in_a_key(parts: list[PrefixPart]) -> None:
    assert key_of(SPEC, parts, "s") == key_of(SPEC, reversed([*parts, *parts]), "s")


@pytest.mark.parametrize(
    "differs",
    [
        {"kind": "test"},
        {"platform": "q"},
        {"identity": "other"},
        {"commands": ("make all",)},
        {"commands": ("make", "")},
        {"environment": {"CC": "gcc"}},
        {"artifacts": ("x",)},
        {"network": "full"},
        {"keep_worktree": True},
        {"source_from": "fetch"},
    ],
)
def test_everything_that_can_change_the_result_is_in_the_key(differs: dict[str, object]) -> None:
    assert key_of(msgspec.structs.replace(SPEC, **differs), (), "s") != key_of(SPEC, (), "s")


def test_source_and_prefix_are_in_the_key() -> None:
    keys = {
        key_of(SPEC, (), "s"),
        key_of(SPEC, (), "t"),
        key_of(SPEC, [("a", "p", "1")], "s"),
        key_of(SPEC, [("a", "p", "2")], "s"),
        key_of(SPEC, [("a", "q", "1")], "s"),
        key_of(SPEC, [("b", "p", "1")], "s"),
    }
    assert len(keys) == 6


@given(
    st.builds(Size, st.integers(1, 64), st.none() | st.integers(1, 9999)),
    st.integers(1, 10**9),
    st.sampled_from(["change", "release"]),
    st.sampled_from(["untrusted", "trusted"]),
    st.sampled_from(["farm", "never"]),
)
def test_what_cannot_change_the_result_is_not_in_the_key(
    size: Size, timeout_ms: int, klass: str, trust: Trust, retry: str
) -> None:
    other = msgspec.structs.replace(
        SPEC,
        size=size,
        timeout_ms=timeout_ms,
        klass=klass,
        trust=trust,
        retry=retry,
        reuse="all",
        reuse_for_ms=1,
    )
    assert key_of(other, (), "s") == key_of(SPEC, (), "s")


@given(st.dictionaries(st.sampled_from("ABCD"), st.text(max_size=3)))
def test_the_order_of_variables_is_not_in_a_key(environment: dict[str, str]) -> None:
    other = dict(reversed(environment.items()))
    first = msgspec.structs.replace(SPEC, environment=environment)
    assert key_of(first, (), "s") == key_of(msgspec.structs.replace(SPEC, environment=other), (), "s")


def test_levels_that_may_be_read() -> None:
    assert readable("untrusted") == ("untrusted", "trusted")
    assert readable("trusted") == ("trusted",)


@pytest.mark.parametrize("state", [ModuleState.VERIFIED, ModuleState.PUBLISHED])
def test_what_is_verified_is_reused(state: ModuleState) -> None:
    said = answer(SPEC, [module(state)], FAILURE, 50, True)
    assert (said.module, said.failure, said.producer) == (module(state), None, None)
    assert said.reason == "same key as job-1"


@pytest.mark.parametrize(
    "found", [module(ModuleState.EXPIRING), module(ModuleState.COLLECTED), module(expires_ms=50)]
)
def test_what_is_gone_or_expired_is_not(found: Module) -> None:
    said = answer(SPEC, [found], None, 50, False)
    assert (said.module, said.reason) == (None, "nothing in the archive has its key")


def test_it_is_reused_until_it_expires() -> None:
    assert answer(SPEC, [module(expires_ms=51)], None, 50, False).module is not None


def test_a_failure_stands_for_automatic_changes_and_for_a_day() -> None:
    assert answer(SPEC, (), FAILURE, 99, True).failure == FAILURE
    assert answer(SPEC, (), FAILURE, 99, True).reason == "failed before as job-2: make: error 2"
    assert answer(SPEC, (), FAILURE, 100, True).failure is None
    assert answer(SPEC, (), FAILURE, 99, False).failure is None
    always = msgspec.structs.replace(SPEC, reuse="all")
    assert answer(always, (), FAILURE, 99, False).failure == FAILURE


def test_who_makes_the_key_now_is_waited_for_at_the_same_level_only() -> None:
    own = module(ModuleState.BUILDING)
    above = module(ModuleState.BUILDING, "trusted")
    assert answer(SPEC, [own], None, 0, False).producer == own
    assert answer(SPEC, [above], None, 0, False).producer is None
    assert answer(SPEC, [own], None, 0, False).reason == "job-1 makes the same key now"


STATES = st.sampled_from(list(ModuleState))


@given(st.lists(st.builds(module, STATES, st.just("untrusted")), max_size=3), st.booleans())
def test_trusted_jobs_never_read_what_is_untrusted(modules: list[Module], automatic: bool) -> None:
    trusted = msgspec.structs.replace(SPEC, trust="trusted")
    said = answer(trusted, modules, None, 0, automatic)
    assert (said.module, said.producer) == (None, None)


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"kind": "fetch"}, "a fetch brings what is there today"),
        ({"reuse": "never"}, "reuse: never"),
        ({"network": "full"}, "it has the network and no reuse_for"),
    ],
)
def test_what_is_never_reused(differs: dict[str, object], why: str) -> None:
    spec = msgspec.structs.replace(SPEC, **differs)
    assert not reusable(spec)
    assert answer(spec, [module()], FAILURE, 0, True).reason == f"never reused: {why}"
    assert reusable(msgspec.structs.replace(SPEC, network="full", reuse_for_ms=1))
