"""Names of agents, and which requests are for whom."""

import pytest

from penstock.model.pool_foreign import Serves

SERVES = Serves(
    url="https://ci.example.org",
    platforms=(("linux-*", "gcc"), ("tag:big", "large"), ("*", "any")),
    names="burst-%d-x",
)


@pytest.mark.parametrize(
    ("builder", "labels", "platform"),
    [
        ("linux-a", ("big",), "gcc"),
        ("b", ("small", "big"), "large"),
        ("b", ("small",), "any"),
        ("tag:big", (), "any"),
    ],
)
def test_the_first_pattern_that_matches_counts(builder: str, labels: tuple[str, ...], platform: str) -> None:
    assert SERVES.platform_of(builder, labels) == platform


def test_what_matches_none_is_for_others() -> None:
    assert Serves(url="", platforms=(("a", "b"),)).platform_of("c") == ""


def test_agents_are_counted_from_one() -> None:
    assert [SERVES.name_of(number) for number in (1, 12)] == ["burst-1-x", "burst-12-x"]
    assert SERVES.is_name("burst-12-x")
    assert not any(map(SERVES.is_name, ("burst--x", "burst-a-x", "other-1-x", "burst-1", "burst-١-x")))
