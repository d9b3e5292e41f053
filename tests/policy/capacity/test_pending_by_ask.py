"""Pending jobs are listed by what they ask for, in the same order as on their island."""

from presetfarm import World, empty

from penstock.policy.capacity import columns as c
from penstock.policy.capacity import lists


def listed(farm: c.Farm, ask: int) -> list[int]:
    """The ask's pending jobs, read from both ends."""
    found, back = [], []
    job = farm.asks[c.ASK_FIRST][ask]
    while job >= 0:
        found.append(job)
        job = farm.jobs[c.JOB_ASK_AFTER][job]
    job = farm.asks[c.ASK_LAST][ask]
    while job >= 0:
        back.append(job)
        job = farm.jobs[c.JOB_ASK_BEFORE][job]
    assert found == back[::-1]
    assert len(found) == farm.asks[c.ASK_PENDING][ask]
    return found


def test_by_deadline_whatever_the_order_of_coming() -> None:
    world = World(empty("jenkins", asks=2))
    farm = world.farm
    for ask, due_ms in ((0, 30), (1, 5), (0, 10), (0, 20), (1, 5)):
        job, world.jobs = world.jobs, world.jobs + 1
        farm.jobs[c.JOB_ASK][job], farm.jobs[c.JOB_DUE_MS][job] = ask, due_ms
        lists.wait(farm, 0, job)
    assert (listed(farm, 0), listed(farm, 1)) == ([2, 3, 0], [1, 4])
    for job in (3, 0, 2):
        lists.leave(farm, 0, job)
    assert (listed(farm, 0), listed(farm, 1)) == ([], [1, 4])
    lists.leave(farm, 0, 4)
    assert listed(farm, 1) == [1]


def test_an_ask_is_known_from_its_first_job_on() -> None:
    world = World(empty("jenkins", asks=2))
    assert world.farm.islands[c.ISLAND_ASKS][0] == -1
    world.arrive(ask=1)
    world.arrive(ask=0)
    world.arrive(ask=1)
    assert world.farm.islands[c.ISLAND_ASKS][0] == 0
    assert (world.farm.asks[c.ASK_NEXT][0], world.farm.asks[c.ASK_NEXT][1]) == (1, -1)
