"""What was spent, by whatever people ask for: sums are kept to the micro-unit, and what is shared is divided."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Account, BuildCost, Tally
from penstock.reports import costs
from penstock.reports.costs import ACCOUNTS, Row, report, report_branches
from penstock.reports.shares import parts

DAY = costs.day_number(date(2026, 10, 31))
LINUX = {"project": "core", "platform": "linux", "pool": "burst", "klass": "change"}


def tally(account: str, amount: int, **about: object) -> Tally:
    values = {"day": DAY, "project": "", "platform": "", "pool": "", "klass": "", "outcome": "", "count": 1}
    return Tally(account=Account(account), amount_micros=amount, **(values | about))  # type: ignore[arg-type]


def direct(amount: int, **about: object) -> Tally:
    return tally("direct", amount, quantity=1000, **({"outcome": "PASSED"} | LINUX | about))


def by_key(rows: list[Row]) -> dict[tuple[str, ...], Row]:
    return {row.key: row for row in rows}


def test_days_are_written_as_people_write_them() -> None:
    assert costs.day_text(DAY) == "2026-10-31"
    assert costs.day_text(0) == "1970-01-01"
    assert (costs.day_text(-(10**9)), costs.day_text(10**9)) == ("0001-01-01", "9999-12-31")


def test_an_amount_is_divided_to_the_micro_unit() -> None:
    assert parts(10, [1, 1, 1]) == [4, 3, 3]
    assert parts(10, [0, 2, 1]) == [0, 7, 3]
    assert parts(-1, [1, 1]) == [0, -1]


@given(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 10**12), min_size=1).filter(any))
def test_parts_sum_up_and_are_less_than_one_off(amount: int, weights: list[int]) -> None:
    found = parts(amount, weights)
    assert sum(found) == amount
    assert all(
        abs(part * sum(weights) - amount * weight) < sum(weights)
        for part, weight in zip(found, weights, strict=True)
    )


def test_idle_and_lifecycle_go_to_who_used_the_pool() -> None:
    rows = by_key(
        report(
            [
                direct(300, project="core"),
                direct(100, project="gui"),
                direct(500, project="gui", pool="rack"),
                tally("idle", 40, pool="burst"),
                tally("lifecycle", 8, pool="burst"),
                tally("idle", 50, pool="rack"),
                tally("lifecycle", 4, pool="rack"),
                tally("overhead", 90),
            ],
            ["project"],
            {"burst"},
        )
    )
    assert (rows[("core",)].loaded_micros, rows[("core",)].marginal_micros) == (300 + 30 + 6 + 30, 306)
    assert (rows[("gui",)].loaded_micros, rows[("gui",)].marginal_micros) == (600 + 12 + 54 + 60, 102)
    assert (rows[("",)].loaded_micros, rows[("",)].marginal_micros, rows[("",)].total_micros) == (0, 0, 192)


def test_what_has_nothing_direct_stays_on_a_row_of_its_own() -> None:
    rows = by_key(report([direct(300), tally("idle", 40, pool="rack")], ["project"], ()))
    assert (rows[("core",)].loaded_micros, rows[("",)].loaded_micros) == (300, 40)


def test_idle_of_a_month_is_no_matter_of_another() -> None:
    found = [
        direct(300, day=DAY),
        direct(300, day=DAY + 1),
        tally("idle", 40, pool="burst", day=DAY),
        tally("idle", 7, pool="burst", day=DAY + 2),
    ]
    by_month = by_key(report(found, ["project", "month"], ()))
    assert by_month["core", "2026-10"].loaded_micros == 340
    assert by_month["core", "2026-11"].loaded_micros == 307
    by_day = by_key(report(found, ["day"], ()))
    assert {key: row.loaded_micros for key, row in by_day.items()} == {
        ("2026-10-31",): 340, ("2026-11-01",): 300, ("2026-11-02",): 7,
    }  # fmt: skip


def test_egress_is_of_who_sent_it_and_marginal() -> None:
    (row,) = report([direct(10), tally("egress", 5, **LINUX)], ["project"], {"burst"})
    assert (row.marginal_micros, row.loaded_micros) == (15, 15)


def test_an_attempt_is_counted_once_when_it_ended() -> None:
    found = [direct(10, outcome=""), direct(10), direct(10, outcome="LOST"), tally("idle", 5, **LINUX)]
    (row,) = report(found, ["platform", "pool", "class"], ())
    assert row.key == ("linux", "burst", "change")
    assert (row.attempts, row.passed, row.held_ms) == (2, 1, 3000)
    assert by_key(report(found, ["outcome"], ()))[("LOST",)].attempts == 1


def test_branches_have_what_their_builds_cost_and_sums_stay() -> None:
    about = {"day": DAY, "project": "core"}
    rows = by_key(
        report_branches(
            [
                BuildCost(build="1", branch="main", amount_micros=300, attempts=3, **about),  # type: ignore[arg-type]
                BuildCost(build="2", branch="next", amount_micros=100, attempts=1, **about),  # type: ignore[arg-type]
            ],
            [direct(500), tally("idle", 40, pool="burst"), tally("egress", 1, **LINUX)],
            ["project", "branch", "day"],
        )
    )
    main, nothing = rows["core", "main", "2026-10-31"], rows["core", "", "2026-10-31"]
    assert (main.accounts[0], main.loaded_micros, main.attempts) == (300, 324, 3)
    assert (main.marginal_micros, main.passed, main.held_ms) == (None, None, None)
    assert (nothing.accounts[0], nothing.loaded_micros, nothing.attempts) == (100, 100 + 8 + 1, -3)
    assert sum(row.loaded_micros for row in rows.values()) == 541


def test_builds_may_cost_more_on_later_days() -> None:
    cost = BuildCost(build="1", day=DAY, branch="main", amount_micros=300)
    rows = by_key(report_branches([cost], [direct(100, project="")], ["branch", "month"]))
    assert rows["", "2026-10"].accounts[0] == -200
    assert sum(row.total_micros for row in rows.values()) == 100


def test_the_dearest_are_named_and_the_others_added() -> None:
    rows = report([direct(n, project=f"p{n}") for n in (5, 9, 1, 7)], ["project"], ())
    shown, others = costs.dearest(rows, 2)
    assert [row.key for row in shown] == [("p7",), ("p9",)]
    together = costs.added(others, ("",))
    assert (together.total_micros, together.attempts, together.passed) == (6, 2, 2)
    assert costs.dearest(rows, None) == (rows, [])
    assert costs.dearest(rows, 4) == (rows, [])


def test_what_is_not_known_is_not_known_of_a_sum() -> None:
    rows = [Row(key=("a",), accounts=[1] * 6, passed=None), Row(key=("b",), accounts=[1] * 6)]
    assert costs.added(rows, ("",)).passed is None


tallies = st.lists(
    st.builds(
        Tally,
        day=st.integers(DAY - 2, DAY + 2),
        project=st.sampled_from(["", "core", "gui"]),
        platform=st.sampled_from(["", "linux"]),
        pool=st.sampled_from(["", "rack", "burst"]),
        klass=st.just(""),
        account=st.sampled_from(ACCOUNTS),
        outcome=st.sampled_from(["", "PASSED", "LOST"]),
        amount_micros=st.integers(0, 10**9),
    ),
    max_size=30,
)


@given(tallies, st.lists(st.sampled_from([*costs.KEYS]), min_size=1, max_size=3, unique=True))
def test_fully_loaded_is_all_that_was_spent(found: list[Tally], by: list[str]) -> None:
    rows = report(found, by, {"burst"})
    spent = sum(tally.amount_micros for tally in found)
    assert sum(row.loaded_micros for row in rows) == sum(row.total_micros for row in rows) == spent
    paid = sum(
        tally.amount_micros
        for tally in found
        if tally.pool == "burst" and tally.account in (Account.DIRECT, Account.EGRESS, Account.LIFECYCLE)
    )
    assert sum(row.marginal_micros or 0 for row in rows) == paid


@given(tallies, st.permutations(["project", "branch", "month"]))
def test_sums_by_branch_are_those_of_all(found: list[Tally], by: list[str]) -> None:
    builds = [BuildCost(build="1", day=DAY, project="core", branch="main", amount_micros=10**8)]
    rows = report_branches(builds, found, by)
    spent = sum(tally.amount_micros for tally in found)
    assert sum(row.loaded_micros for row in rows) == sum(row.total_micros for row in rows) == spent


@pytest.mark.parametrize("name", [*costs.KEYS])
def test_each_name_answers_a_text(name: str) -> None:
    assert isinstance(costs.KEYS[name](direct(1)), str)


def test_what_machines_of_an_offer_idle_belongs_to_it() -> None:
    """What is known of a pool alone goes to all of its offers, what is known of no pool to everything."""

    def of(tally: Tally, offer: str) -> Tally:
        return costs.Offered(**{name: getattr(tally, name) for name in tally.__struct_fields__}, offer=offer)

    found = report(
        [
            of(direct(300), "large"),
            of(direct(100), "small"),
            direct(400, pool="rack"),
            of(tally("idle", 40, pool="burst"), "large"),
            of(tally("lifecycle", 8, pool="burst"), "small"),
            of(tally("idle", 5, pool="burst"), "never used"),
            tally("overhead", 20, pool="burst"),
            tally("overhead", 80),
        ],
        ("offer",),
        {"burst"},
    )
    rows = by_key(found)
    assert {key[0]: (row.loaded_micros, row.marginal_micros) for key, row in rows.items()} == {
        "": (400 + 40, 0),
        "large": (300 + 40 + 15 + 30, 300),
        "small": (100 + 8 + 5 + 10, 108),
        "never used": (5, 0),
    }
    assert sum(row.loaded_micros for row in found) == 953
