"""The document of a statement's forecast: QEMU's fifteen published figures, and what if."""

import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from penstock.model.rules import Grant
from penstock.model.statement import Reading, Statement
from penstock.reports.forecast.figures import Unanswerable
from penstock.reports.forecast.statement import Asked, statement_document
from penstock.reports.forecast.what_if import changes_of

D = Decimal
JUNE, LATE = datetime.date(2023, 6, 1), datetime.date(2023, 6, 28)
FIRST = {"e2s": D("525.32"), "d2s": D(371), "k8s": D("270.11"), "aks": D("671.75"), "bandwidth": D("166.82")}
LAST = {"e2s": D("667.12"), "d2s": D(457), "k8s": D("437.80"), "aks": D("902.32"), "bandwidth": D("208.76")}
QEMU = Statement(
    currency="USD",
    readings=(
        Reading(date=JUNE, total=D(2005), resource=FIRST),
        Reading(date=LATE, total=D(2673), resource=LAST),
    ),
    retired=("d2s",),
)
FIFTY, TEN_THOUSAND = D(50), D(10000)


def test_the_fifteen_published_figures() -> None:
    found = statement_document(QEMU, Asked(step=FIFTY))
    assert (found["inputs"]["from"]["total"], found["inputs"]["until"]["total"]) == (2005, 2673)
    assert (found["inputs"]["from"]["retired"], found["inputs"]["until"]["retired"]) == (
        {"d2s": 371},
        {"d2s": 457},
    )
    assert {part["resource"]: part["this_year"] for part in found["parts"]} == {
        "e2s": 1650,
        "d2s": 450,
        "k8s": 1600,
        "aks": 2500,
        "bandwidth": 500,
    }
    assert {part["resource"]: part["next_year"] for part in found["parts"] if not part["is_retired"]} == {
        "e2s": 1900,
        "k8s": 2250,
        "aks": 3100,
        "bandwidth": 550,
    }
    assert (found["this_year"], found["next_year"]) == (6700, 7800)
    assert found["unrounded"] == {"this_year": D("6703.89"), "next_year": D("7867.78")}
    assert found["basis"] == "parts rounded to 50"


def test_a_total_is_the_sum_of_its_printed_parts() -> None:
    # 7867.78 by itself would be printed as 7850.
    bare = Statement(
        currency="USD",
        readings=tuple(
            Reading(date=r.date, total=r.total, resource={"d2s": r.resource["d2s"]}) for r in QEMU.readings
        ),
        retired=("d2s",),
    )
    assert statement_document(bare, Asked(step=FIFTY))["next_year"] == 7850


@pytest.mark.parametrize(
    ("step", "times", "day", "days", "next_year"),
    [
        (FIFTY, 2, 363, D("363.18"), 10050),
        (FIFTY, 3, 297, D("296.75"), 12300),
        (FIFTY, 4, 251, D("250.86"), 14550),
        (None, 2, 360, D("360.15"), D("10134.70")),
        (None, 3, 294, D("294.32"), D("12401.62")),
    ],
)
def test_more_compute(step: D | None, times: int, day: int, days: D, next_year: D) -> None:
    asked = Asked(step=step, credit=TEN_THOUSAND, changes={"k8s": Fraction(times)})
    found = statement_document(QEMU, asked)["what_if"]
    assert (found["exhausted_day"], found["exhausted_days"], found["next_year"]) == (day, days, next_year)
    assert found["exhausted_on"] == (datetime.date(2024, 1, 1) + datetime.timedelta(day)).isoformat()
    assert found["basis"] == ("unrounded" if step is None else "parts rounded to 50")
    assert found["changes"] == {"k8s": times}


@pytest.mark.parametrize(
    ("step", "off", "next_year", "saves"),
    [
        (FIFTY, ["k8s"], 5550, 2250),
        (FIFTY, ["k8s", "aks"], 2450, 5350),
        (None, ["k8s"], 5601, 2267),
        (None, ["k8s", "aks"], 2484, 5384),
    ],
)
def test_what_is_switched_off(step: D | None, off: list[str], next_year: int, saves: int) -> None:
    found = statement_document(QEMU, Asked(step=step, changes=changes_of([], off)))["what_if"]
    assert (found["next_year"].quantize(D(1)), found["saves"].quantize(D(1))) == (next_year, saves)
    assert (found["exhausted_day"], found["exhausted_on"]) == (None, None)


def test_how_much_compute_may_grow_within_the_credit() -> None:
    grows = {
        step: next(
            part["may_grow"]
            for part in statement_document(QEMU, Asked(step=step, credit=TEN_THOUSAND))["parts"]
            if part["resource"] == "k8s"
        )
        for step in (FIFTY, None)
    }
    assert grows == {FIFTY: D("1.98"), None: D("1.94")}


def test_nothing_may_grow_where_all_else_is_too_much() -> None:
    parts = statement_document(QEMU, Asked(credit=D(1)))["parts"]
    assert {part["may_grow"] for part in parts if not part["is_retired"]} == {D("0.00")}
    once = statement_document(QEMU, Asked(credit=D(1), is_yearly=False))["parts"]
    assert {part["may_grow"] for part in once} == {None}


def test_what_is_not_asked_for_is_null() -> None:
    found = statement_document(QEMU, Asked())
    assert (found["exhausted_on"], found["what_if"], found["warnings"]) == (None, None, [])
    assert {part["may_grow"] for part in found["parts"]} == {None}
    assert [part["since"] for part in found["parts"]] == [
        "2023-02-21",
        None,
        "2023-04-19",
        "2023-03-14",
        "2023-02-14",
    ]
    assert [part["since_days"] for part in found["parts"]] == [314, None, 257, 293, 321]


def test_what_grows_for_nothing_may_grow_without_end() -> None:
    found = statement_document(QEMU, Asked(credit=TEN_THOUSAND))
    assert {part["resource"]: part["may_grow"] for part in found["parts"]}["d2s"] is None
    assert (found["inputs"]["credit"], found["inputs"]["credit_is_yearly"]) == (10000, True)


def test_the_naive_form_warns_and_names_what_is_retired() -> None:
    found = statement_document(QEMU, Asked(keep_retired=True))
    assert found["formula"] == "run_rate_incl_retired"
    assert [warning for warning in found["warnings"] if "d2s" in warning and "retired" in warning]
    assert (round(found["this_year"], 1), round(found["next_year"], 1)) == (D("7299.5"), D("9030.4"))


def test_unknown_is_said() -> None:
    unknown = "\n".join(statement_document(QEMU, Asked())["unknown"])
    assert "seasons, releases, freezes" in unknown
    assert "what a job, a build or a minute costs" in unknown
    assert "rest" not in unknown.replace("rest of the year", "")
    odd = Statement(
        currency="USD",
        readings=(
            Reading(date=datetime.date(2022, 12, 20), total=D(50), resource={"a": D(30), "b": D(1)}),
            Reading(date=LATE, total=D(77), resource={"a": D(3), "c": D(1)}),
        ),
    )
    unknown = "\n".join(statement_document(odd, Asked())["unknown"])
    for told in (
        "a fell",
        "at which rate b",
        "at which rate c",
        "the readings lie in two years",
        "the rest is of",
    ):
        assert told in unknown


def test_a_statement_of_totals_alone() -> None:
    bare = Statement(
        currency="USD", readings=(Reading(date=JUNE, total=D(0)), Reading(date=LATE, total=D(0)))
    )
    found = statement_document(bare, Asked())
    assert (found["parts"], found["this_year"]) == ([], 0)
    assert not [what for what in found["unknown"] if "since" in what]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"d2s": Fraction(2)}, "'d2s' is retired: nothing of it is in next year"),
        ({"gpu": Fraction(2)}, "both readings name no 'gpu'"),
    ],
)
def test_what_if_of_nothing(changes: dict[str, Fraction], told: str) -> None:
    with pytest.raises(Unanswerable, match=told):
        statement_document(QEMU, Asked(changes=changes))


def test_changes_as_they_are_typed() -> None:
    assert changes_of(["k8s=x2", "a=b=x0.5"], ["aks"]) == {
        "k8s": 2,
        "a=b": Fraction(1, 2),
        "aks": 0,
    }
    for texts, off in ((["k8s=2"], []), (["=x2"], []), (["k8s=x2"], ["k8s"])):
        with pytest.raises(Unanswerable):
            changes_of(texts, off)


def grant(amount: int, start: str = "2023-01-01", until: str = "2023-12-31", currency: str = "USD") -> Grant:
    return Grant(name=start + currency, amount=D(amount), currency=currency, start=start, until=until)


@pytest.mark.parametrize(
    ("grants", "credit", "until", "day"),
    [
        ((grant(4828),), 4828, "2023-12-31", "2023-10-06"),
        ((grant(2828), grant(2000)), 4828, "2023-12-31", "2023-10-06"),
        # Twenty years of credit, and one that ends before it is used up.
        ((grant(4828, until="2023-08-31"),), 4828, "2023-08-31", None),
        ((grant(4828, currency="EUR"), grant(4828, until="2023-06-01")), None, None, None),
    ],
)
def test_grants_pay_until_they_end(
    grants: tuple[Grant, ...], credit: int | None, until: str | None, day: str | None
) -> None:
    found = statement_document(QEMU, Asked(grants=grants))
    assert (found["inputs"]["credit"], found["inputs"]["credit_until"]) == (credit, until)
    assert found["exhausted_on"] == day
    assert found["what_if"] is None


def test_grants_of_the_statement_count_and_a_credit_wins() -> None:
    granted = msgspec.structs.replace(QEMU, grants=(grant(4828, start="2023-03-01"),))
    found = statement_document(granted, Asked())
    assert found["exhausted_on"] == "2023-10-06"
    assert "it began on 2023-03-01" in found["unknown"][-1]
    assert statement_document(granted, Asked(credit=TEN_THOUSAND))["inputs"]["credit"] == 10000
