"""What happens to a farm, as changes of its columns: the rare cases."""

from capacityfarm import HOUR_MS, OWNED, RENTED, farm

from penstock.policy.capacity import changes, lists, reasons
from penstock.policy.capacity import columns as c


def test_a_machine_that_is_on_its_way_out_stays_so_when_its_job_is_lost() -> None:
    made = farm([RENTED])
    machine = changes.boot(made, 0, HOUR_MS, reasons.LEAST)
    changes.up(made, machine, HOUR_MS)
    changes.arrived(made, 0, HOUR_MS)
    changes.start(made, 0, machine, HOUR_MS, reasons.ON_RENTED)
    lists.move(made, machine, c.DELETING, HOUR_MS)
    changes.lost(made, 0, HOUR_MS)
    assert made.machines[c.MACHINE_STATE][machine] == c.DELETING
    assert made.jobs[c.JOB_STATE][0] == c.PENDING


def test_room_is_for_what_fits_on_a_machine_that_takes_something() -> None:
    made = farm([{**OWNED, c.POOL_SLOTS: 2, c.POOL_CORES: 4, c.POOL_MEMORY_MB: 100, c.POOL_USES: 3}], asks=2)
    made.asks[c.ASK_CORES][1] = 5
    machine = changes.owned(made, 0, HOUR_MS)
    assert changes.room(made, machine, 0)
    assert not changes.room(made, machine, 1)
    made.asks[c.ASK_CORES][1], made.asks[c.ASK_MEMORY_MB][1] = 4, 101
    assert not changes.room(made, machine, 1)
    made.machines[c.MACHINE_FLAGS][machine] = c.DRAINED
    assert not changes.room(made, machine, 0)
    made.machines[c.MACHINE_FLAGS][machine] = 0
    made.machines[c.MACHINE_STARTS][machine] = 3
    assert not changes.room(made, machine, 0)
