"""What people ask to see: documents from one view, and why a finished job ran."""

import pytest

from penstock.hub import views
from penstock.hub.context import NotFound
from penstock.hub.explain import explain
from tests.farms import Agent, TestFarm, planned


def test_a_finished_job_says_why_it_ran_where_and_what_it_cost() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    said = explain(farm.hub, farm.job(build, "zlib:build").id).sentences
    assert said[0] == "zlib:build ended as PASSED: passed on attempt 1."
    assert said[1] == "It ran because it was not reused: nothing in the archive has its key."
    assert said[2].startswith("Attempt 1 on m1 of pool own ended as PASSED after 0.0 s; placed there: ")
    assert said[3] == "Attempts cost 0.000000 USD so far."


def test_a_reused_job_names_whose_result_it_took() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    first = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    second = farm.submit("c2", planned("zlib"))
    (said,) = explain(farm.hub, farm.job(second, "zlib:build").id).sentences
    assert said == f"zlib:build ended as REUSED: same key as {farm.job(first, 'zlib:build').id}."


def test_jobs_come_in_the_order_of_their_plan_however_many_there_are() -> None:
    farm = TestFarm()
    build = farm.submit("c1", *(planned(f"m{number:05d}") for number in reversed(range(10_020))))
    names = [line["module"] for line in views.jobs_view(farm.hub, build.id)["jobs"]]
    assert names == sorted(names, reverse=True)


def test_the_newest_build_comes_first_with_its_totals() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    old = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    farm.tick(1000)
    new = farm.submit("c2", planned("png"))
    lines = views.builds_view(farm.hub)["builds"]
    assert [line["id"] for line in lines] == [new.id, old.id]
    assert lines[1]["totals"] == {"built": 1, "reused": 0, "failed": 0, "error": 0, "blocked": 0}


def test_what_is_over_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    farm.tick(1000)
    going = farm.submit("c2", planned("png"))
    known: dict = {}
    first = views.builds_page(farm.hub, 10, known=known)
    assert [line["id"] for line in first["builds"] if line["id"] not in known] == [going.id]
    read = []
    real = views._build_line
    monkeypatch.setattr(views, "_build_line", lambda tx, build: read.append(build.id) or real(tx, build))
    farm.run_all(agent)
    again = views.builds_page(farm.hub, 10, known=known)
    assert read == [going.id]
    assert again["builds"][1] == first["builds"][1]
    assert again["builds"][0]["state"] == "PASSED"


@pytest.mark.parametrize(
    "ask", [views.build_view, views.jobs_view, views.job_view, views.newest_attempt, explain]
)
def test_what_does_not_exist_is_said_to_be_so(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotFound, match="'nonsense' does not exist"):
        ask(TestFarm().hub, "nonsense")
