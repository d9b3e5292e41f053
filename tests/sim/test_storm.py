"""Days on which everything goes wrong: no seed breaks an invariant, and the instrument itself is sound."""

import pytest
from storm import broken, main, shrunk

from penstock.model.artifact import Blob, Module
from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState, ModuleState
from penstock.providers.simulated import Weather
from penstock.sim.storm import Day, farm, faults, lived
from penstock.sim.storm.day import BEGIN_MS

CHUNK = 20


@pytest.mark.parametrize("first", range(0, 200, CHUNK))
def test_no_day_breaks_an_invariant(first: int) -> None:
    """The sample of every run; `python -m tests.storm` tries as many as it is told."""
    assert broken(range(first, first + CHUNK)) == []


def test_a_day_is_full_of_trouble() -> None:
    """What the sample is worth: most kinds of ends of attempts and jobs are there, and machines come and go."""
    ends: set[str] = set()
    again: set[str] = set()
    for seed in range(3, 6):
        day = lived(seed)
        assert day.clock.now_ms == BEGIN_MS + 86_400_000
        assert day.witness.steps > 300
        ends |= {one.state for one in day.store.read(lambda tx: tx.find(Attempt, "key"))}
        ends |= {one.state for one in day.store.read(lambda tx: tx.find(Job, "key"))}
        made = day.store.read(lambda tx: tx.find(Module, "key"))
        assert len({one.output for one in made}) > 3
        ends |= {one.state for one in made}
        again |= {one.digest for one in day.store.read(lambda tx: tx.find(Blob, "key")) if one.version > 2}
    assert {AttemptState.LOST, AttemptState.REFUSED, AttemptState.PREEMPTED, AttemptState.PASSED} <= ends
    assert {JobState.PASSED, JobState.FAILED, JobState.BLOCKED_DEAD, JobState.ERROR} <= ends
    assert {JobState.REUSED, ModuleState.COLLECTED} <= ends
    assert again, "no blob was collected and published once more"


def test_two_faults_of_one_kind_that_overlap_are_over_with_the_storm() -> None:
    """The second one found the first one's weather and brought it back in the evening: a provider that refused four calls of five
    for the rest of the day, and machines that were still being given back when it ended."""
    day = lived(7932)
    assert day.wrong == []
    assert {provider.weather for provider in day.stormy.values()} == {Weather()}


def test_equal_seeds_are_equal_days() -> None:
    told = [(day.trace, day.witness.steps, day.store.take()) for day in (lived(3), lived(3))]
    assert told[0] == told[1]


def test_farms_differ_and_every_pool_and_fault_occurs() -> None:
    pools = {pool.name for seed in range(20) for pool in farm.draw(seed).rules.pools}
    assert pools == {"own", "burst", "spot", "quota", "single", "safe"}
    seen = {line.split("fault ")[1] for seed in range(8) for line in _told(seed) if "fault " in line}
    assert len(seen) > len(faults.KINDS) - 4


def _told(seed: int) -> list[str]:
    """The faults of a day, without the day."""
    day = Day(seed)
    faults.plan(day, seed, frozenset())
    told: list[str] = []
    day.note = told.append  # type: ignore[method-assign]
    for kind in faults.KINDS:
        if any(getattr(act, "args", (0, 0))[1] is kind for _, _, _, act in day._heap):
            told.append(f"fault {kind.__name__.strip('_')}")
    return told


def test_what_breaks_is_shown_with_as_few_faults_as_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that no day keeps."""
    monkeypatch.setattr(faults, "LEAST", 2)
    monkeypatch.setattr(faults, "MOST", 3)
    usual = Day.clear_up

    def clear_up(self: Day) -> None:
        self.breach("I0", "farm", "it is evening")
        usual(self)

    monkeypatch.setattr(Day, "clear_up", clear_up)
    assert broken(range(5, 6)) == [(5, ["I0 farm: it is evening"])]
    day = shrunk(5)
    assert not [line for line in day.trace if "fault" in line]
    assert main(["--show", "5"]) == 1
    assert "I0 farm: it is evening" in capsys.readouterr().out


def test_what_is_raised_is_a_breach_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Day, "clear_up", lambda self: 1 // 0)
    (wrong,) = lived(5).wrong
    assert wrong.startswith("crash test_storm.py:")
    assert "ZeroDivisionError" in wrong


def test_the_command_counts_and_fails_where_a_seed_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--first", "14"]) == 0
    assert "2 seeds from 14, 0 failed" in capsys.readouterr().out
