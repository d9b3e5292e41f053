"""Needs as columns: exactly those that can be met are kept, and the others counted."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.history.needs import CYCLE_NEED, UNKNOWN_NEED, resolved

JOBS = [str(number) for number in range(8)]
GRAPHS = st.dictionaries(
    st.sampled_from(JOBS), st.lists(st.sampled_from([*JOBS, "gone", "lost"]), max_size=4)
)


def reaches(needs: dict[str, list[str]], start: str, goal: str) -> bool:
    """Whether `start` needs `goal`, directly or not."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for need in needs.get(waiting.pop(), ()):
            if need == goal:
                return True
            if need not in seen:
                seen.add(need)
                waiting.append(need)
    return False


@given(needs=GRAPHS, order=st.permutations(JOBS))
def test_what_is_kept(needs: dict[str, list[str]], order: list[str]) -> None:
    starts, found, dropped = resolved(order, {job: " ".join(several) for job, several in needs.items()})
    expected: list[list[str]] = []
    counts = {UNKNOWN_NEED: 0, CYCLE_NEED: 0}
    for job in order:
        expected.append([])
        for need in dict.fromkeys(needs.get(job, ())):
            if need not in order:
                counts[UNKNOWN_NEED] += 1
            elif reaches(needs, need, job) or need == job:
                counts[CYCLE_NEED] += 1
            else:
                expected[-1].append(need)
    assert dropped == {why: times for why, times in counts.items() if times}
    if not any(expected):
        assert (len(starts), len(found)) == (0, 0)
    else:
        kept = [[order[need] for need in found[a:b]] for a, b in pairwise(starts)]
        assert kept == expected
