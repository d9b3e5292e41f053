"""Orders, cycles and reach, deterministic and without recursion."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from penstock.model.graph import cycles, dependents, order, reach

GRAPHS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefgh"), max_size=4))


def test_everything_comes_after_what_it_needs_else_as_given() -> None:
    assert order({"viewer": ["png", "tiff"], "png": ["zlib"], "tiff": [], "zlib": []}) == [
        "tiff",
        "zlib",
        "png",
        "viewer",
    ]
    assert order({"b": [], "a": []}) == ["b", "a"]
    assert order({"a": ["only a need"]}) == ["only a need", "a"]


def test_a_cycle_is_named_whole() -> None:
    with pytest.raises(ValueError, match="cycle: a -> b -> a"):
        order({"a": ["b"], "b": ["a"], "c": []})


def test_all_knots_are_found() -> None:
    assert cycles({"a": ["a"], "b": ["c"], "c": ["b"], "d": ["a"]}) == [["a", "a"], ["b", "c", "b"]]
    assert cycles({"a": ["b"], "b": []}) == []


def test_dependents_and_reach() -> None:
    needs = {"png": ["zlib", "zlib"], "viewer": ["png"]}
    assert dependents(needs) == {"png": ["viewer"], "viewer": [], "zlib": ["png"]}
    assert reach(["viewer"], needs) == {"viewer", "png", "zlib"}


def test_a_long_chain_needs_no_recursion() -> None:
    chain = {str(number): [str(number + 1)] for number in range(5000)}
    assert order(chain)[0] == "5000"
    assert cycles(chain) == []


@given(GRAPHS)
def test_a_graph_has_an_order_or_a_cycle(needs: dict[str, list[str]]) -> None:
    knots = cycles(needs)
    try:
        found = order(needs)
    except ValueError:
        assert knots
        return
    assert not knots
    place = {name: number for number, name in enumerate(found)}
    assert all(place[need] < place[name] for name, wanted in needs.items() for need in wanted)
