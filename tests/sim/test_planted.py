"""Bugs that are planted in the live services are found by the storm, each on every one of its days."""

import pytest
from planted import SEEDS, Plant, found


@pytest.mark.parametrize("plant", SEEDS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_every_time(plant: Plant) -> None:
    seeds = SEEDS[plant]
    assert len(seeds) >= 2
    assert set(found(plant, seeds)) == set(seeds)


def test_its_days_are_well_without_it() -> None:
    """Else it would not be the bug that is found: all are of the sample of test_storm."""
    assert max(max(seeds) for seeds in SEEDS.values()) < 200


def test_there_are_enough_of_them() -> None:
    assert len(SEEDS) >= 10
