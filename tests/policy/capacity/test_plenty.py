"""Where free lanes do for all that is to be planned the others are not looked at, and nothing comes out different."""

from unittest.mock import patch

from capacityfarm import RENTED, Town
from hypothesis import given, settings
from policy.capacity.test_safety import STORIES, Story, told

from penstock.policy.capacity import columns as c
from penstock.policy.capacity import packing_rented, rows


def kept(town: Town) -> list[bytes]:
    """All that outlives a decision."""
    return [column.tobytes() for column in rows._kept(town.farm)]


@settings(max_examples=60)
@given(STORIES)
def test_what_is_decided_without_looking_at_other_lanes_is_what_is_decided_with_them(story: Story) -> None:
    quick = told(story)
    with patch.object(packing_rented, "_plenty", lambda farm, pool: False):
        thorough = told(story)
    assert quick.log == thorough.log
    assert kept(quick) == kept(thorough)


def test_both_ways_are_gone() -> None:
    looked: list[bool] = []
    plenty = packing_rented._plenty

    def watched(farm: c.Farm, pool: int) -> bool:
        looked.append(plenty(farm, pool))
        return looked[-1]

    with patch.object(packing_rented, "_plenty", watched):
        town = Town([RENTED])
        town.know(600)
        for _ in range(3):
            town.come(600, count=20)
            town.until(town.now_ms + 2000 * 1000)
    assert set(looked) == {True, False}
