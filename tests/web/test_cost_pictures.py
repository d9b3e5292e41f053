"""What pages of costs are drawn with, and how long they keep what they show."""

import re
import threading
from math import isfinite
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.reports.costs import ACCOUNTS
from penstock.web.costpages.daysplot import Bar, Stack, days_picture
from penstock.web.costpages.grantsplot import Runway, Runways, runways_picture, used_up_words
from penstock.web.costpages.latencyplot import Latency, Pool, latency_picture
from penstock.web.costpages.monthsplot import Month, Months, months_picture
from penstock.web.costpages.shelf import Shelf
from penstock.web.costpages.useplot import Owned, Rented, Use, use_picture
from penstock.web.drawing.svg import Both
from tests.web.test_pages import HOSTILE

FRIDAY = 20_777
"""2026-11-20."""
NAMES = [str(account) for account in ACCOUNTS]


def drawn(picture: Both) -> list[Tree.Element]:
    """Both pictures, as a reader of XML sees them: nothing is outside, nothing runs, everything is a number."""
    found = [Tree.fromstring(text) for text in picture]
    for root in found:
        for one in root.iter():
            assert one.tag in ("svg", "title", "rect", "line", "path", "text", "circle", "g", "a"), one.tag
            assert not [name for name in one.attrib if name.startswith("on") or name == "style"]
            assert not re.search(
                r"nan|inf", " ".join(one.get(name, "") for name in ("d", "x", "y", "width", "height"))
            )
            assert float(one.get("height", "0")) >= 0
    return found


def rects(root: Tree.Element, klass: str) -> list[Tree.Element]:
    return [one for one in root.iter("rect") if one.get("class") == klass]


def test_days_are_stacked_to_scale_and_lead_to_their_pages() -> None:
    bars = [Bar(FRIDAY - 6 + n, [40_000_000, 10_000_000, 0, 0, 0, 0], n < 6) for n in range(7)]
    wide, narrow = drawn(days_picture(Stack(bars, NAMES, "USD", "days")))
    direct, idle = rects(wide, "a-direct"), rects(wide, "a-idle")
    assert [len(direct), len(idle), len(rects(wide, "a-egress"))] == [7, 7, 0]
    assert float(direct[0].get("height", "")) == pytest.approx(4 * float(idle[0].get("height", "")), abs=0.2)
    assert next(one.get("href") for one in wide.iter("a")) == "/costs/day/2026-11-14"
    assert len(rects(wide, "weekend")) == len(rects(narrow, "weekend")) == 2
    titles = [one.text for one in wide.iter("title")]
    assert "Saturday 14 November 2026: 50.00 USD\ndirect 40.00\nidle 10.00" in titles
    assert any("not over yet" in (text or "") for text in titles)


def test_the_line_of_seven_days_needs_eight() -> None:
    def means(days: int) -> int:
        bars = [Bar(FRIDAY + n, [1_000_000] * 6) for n in range(days)]
        return sum(
            one.get("class") == "mean"
            for one in drawn(days_picture(Stack(bars, NAMES, "USD", "d")))[0].iter("path")
        )

    assert [means(n) for n in (0, 1, 7, 8, 60)] == [0, 0, 0, 1, 1]


@given(st.lists(st.lists(st.integers(-(10**9), 10**15), min_size=6, max_size=6), max_size=70))
def test_any_amounts_can_be_drawn(amounts: list[list[int]]) -> None:
    bars = [Bar(FRIDAY + n, one) for n, one in enumerate(amounts)]
    wide, _ = drawn(days_picture(Stack(bars, NAMES, "USD", "any")))
    assert all(isfinite(float(one.get("height", "0"))) for one in wide.iter("rect"))


def test_months_have_what_is_spent_below_what_is_expected_and_its_band() -> None:
    months = [Month("2026-10", 100.0), Month("2026-11", 60.0, 40.0, 30.0, 55.0), Month("2027-01", 0.0, 90.0)]
    wide, _ = drawn(months_picture(Months(months, "USD", "months")))
    heights = [float(one.get("height", "")) for one in rects(wide, "spent-month")]
    assert heights[0] == pytest.approx(heights[1] * 100 / 60, abs=0.2)
    assert sum(one.get("class") == "whisker" for one in wide.iter("line")) == 3
    told = "\n".join(one.text or "" for one in wide.iter("title"))
    assert "8 of 10 times between 90 and 115" in told
    assert "60.00 spent so far" in told
    assert [one.text for one in wide.iter("text") if one.get("class") == "name"] == ["2026", "2027"]
    drawn(months_picture(Months([], "USD", "none")))


def test_a_grant_that_is_used_up_leaves_days_in_cash() -> None:
    grants = [
        Runway("one", FRIDAY - 100, FRIDAY + 40, FRIDAY + 20, used_up_words(FRIDAY + 20, FRIDAY + 40)),
        Runway("two", FRIDAY + 41, FRIDAY + 400, None, used_up_words(None, FRIDAY + 400)),
        Runway("old", FRIDAY - 300, FRIDAY - 101, FRIDAY - 150, "ended"),
    ]
    wide, _ = drawn(runways_picture(Runways(grants, FRIDAY, "grants")))
    cash = [float(one.get("width", "")) for one in rects(wide, "g-cash")]
    past = [float(one.get("width", "")) for one in rects(wide, "g-past")]
    assert cash[0] == pytest.approx(past[0] * 20 / 100, rel=0.05)
    assert (cash[1], past[1]) == (0, 0)
    assert cash[2] > 0
    assert used_up_words(FRIDAY, FRIDAY + 1) == "used up 20 Nov 2026, ends 21 Nov 2026"


def test_a_pool_lies_on_its_curve_at_its_use() -> None:
    use = Use([Owned("rack", 0.2, 0.5), Owned("new", 0.1, None, 1)], [Rented("cloud", 0.3)], "USD", "use")
    wide, _ = drawn(use_picture(use))
    (dot,) = list(wide.iter("circle"))
    rent = next(one for one in wide.iter("line") if one.get("class") == "rent")
    base = next(one for one in wide.iter("line") if one.get("class") == "base")
    floor = float(base.get("y1", ""))
    # 0.2 an hour that is there is 0.4 an hour that is held half of the time.
    assert (floor - float(dot.get("cy", ""))) / (floor - float(rent.get("y1", ""))) == pytest.approx(
        4 / 3, rel=0.02
    )
    assert sum("owned-curve" in one.get("class", "") for one in wide.iter("path")) == 2


def test_a_pool_that_is_hardly_used_does_not_flatten_the_picture() -> None:
    wide, _ = drawn(use_picture(Use([Owned("rack", 0.2, 0.0004), Owned("b", 0.2, 1.3)], [], "USD", "use")))
    tops = [float(one.get("cy", "")) for one in wide.iter("circle")]
    assert all(top > 0 for top in tops)


def test_price_against_latency_names_each_pool_once() -> None:
    pools = [Pool("near", 0.4, 60, 600), Pool("far", 0.1, 3000, 36_000, 1)]
    for root in drawn(latency_picture(Latency(pools, "USD", "latency"))):
        names = [one.text for one in root.iter("text") if one.get("class") == "name"]
        assert names == ["near", "far"]


def test_names_are_escaped_in_every_picture() -> None:
    pictures = (
        use_picture(Use([Owned(HOSTILE, 0.2, 0.5)], [Rented(HOSTILE, 0.3)], HOSTILE[:20], HOSTILE)),
        latency_picture(Latency([Pool(HOSTILE, 1.0, 5, 50)], HOSTILE[:20], HOSTILE)),
        runways_picture(Runways([Runway(HOSTILE, FRIDAY, FRIDAY + 9, None, HOSTILE)], FRIDAY, HOSTILE)),
        days_picture(Stack([Bar(FRIDAY, [1] * 6)], NAMES, HOSTILE[:20], HOSTILE)),
        months_picture(Months([Month("2026-10", 1.0)], HOSTILE[:20], HOSTILE)),
    )
    for picture in pictures:
        for text in picture:
            assert "<img" not in text
            assert "onerror=alert" in text


def test_what_is_fresh_is_made_once() -> None:
    shelf, made = Shelf(), []

    def make() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    assert [shelf.visit().get("a", make)["n"] for _ in range(5)] == [1] * 5
    assert shelf.visit().get("b", make)["n"] == 2


def test_what_is_old_is_shown_while_it_is_made_anew() -> None:
    shelf, going, done = Shelf(fresh_s=0.0, patience_s=0.0), threading.Event(), threading.Event()

    def slow() -> dict[str, int]:
        assert going.wait(20)
        done.set()
        return {"n": 2}

    assert shelf.visit().get("a", lambda: {"n": 1})["n"] == 1
    assert shelf.visit().get("a", slow)["n"] == 1
    going.set()
    assert done.wait(20)
    patient = Shelf(fresh_s=0.0, patience_s=20.0)
    assert [patient.visit().get("a", lambda n=n: {"n": n})["n"] for n in (1, 2, 3)] == [1, 2, 3]  # type: ignore[misc]


def test_what_cannot_be_made_is_said_and_tried_again() -> None:
    shelf = Shelf(fresh_s=0.0, patience_s=20.0)

    def broken() -> dict[str, int]:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        shelf.visit().get("a", broken)
    assert shelf.visit().get("a", lambda: {"n": 1})["n"] == 1
    assert shelf.visit().get("a", broken)["n"] == 1


def test_few_documents_are_kept() -> None:
    shelf = Shelf()
    for n in range(300):
        shelf.visit().get(f"page {n}", dict)
    assert shelf.known("page 0") is None
    assert shelf.known("page 299") == {}


def test_what_nobody_looked_at_for_long_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(patience_s=0.0)
    assert shelf.visit().get("a", lambda: {"n": 1})["n"] == 1
    assert not shelf.old("a")
    monkeypatch.setattr("penstock.web.costpages.shelf.OLD_S", -1.0)
    monkeypatch.setattr("penstock.web.costpages.shelf.OLD_PATIENCE_S", 20.0)
    monkeypatch.setattr(shelf, "_fresh_s", -1.0)
    assert shelf.visit().get("a", lambda: {"n": 2})["n"] == 2
