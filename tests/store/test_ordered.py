"""The sorted collection against a sorted list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.store import ordered

ENTRIES = st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.integers(0, 30))


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> object:
    """Chunks so small that splitting and joining happen all the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "LOAD", 2)
        yield


@given(st.sets(ENTRIES), st.lists(ENTRIES), ENTRIES, st.integers(0, 3), st.none() | st.integers(0, 9))
def test_it_is_a_sorted_list(
    first: set[tuple], changes: list[tuple], asked: tuple, length: int, limit: int | None
) -> None:
    there, made = set(first), ordered.Ordered(list(first))
    for entry in changes:
        if entry in there:
            there.remove(entry)
            made.remove(entry)
        else:
            there.add(entry)
            made.add(entry)
    prefix = asked[:length]
    found = [entry for entry in sorted(there) if entry[:length] == prefix]
    assert made.starting((), None) == sorted(there)
    assert made.starting(prefix, limit) == found[:limit]
    assert made.ending(prefix, limit) == found[::-1][:limit]
    for behind in range(1, len(asked) - length + 1):
        place = asked[length : length + behind]
        later = [entry for entry in found if entry[length : length + behind] > place]
        assert made.starting(prefix, limit, place) == later[:limit]
        earlier = [entry for entry in found if entry[length : length + behind] < place]
        assert made.ending(prefix, limit, place) == earlier[::-1][:limit]
