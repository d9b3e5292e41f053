"""Another system's queue, served: demand, runs, ends, stops, and all that can go wrong between two looks."""

from serving import Served

from penstock.hub.fsck import fsck
from penstock.model.job import Attempt
from penstock.model.ledger import Entry


def test_what_waits_there_is_run_on_machines_that_are_rented_for_it_and_stopped_after_it() -> None:
    farm = Served(books=True)
    farm.system.ask("linux-gcc", "linux-clang", "windows", group="7")
    farm.until(lambda: len(farm.system.running) == 2)
    farm.pass_s(60)
    assert farm.powers() == {"burst-1": "up", "burst-2": "up"}
    assert farm.jobs() == [("linux-gcc", "running"), ("linux-clang", "running")]
    farm.system.end("1", "passed")
    farm.system.end("2", "failed", "failed make")
    farm.pass_s(10)
    assert farm.jobs() == [("linux-gcc", "PASSED"), ("linux-clang", "FAILED")]
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    assert farm.system.paused == {"burst-1": True, "burst-2": True}
    assert fsck(farm.hub) == []
