"""What the capacity policy was told is kept: each decision that was acted upon comes out the same once more."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from farms import planned
from renting import RULES, Rented

from penstock.cli.replay import Replayed, replayed
from penstock.hub import journal, queue
from penstock.model.decision import Decided, Journal
from penstock.model.machine import Machine
from penstock.model.rules import Waiting
from penstock.model.states import Power
from penstock.web.decisions import decisions_page

HASTY = msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=200_000_000))


def rows(farm: Rented) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = decisions_page(farm.hub, after)
        yield from page["rows"]
        after = page["next"]


def again(farm: Rented) -> Replayed:
    return replayed(rows(farm))


@pytest.fixture
def farm() -> Rented:
    return day()


def day() -> Rented:
    """A day in short: jobs wait, machines come, sleep, wake, and go."""
    farm = Rented()
    who, attempt = farm.started()
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.until(Power.SUSPENDED)
    farm.with_rules(HASTY)
    farm.tick(6000)
    farm.submit("c2", *(planned(f"m{number}") for number in range(20)))
    for _ in range(90):
        farm.tick(1000)
    return farm


def test_every_decision_comes_out_the_same(farm: Rented) -> None:
    done = again(farm)
    kept = farm.all(Decided)
    assert len(farm.all(Machine)) > 5
    assert (done.decisions, done.different, done.lost) == (len(kept), [], 0)
    assert done.decisions >= 4
    assert done.calls > done.decisions


def test_a_new_leader_begins_a_new_journal_and_all_agree(farm: Rented) -> None:
    farm.again()
    farm.submit("c3", planned("late"))
    farm.until(Power.GONE, 40_000)
    done = again(farm)
    assert done.journals >= 2
    assert (done.decisions, done.different) == (len(farm.all(Decided)), [])


def test_a_decision_that_was_not_made_so_is_found(farm: Rented) -> None:
    made = farm.all(Decided)[1]
    for what, other in (("acts", "[[],[]]"), ("view", "0" * 64), ("memory", "1" * 64)):
        found = list(rows(farm))
        for row in found:
            if row["decided"] and row["decided"]["seq"] == made.seq:
                row["decided"] = row["decided"] | {what: other}
        (wrong,) = replayed(iter(found)).different
        assert (wrong["decision"], wrong["what"]) == (made.seq, [what])


def test_a_job_that_was_never_told_of_is_found(farm: Rented) -> None:
    found = list(rows(farm))
    without = next(row for row in found if not row["begins"])
    done = replayed(row for row in found if row is not without)
    assert done.different


def test_a_journal_begins_anew_after_many_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "AGAIN", 1)
    farm = day()
    done = again(farm)
    assert done.journals >= 4
    assert (done.decisions, done.different) == (len(farm.all(Decided)), [])


def test_what_was_only_looked_at_is_written_when_it_is_much(
    farm: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MANY", 3)
    before = len(farm.all(Journal))
    for _ in range(30):
        farm.tick(1000)
    quiet = [row for row in farm.all(Journal)[before:] if not row.decided]
    assert len(quiet) >= 3
    assert again(farm).different == []


def test_old_decisions_are_let_go_and_the_rest_still_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AGAIN", 1), ("KEPT_LEAST", 1), ("KEPT_MOST", 3)):
        monkeypatch.setattr(journal, name, value)
    farm = day()
    assert 2 <= len(farm.all(Decided)) <= 4
    assert len(farm.all(Journal)) <= 4
    done = again(farm)
    assert done.decisions > 0
    assert done.different == []


def test_a_journal_holds_no_address_of_the_farms_data(farm: Rented) -> None:
    private = msgspec.structs.replace(farm.hub.rules, state="postgresql://user:hunter2@db/farm")
    farm.with_rules(private)
    farm.submit("c4", planned("one"))
    farm.tick(1000)
    begun = [row.content for row in farm.all(Journal) if row.begins]
    assert begun
    assert all(b"hunter2" not in content for content in begun)
