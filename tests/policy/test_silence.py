"""When a pool is held because its machines say nothing."""

import pytest

from penstock.model.curb import Curb
from penstock.model.machine import Machine
from penstock.model.states import Health, Power
from penstock.policy import silence
from penstock.policy.budgets.curbs import holds, keeps


def machine(name: str, power: Power = Power.UP, session: str = "s", health: Health = Health.GOOD) -> Machine:
    return Machine(
        id=name, name=name, pool="a", platforms=("linux",), power=power, session=session, health=health
    )


@pytest.mark.parametrize(
    ("silent", "up", "expected"),
    [
        (3, 3, False),
        (4, 4, True),
        (4, 8, True),
        (4, 9, False),
        (45, 100, False),
        (46, 100, True),
        (0, 0, False),
    ],
)
def test_more_than_three_and_more_than_45_of_a_hundred(silent: int, up: int, expected: bool) -> None:
    assert silence.too_many(silent, up) is expected


def test_only_what_is_up_counts() -> None:
    machines = [
        machine("good"),
        machine("suspect", health=Health.SUSPECT),
        machine("away", session=""),
        machine("gone", Power.GONE, session="", health=Health.SUSPECT),
        machine("asleep", Power.SUSPENDED, session=""),
        machine("coming", Power.BOOTING, session=""),
    ]
    assert silence.counted(machines) == (2, 3)


def test_what_it_forbids_is_told_from_other_curbs() -> None:
    held = silence.curb("a", 5)
    money, away = Curb(guard="g", most=(("b", 0),)), Curb(guard="", barred=("b",), stopped="b", keeps=True)
    assert [silence.held(one) for one in (held, money, away)] == ["a", "", ""]
    assert [holds((money, away, held), pool) for pool in "ab"] == [True, False]
    assert [keeps((money, away, held), pool) for pool in "ab"] == [False, True]
    assert held.since_ms == 5
