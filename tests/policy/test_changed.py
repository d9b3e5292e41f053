"""What a change rebuilds, on plans of any shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import graph
from penstock.model.plan import Plan, PlannedJob
from penstock.policy.changed import mark_changed


def job(name, *needs, reuse=False):
    module, _, rest = name.partition(":")
    kind, _, platform = rest.partition("@")
    return PlannedJob(id=name, kind=kind, module=module, platform=platform, needs=needs, reuse=reuse)


CHAIN = Plan(
    (
        job("a:build@x"),
        job("a:test@x", "a:build@x"),
        job("b:build@x", "a:build@x"),
        job("c:build@x", "b:build@x"),
        job("c:test@y", "c:build@x"),
        job("d:build@x", "a:build@x", "c:build@x"),
        job("e:fetch@x"),
    )
)


def reasons(changed, plan=CHAIN):
    return {job.id: (job.reuse, job.reason) for job in mark_changed(plan, changed).jobs}


def test_reasons_name_the_shortest_path_to_the_change():
    found = reasons(["a"])
    assert found["a:build@x"] == (False, "a changes")
    assert found["a:test@x"] == (False, "a changes")
    assert found["b:build@x"] == (False, "needs a build on x, which changes")
    assert found["c:test@y"] == (
        False,
        "needs c build on x, which needs b build on x, which needs a build on x, which changes",
    )
    assert found["d:build@x"] == (False, "needs a build on x, which changes")
    assert found["e:fetch@x"] == (True, "reused: neither e nor anything that this needs changes")


def test_a_leaf_rebuilds_only_itself():
    assert [name for name, (reuse, _) in reasons(["d"]).items() if not reuse] == ["d:build@x"]


def test_nothing_changed_and_everything_changed():
    assert all(reuse for reuse, _ in reasons([]).values())
    assert not any(reuse for reuse, _ in reasons(["a", "e"]).values())


def test_what_was_reused_is_built_again_when_it_changes():
    assert reasons(["a"], Plan((job("a:build@x", reuse=True),))) == {"a:build@x": (False, "a changes")}


def test_an_unknown_module_is_refused_with_those_written_like_it():
    with pytest.raises(ValueError, match=r"^no module 'qtsgv' in the plan; near it: qtsvg$"):
        mark_changed(Plan((job("qtsvg:build@x"), job("other:build@x"))), ["qtsgv"])
    with pytest.raises(ValueError, match=r"no module 'zzz' in the plan; near it: a, b, c, d, e"):
        mark_changed(CHAIN, ["a", "zzz"])
    with pytest.raises(ValueError, match="near it: none"):
        mark_changed(Plan(()), ["a"])


@st.composite
def plans(draw):
    """Any plan, parents first."""
    found: list[PlannedJob] = []
    for n in range(draw(st.integers(1, 12))):
        module = f"m{draw(st.integers(0, 4))}"
        needs = draw(st.sets(st.sampled_from([one.id for one in found]))) if found else ()
        found.append(job(f"{module}:build@p{n}", *sorted(needs)))
    return Plan(tuple(found))


@given(plans(), st.data())
def test_rebuilt_is_exactly_what_can_be_reached_from_the_change(plan, data):
    modules = sorted({job.module for job in plan.jobs})
    changed = data.draw(st.sets(st.sampled_from(modules)))
    dependents = graph.dependents({job.id: job.needs for job in plan.jobs})
    expected = graph.reach([job.id for job in plan.jobs if job.module in changed], dependents)
    marked = mark_changed(plan, changed)
    assert {job.id for job in marked.jobs if not job.reuse} == expected
    assert [(job.id, job.needs) for job in marked.jobs] == [(job.id, job.needs) for job in plan.jobs]
    assert all(job.reason for job in marked.jobs)
