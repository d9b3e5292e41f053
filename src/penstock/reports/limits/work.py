"""LB0: the rent of the work alone, for machines that are there at once and gone at once."""

from penstock.reports.limits.levels import Levels
from penstock.reports.limits.market import Rent


def work(needed: Levels, rent: Rent) -> float:
    """Rent of the time at which more jobs run than there are owned machines, when every job starts at once.

    Without owned machines no schedule is cheaper. With them a job that waits may find one free, so that it is a
    limit only for schedules in which nobody waits. `needed`: the levels above the owned ones.
    """
    return rent.price * float((needed.dropped_ms - needed.rose_ms).sum())
