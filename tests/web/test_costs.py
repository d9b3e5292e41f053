"""Pages of costs over a farm with a ledger: what they say, that it is what commands say, that each number leads to its rows."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.hub.costs.daily import daily
from penstock.hub.costs.latency import latency
from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import report
from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.ledger import BuildCost, Entry, Ledger, Tally
from penstock.model.rules import Charge
from penstock.model.states import AttemptState
from penstock.store.logs import FolderLogs
from penstock.web.shown import amount
from tests import costfarm
from tests.bookfarm import MINUTE, kept, later, one_job, to_midnight
from tests.busyfarm import Busy
from tests.costhistory import made_up
from tests.costrules import TODAY
from tests.farms import Agent
from tests.web.test_pages import HOSTILE, Seen, served

PAGES = (
    "/costs",
    "/costs?days=60",
    "/costs/pool/burst",
    "/costs/project/core",
    "/costs/day/2026-11-18",
    "/costs/entries?pool=rack",
)
SHOWN = 28


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Busy:
    return costfarm.make(tmp_path_factory.mktemp("costs"), None, made_up(), days=65)


@pytest.fixture
def seen(made: Busy) -> Iterator[Seen]:
    with served(made) as one:
        yield one


def words(seen: Seen, path: str) -> str:
    """What a page says, blanks as one."""
    return " ".join(seen.page(path).text.split())


def hurt(made: Busy, name: str) -> None:
    """One project, pool and branch of that name, with a build that cost something."""

    def write(tx) -> None:  # type: ignore[no-untyped-def]
        about = {"day": TODAY - 1, "project": name, "pool": name, "account": "direct", "outcome": "FAILED"}
        tx.insert(
            Tally(**about, platform=name, klass=name, amount_micros=7_000_000, quantity=60_000, count=1)
        )
        tx.insert(
            Entry(
                **about,
                at_ms=TODAY * 86_400_000 - 5,
                amount_micros=7_000_000,
                job="j9",
                build="hurt",
                name=name,
            )
        )
        tx.insert(
            BuildCost(
                build="hurt", day=TODAY - 1, project=name, branch=name, commit=name, amount_micros=7_000_000
            )
        )

    made.farm.store.write(write)


def test_every_link_leads_somewhere(seen: Seen) -> None:
    todo, known = list(PAGES), set(PAGES)
    for path in todo:
        for link in seen.page(path).links:
            target = link.partition("#")[0]
            kind = re.sub(r"\d+", "N", target)
            # Jobs of this farm are in its ledger alone: as those of a farm that prunes what is old.
            if target and kind not in known and not target.startswith(("/jobs/", "/builds/")):
                known.add(kind)
                todo.append(target)
                assert seen.client.get(target).status_code == 200, (path, link)
    assert {"/costs/pool/windows", "/costs/project/gui", "/costs/build/bN-N"} <= known


@pytest.mark.parametrize("by", ["pool", "project", "platform", "class"])
def test_tables_are_those_of_the_report(seen: Seen, by: str) -> None:
    hub, text = seen.made.farm.hub, words(seen, "/costs")
    document = report(hub, Days(TODAY + 1 - SHOWN, TODAY + 1), (by,))
    for row in document["rows"]:
        name = row["of"][by] or {"pool": "in no pool", "project": "of no project"}.get(by, "none")
        share = r" [\d.]+ %"
        wanted = re.escape(f"{name}{amount(row['loaded'])}") + share + re.escape(amount(row["marginal"]))
        assert re.search(wanted, text.replace("\n", "").replace(f"{name} ", name)), (name, row)


def test_days_add_up_to_the_report(seen: Seen) -> None:
    hub = seen.made.farm.hub
    days = daily(hub)["days"]
    assert len(days) == 60
    assert [day["whole"] for day in days] == [True] * 59 + [False]
    whole = report(hub, Days(TODAY + 1 - 60, TODAY + 1), ("pool",))["total"]
    for account in ("direct", "idle", "lifecycle", "overhead", "storage", "egress", "total"):
        assert sum(Decimal(day[account]) for day in days) == Decimal(whole[account])
    assert amount(days[-2]["total"]) in words(seen, "/costs")


def test_a_day_lists_its_entries_in_pages(seen: Seen) -> None:
    path, found = "/costs/day/2026-11-18", []
    while path:
        page = seen.page(path)
        found += [name for name in page.ids if name.startswith("e-")]
        assert len(found) == len(set(found))
        path = next((link for link in page.links if "after=" in link), "")
    entries = seen.made.farm.store.read(lambda tx: tx.find(Entry, "day", TODAY - 2))
    assert found == [f"e-{entry.seq}" for entry in entries]


def test_entries_of_a_day_can_be_asked_for_by_pool_and_account(seen: Seen) -> None:
    assert "burst" not in words(seen, "/costs/day/2026-11-18?pool=rack").partition("Entries")[2]
    text = words(seen, "/costs/day/2026-11-18?account=storage")
    assert "blobs" in text
    assert "GB" in text
    assert "Nothing was entered that is like that" in words(seen, "/costs/day/2026-11-18?project=nobody")
    for wrong in ("/costs/day/today", "/costs/day/2026-13-01", "/costs/build/none", "/costs/pool/none"):
        assert seen.client.get(wrong).status_code == 404, wrong
    for odd in ("?days=x", "?days=99999999999999999999"):
        assert seen.client.get(f"/costs{odd}").status_code in (200, 400)
    assert seen.client.get("/costs/day/2026-11-18?after=x%00-y").status_code == 200


def test_a_build_lists_what_each_attempt_cost(seen: Seen) -> None:
    cost = next(one for one in seen.made.farm.all(BuildCost) if one.attempts == 3 and not one.lost_micros)
    page = seen.page(f"/costs/build/{cost.build}")
    assert len([name for name in page.ids if name.startswith("e-")]) >= 3
    entries = seen.made.farm.store.read(lambda tx: tx.find(Entry, "build", cost.build))
    assert sum(entry.amount_micros for entry in entries) == cost.amount_micros
    for entry in entries:
        assert f"{entry.amount_micros / 1e6:.6f}" in page.text
    assert seen.made.farm.store.read(lambda tx: tx.get(Build, cost.build)) is not None


def test_the_page_says_what_is_to_come(seen: Seen) -> None:
    text = words(seen, "/costs")
    for said in (
        "data through 2026-11-20 15:11:36 UTC",
        "this year, expected",
        "aws-2026",
        "8 of 10 times",
        "not known: what was used in 2026 before",
        "nine of ten",
        "Metered and billed 2026-10",
        "Cheaper than renting from",
        "windows minutes",
    ):
        assert said in text, said


def test_price_and_latency_are_those_of_the_newest_runs(made: Busy) -> None:
    found = latency(made.farm.hub, Days(TODAY + 1 - SHOWN, TODAY + 1))
    runs = [one for one in made.farm.all(Attempt) if one.state == AttemptState.PASSED]
    jobs = {job.id: job for job in made.farm.all(Job)}
    assert {line["pool"] for line in found["pools"]} == {run.pool for run in runs} != set()
    for line in found["pools"]:
        mine = [run for run in runs if run.pool == line["pool"]]
        took = sorted(run.ended_ms - jobs[run.job].ready_ms for run in mine)
        waited = sorted(run.started_ms - jobs[run.job].ready_ms for run in mine)
        assert line["runs"] == len(mine)
        assert line["took_p50_s"] == took[-(-len(took) // 2) - 1] / 1000
        assert line["wait_p95_s"] == waited[-(-95 * len(waited) // 100) - 1] / 1000
    spent = report(made.farm.hub, Days(TODAY + 1 - SHOWN, TODAY + 1), ("pool",))
    (rack,) = [row for row in spent["rows"] if row["of"]["pool"] == "rack"]
    (line,) = [one for one in found["pools"] if one["pool"] == "rack"]
    assert Decimal(line["loaded"]) == pytest.approx(
        Decimal(rack["loaded"]) / rack["attempts"], abs=Decimal("0.000002")
    )


def test_pages_of_builds_and_jobs_lead_to_what_is_entered_of_them(seen: Seen) -> None:
    attempt = next(one for one in seen.made.farm.all(Attempt) if one.state == AttemptState.PASSED)
    page = seen.page(f"/jobs/{attempt.job}")
    (link,) = [link for link in page.links if link.startswith("/costs/")]
    assert f"{attempt.cost_micros / 1e6:.6f}" in seen.page(link).text
    (link,) = [link for link in seen.page(f"/builds/{attempt.build}").links if link.startswith("/costs/")]
    assert f"{attempt.cost_micros / 1e6:.6f}" in seen.page(link).text


def test_an_empty_farm_says_what_will_be_here(tmp_path: Path) -> None:
    with served(costfarm.make(tmp_path)) as one:
        text = words(one, "/costs")
        assert "Nothing is entered yet" in text
        assert "penstock costs ingest FILE" in text
        assert "burst" in words(one, "/costs/pool/burst")
        assert "Nothing was entered" in words(one, "/costs/day/2026-11-18")


def test_a_ledger_of_an_hour_is_a_page(tmp_path: Path) -> None:
    young = costfarm.make(tmp_path)

    def write(tx) -> None:  # type: ignore[no-untyped-def]
        for one in tx.find(Ledger, "key"):
            tx.delete(one)
        now_ms = costfarm.NOW_MS
        tx.insert(Ledger(day=TODAY, from_ms=now_ms - 3_600_000, until_ms=now_ms))
        tx.insert(
            Tally(day=TODAY, project="", platform="", pool="rack", klass="", account="idle", outcome="", amount_micros=1, quantity=1, count=1)
        )  # fmt: skip

    young.farm.store.write(write)
    with served(young) as one:
        text = words(one, "/costs")
        assert "There is no forecast before a whole day is entered" in text
        assert "not over yet" in one.client.get("/costs").text


def test_a_day_as_the_bookkeeper_enters_it(tmp_path: Path) -> None:
    """docs/explanation/ledger.md has these numbers."""
    farm = kept(charges=(Charge(name="switch", per_month_micros=30_000_000, pool="own"),))
    agent = Agent(farm, "m1")
    later(farm, 10 * MINUTE, agent)
    one_job(farm, agent, 25 * MINUTE)
    to_midnight(farm)
    with served(Busy(farm, FolderLogs(tmp_path))) as one:
        (day, *_) = [link for link in one.page("/costs").links if link.startswith("/costs/day/")][1:]
        for path, said in {
            "/costs": ("qt", "own", "dev"),
            day: ("0.084000", "0.632800", "1.000000", "switch", "zlib:test"),
            f"/costs/build/{farm.all(BuildCost)[0].build}": ("0.084000",),
            "/costs/project/qt": ("0.08",),
        }.items():
            text = words(one, path)
            for figure in said:
                assert figure in text, (path, figure)
        assert "Not Found" not in words(one, f"/builds/{farm.all(BuildCost)[0].build}")


def test_names_from_outside_are_text(tmp_path: Path) -> None:
    hostile = costfarm.make(tmp_path, None, made_up(), days=3)
    hurt(hostile, HOSTILE)
    with served(hostile) as one:
        for path in ("/costs", "/costs/day/2026-11-19", "/costs/build/hurt", "/costs/entries"):
            text = one.client.get(path).text
            assert "<img" not in text
            assert "onerror=alert" in text
            one.page(path)
        links = [link for link in one.page("/costs").links if "%3Cimg" in link]
        assert links
        assert all(one.client.get(link).status_code == 200 for link in links)


def test_a_name_with_a_slash_has_its_page(tmp_path: Path) -> None:
    made = costfarm.make(tmp_path, None, made_up(), days=3)
    hurt(made, "group/part")
    with served(made) as one:
        (link, *_) = [link for link in one.page("/costs").links if "part" in link]
        assert "group/part" in one.page(link).text
