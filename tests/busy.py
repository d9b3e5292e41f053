"""What happens on a busy farm, for schedules that are drawn rather than searched."""

import random
from collections.abc import Callable

from schedules import PLANS, Queue

OUTCOMES = ["passed"] * 12 + ["failed"] * 2 + ["timed_out", "refused", "preempted", "cancelled"]
MOMENTS = [0, 1000, 1000, 1000, 9000, 11_000, 29_000] * 8 + [91_000, 1_201_000, 3_700_000]
ODD = ["jump", "restart", "died", "enrol"]


def dense(chance: random.Random) -> list[tuple[int, Callable[[Queue], None]]]:
    """What happens on a busy farm, by weight: mostly work, now and then everything else."""
    number = lambda: chance.randrange(10_000)  # noqa: E731
    yes = lambda: chance.random() < 0.5  # noqa: E731
    names = sorted(PLANS)
    acts = ["cancel_job", "cancel_build", "hold", "release", "release", "repeat"]
    return [
        (8, lambda q: q.submit(chance.choice(names), chance.randint(-1, 1), yes(), chance.random() < 0.1)),
        (20, lambda q: q.starts(number(), chance.random() < 0.1)),
        (12, lambda q: q.passes(number(), number(), chance.choice([None, None, None, b"other"]))),
        (6, lambda q: q.finishes(number(), number(), chance.choice(OUTCOMES), yes())),
        (10, lambda q: q.works([number() for _ in range(3)], chance.choice(OUTCOMES), yes())),
        (12, lambda q: q.poll(number(), chance.random() < 0.1)),
        (4, lambda q: q.acknowledge(number(), number())),
        (4, lambda q: q.renew(number(), number())),
        (3, lambda q: q.late_or_repeated_finish(number(), number(), chance.choice(["fin", "another"]))),
        (3, lambda q: q.stale_fence(number(), number())),
        (12, lambda q: q.time_passes(chance.choice(MOMENTS))),
        (4, lambda q: q.people_act(chance.choice(acts), number())),
        (
            2,
            lambda q: q.machines(number(), chance.choice(["quarantine", "unquarantine", "drain", "undrain"])),
        ),
        (2, lambda q: q.machines(number(), chance.choice(["unquarantine", "undrain"]))),
        (2, lambda q: q.agent_is_killed(number(), chance.choice(["poll", "register", "nothing"]))),
        (1, lambda q: q.agent_registers_again(number())),
        (1, lambda q: q.odd_things(chance.choice(ODD), chance.choice([-(10**10), -5000, 5000, 10**10]))),
    ]
