"""Credits: never overdrawn, never outside their days and pools, and never netted with cash."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Account, Tally
from penstock.model.rules import Grant
from penstock.reports.costs import day_number
from penstock.reports.credits import Cost, Credit, Draw, costs_of, credits_of, settle


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def grant(name: str, amount: str, start: str, until: str, *pools: str) -> Grant:
    return Grant(name=name, amount=Decimal(amount), currency="USD", start=start, until=until, pools=pools)


def credit(name: str, amount: int, first: int, last: int, *pools: str) -> Credit:
    return Credit(name=name, amount_micros=amount, first=first, last=last, pools=frozenset(pools), own=frozenset(["own"]))  # fmt: skip


def test_what_ends_first_is_used_first_then_what_pays_for_less() -> None:
    found = credits_of(
        [
            grant("all", "1", "2026-01-01", "2026-12-31"),
            grant("two", "1", "2026-01-01", "2026-12-31", "a", "b"),
            grant("one", "1", "2026-01-01", "2026-12-31", "a"),
            grant("soon", "0.5", "2026-03-01", "2026-03-31"),
        ],
        own=["own"],
    )
    assert [one.name for one in found] == ["soon", "one", "two", "all"]
    assert found[0] == Credit(
        name="soon", amount_micros=500_000, first=day("2026-03-01"), last=day("2026-03-31"), own=frozenset(["own"])
    )  # fmt: skip


def test_without_pools_a_credit_pays_for_all_that_is_not_owned() -> None:
    one = credit("g", 10, 0, 9)
    assert [one.covers(pool) for pool in ("a", "gone", "own", "")] == [True, True, False, False]
    assert credit("g", 10, 0, 9, "own").covers("own")


def test_costs_are_of_a_day_and_a_pool() -> None:
    def tally(on: int, pool: str, amount: int, account: Account) -> Tally:
        return Tally(day=on, pool=pool, account=account, amount_micros=amount, project="", platform="", klass="", outcome="")  # fmt: skip

    found = costs_of(
        [
            tally(1, "a", 5, Account.DIRECT),
            tally(1, "a", 6, Account.IDLE),
            tally(2, "a", 7, Account.DIRECT),
            tally(1, "", 8, Account.OVERHEAD),
        ]
    )
    assert found == {(1, "a"): 11, (2, "a"): 7, (1, ""): 8}


def test_a_cost_is_paid_by_several_credits_and_the_rest_in_cash() -> None:
    grants = [credit("first", 30, 0, 4), credit("second", 45, 2, 9)]
    costs = {Cost(n, "a"): 20 for n in range(6)} | {Cost(3, "own"): 7, Cost(3, ""): 1}
    paid = settle(costs, grants)
    assert paid.drawn == {
        Draw(0, "a", "first"): 20,
        Draw(1, "a", "first"): 10,
        Draw(2, "a", "second"): 20,
        Draw(3, "a", "second"): 20,
        Draw(4, "a", "second"): 5,
    }
    assert paid.cash == {(1, "a"): 10, (3, ""): 1, (3, "own"): 7, (4, "a"): 15, (5, "a"): 20}
    assert paid.left == {"first": 0, "second": 0}
    assert paid.by_grant("second") == 45


def test_what_was_put_right_later_is_no_use_of_a_credit() -> None:
    """A correction below zero is shown as cash: it does not fill a credit up."""
    paid = settle({Cost(0, "a"): -5}, [credit("g", 10, 0, 9)])
    assert (paid.cash, paid.left) == ({(0, "a"): -5}, {"g": 10})


def test_settling_goes_on_with_what_is_left() -> None:
    assert settle({Cost(0, "a"): 5}, [credit("g", 10, 0, 9)], {"g": 3}).cash == {(0, "a"): 2}


POOLS = st.sampled_from(["a", "b", "own", ""])
COSTS = st.dictionaries(
    st.builds(Cost, st.integers(0, 12), POOLS), st.integers(0, 10**9), max_size=40
)  # fmt: skip
CREDITS = st.lists(
    st.builds(
        lambda name, amount, first, days, pools: credit(name, amount, first, first + days, *pools),
        st.sampled_from("pqrstuvw"),
        st.integers(0, 3 * 10**9),
        st.integers(0, 10),
        st.integers(0, 8),
        st.sets(POOLS.filter(bool), max_size=2),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(COSTS, CREDITS, st.randoms())
def test_credits_and_cash_are_the_cost_and_no_credit_pays_what_it_may_not(
    costs: dict[Cost, int], grants: list[Credit], chance: object
) -> None:
    chance.shuffle(grants)  # type: ignore[attr-defined]
    paid = settle(costs, grants)
    by_name = {one.name: one for one in grants}
    for cost, amount in costs.items():
        drawn = sum(n for draw, n in paid.drawn.items() if draw[:2] == cost)
        assert drawn + paid.cash.get(cost, 0) == amount
    for draw, amount in paid.drawn.items():
        one = by_name[draw.grant]
        assert amount > 0
        assert one.lives(draw.day)
        assert one.covers(draw.pool)
    for one in grants:
        assert 0 <= paid.left[one.name] == one.amount_micros - paid.by_grant(one.name)


@given(COSTS, CREDITS)
def test_cash_is_only_due_where_no_credit_is_left(costs: dict[Cost, int], grants: list[Credit]) -> None:
    paid = settle(costs, grants)
    for cost in paid.cash:
        for one in grants:
            if one.lives(cost.day) and one.covers(cost.pool):
                later = sum(n for draw, n in paid.drawn.items() if draw.grant == one.name and draw[:2] > cost)
                assert later == 0
                assert paid.left[one.name] == 0


@given(COSTS, CREDITS)
def test_the_order_of_costs_changes_nothing(costs: dict[Cost, int], grants: list[Credit]) -> None:
    backwards = dict(reversed(costs.items()))
    one, other = settle(costs, grants), settle(backwards, grants)
    assert (one.drawn, one.cash, one.left) == (other.drawn, other.cash, other.left)
