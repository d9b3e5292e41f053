"""Which offer of a pool an order is made from."""

import pytest

from penstock.model.rented import Offer
from penstock.policy.offering import (
    CLEAN_MS,
    FIRST_MS,
    MOST_MS,
    QUOTA_MS,
    Trouble,
    after_failure,
    choose,
    open_offers,
)


def offer(name: str, price: int, speed: float = 1.0, left: int | None = None) -> Offer:
    return Offer(name=name, price_per_hour_micros=price, speed=speed, quota_left=left)


A, B, C = offer("a", 100), offer("b", 90), offer("c", 150, 2.0)


def test_the_cheapest_for_its_speed_is_taken() -> None:
    found = choose((A, B, C), {}, 0)
    assert found is not None
    assert found == (C, "c is the cheapest for its speed of 3 offers")
    assert [one.name for one in open_offers((A, B, C), {}, 0)] == ["c", "b", "a"]


def test_equal_ones_go_by_name() -> None:
    assert [one.name for one in open_offers((offer("z", 5), offer("y", 5)), {}, 0)] == ["y", "z"]


def test_one_offer_needs_no_words_and_none_gives_none() -> None:
    assert choose((A,), {}, 0) == (A, "")
    assert choose((), {}, 0) is None


def test_what_gave_none_is_left_alone_then_dearer_then_as_before() -> None:
    troubles = {"c": after_failure(None, "capacity", 1000)}
    found = choose((A, B, C), troubles, 2000)
    assert found == (B, "b is the cheapest for its speed of 3 offers, 1 of which gave none lately")
    assert open_offers((A, B, C), troubles, 1000 + FIRST_MS) == [B, A, C]
    assert open_offers((A, B, C), troubles, 1000 + CLEAN_MS) == [C, B, A]


@pytest.mark.parametrize(
    ("failures", "pause_ms"), [(1, FIRST_MS), (2, 2 * FIRST_MS), (4, 8 * FIRST_MS), (9, MOST_MS)]
)
def test_each_failure_in_a_row_makes_the_pause_longer(failures: int, pause_ms: int) -> None:
    trouble = None
    for _ in range(failures):
        trouble = after_failure(trouble, "capacity", 5000)
    assert trouble == Trouble(failures, 5000, 5000 + pause_ms)


def test_a_failure_long_after_the_last_one_is_the_first() -> None:
    again = after_failure(Trouble(7, 0, 0), "capacity", CLEAN_MS)
    assert again == Trouble(1, CLEAN_MS, CLEAN_MS + FIRST_MS)


def test_a_quota_is_left_alone_for_longer() -> None:
    assert after_failure(None, "quota", 0).until_ms == QUOTA_MS


def test_what_has_nothing_left_is_not_open() -> None:
    assert open_offers((offer("a", 1, left=0), B), {}, 0) == [B]


def test_where_all_are_in_trouble_the_first_out_of_it_is_taken() -> None:
    troubles = {"a": Trouble(1, 0, 500), "b": Trouble(1, 0, 400)}
    assert choose((A, B), troubles, 100) == (B, "no offer gave any lately")
