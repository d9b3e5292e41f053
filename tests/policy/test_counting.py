"""What is counted for monitoring systems."""

from collections import Counter

import msgspec
import pytest
from farms import spec

from penstock.model.job import Attempt, Job, Usage
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Health, JobState, Power
from penstock.policy.capacity import preset_numbers as presets
from penstock.policy.capacity import reasons
from penstock.policy.charging.counting import (
    BUCKETS_S,
    KINDS,
    TROUBLE,
    bucket,
    kind_of,
    of_attempt,
    of_power,
    of_turn,
    of_unstarted,
    risen,
)

JOB = Job(
    id="j", build="b", name="zlib", spec=spec("zlib"), state=JobState.PASSED, project="qemu", ready_ms=10_000
)
ATTEMPT = Attempt(
    id="a", job="j", build="b", n=1, slot=0, session="s", fence="1.1", machine="m", pool="own", state=AttemptState.PASSED,
    started_ms=17_000, ended_ms=77_000,
)  # fmt: skip


def test_a_first_attempt_has_its_wait_and_its_run() -> None:
    klass = JOB.spec.klass
    assert of_attempt(JOB, ATTEMPT) == Counter(
        {
            ("attempt", "own", "qemu", "PASSED"): 1,
            ("wait", "own", klass, "15"): 1,
            ("wait_ms", "own", klass, ""): 7_000,
            ("run", "own", klass, "60"): 1,
            ("run_ms", "own", klass, ""): 60_000,
        }
    )


@pytest.mark.parametrize(
    "changes", [{"n": 2}, {"started_ms": 9_000}], ids=["a later one", "one that began before"]
)
def test_others_have_no_wait(changes: dict[str, int]) -> None:
    found = of_attempt(JOB, msgspec.structs.replace(ATTEMPT, **changes))
    assert {what for what, *_ in found} == {"attempt", "run", "run_ms"}


@pytest.mark.parametrize("changes", [{"started_ms": 0}, {"started_ms": 80_000, "n": 2}])
def test_what_never_began_or_ended_before_is_only_counted(changes: dict[str, int]) -> None:
    found = of_attempt(JOB, msgspec.structs.replace(ATTEMPT, **changes))
    assert [what for what, *_ in found] == ["attempt"]


@pytest.mark.parametrize(
    ("took_ms", "end"), [(0, "5"), (5_000, "5"), (5_001, "15"), (7_200_000, "7200"), (7_200_001, "+Inf")]
)
def test_a_bucket_holds_its_upper_end(took_ms: int, end: str) -> None:
    assert bucket(took_ms) == end


def test_buckets_rise() -> None:
    found = risen({"5": 2, "60": 1, "+Inf": 4})
    assert found[0] == ("5", 2)
    assert dict(found)["60"] == 3
    assert found[-1] == ("+Inf", 7)
    assert len(found) == len(BUCKETS_S) + 1


def test_a_machine_that_turned() -> None:
    assert of_power("burst", "resuming") == Counter({("power", "burst", "resuming", ""): 1})


MACHINE = Machine(
    id="m", name="m", pool="burst", power=Power.UP, ordered_ms=1_000, since_ms=41_000, health=Health.UNKNOWN
)


@pytest.mark.parametrize(
    ("was", "phase"), [(Power.REGISTERING, "boot"), (Power.BOOTING, "boot"), (Power.RESUMING, "resume")]
)
def test_how_long_a_machine_took_to_come(was: Power, phase: str) -> None:
    assert of_turn(MACHINE, was, Power.UP, "") == Counter(
        {("phase", "burst", phase, "60"): 1, ("phase_ms", "burst", phase, ""): 40_000}
    )


@pytest.mark.parametrize(
    "changes",
    [{"ordered_ms": 0}, {"since_ms": 500}, {"power": Power.SUSPENDING}],
    ids=["it enrolled by itself", "it was resumed since", "it has gone on since"],
)
def test_what_is_not_known_any_more_is_not_counted(changes: dict[str, object]) -> None:
    assert not of_turn(msgspec.structs.replace(MACHINE, **changes), Power.BOOTING, Power.UP, "")


def test_a_drain_that_is_taken_back_is_no_boot() -> None:
    assert not of_turn(MACHINE, Power.DRAINING, Power.UP, "")


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("no machine that is there takes a waiting job in time; c7.large is the cheapest of 3", "jobs"),
        ("it was idle for longer than waking it again is worth", "idle"),
        ("the period before needed fewer", "idle"),
        ("did not come up in 300 s: ImagePullBackOff", TROUBLE),
        ("", TROUBLE),
    ],
)
def test_reasons_are_words(why: str, kind: str) -> None:
    assert kind_of(why) == kind
    assert of_turn(MACHINE, Power.UP, Power.DELETING, why) == Counter(
        {("decision", "burst", "delete", kind): 1}
    )


def test_every_reason_of_an_act_of_power_has_a_word() -> None:
    starts = {reasons.ON_OWNED, reasons.ON_RENTED}
    assert {text for code, text in reasons.ACTS.items() if code not in starts} <= set(KINDS)
    assert {text for code, text in presets.WHYS.items() if code != presets.WHY_NEXT} <= set(KINDS)


def test_a_person_who_retires_a_machine_is_no_trouble() -> None:
    gone = msgspec.structs.replace(MACHINE, health=Health.RETIRED)
    assert of_turn(gone, Power.UP, Power.DELETING, "sold") == Counter(
        {("decision", "burst", "delete", "retired"): 1}
    )


def test_what_came_before_and_after_the_commands() -> None:
    used = Usage(wall_ms=60_000, held_ms=66_000, fetch_ms=4_000)
    found = of_attempt(JOB, msgspec.structs.replace(ATTEMPT, usage=used))
    assert {key[2:]: n for key, n in found.items() if key[0].startswith("phase")} == {
        ("fetch", "5"): 1,
        ("fetch", ""): 4_000,
        ("run", "60"): 1,
        ("run", ""): 60_000,
        ("upload", "5"): 1,
        ("upload", ""): 2_000,
    }


def test_a_job_that_never_began() -> None:
    lost = msgspec.structs.replace(JOB, state=JobState.EXPIRED)
    assert of_unstarted(lost) == Counter({("unstarted", "", JOB.spec.platform, "EXPIRED"): 1})
    assert not of_unstarted(msgspec.structs.replace(lost, attempts=1))
    assert not of_unstarted(msgspec.structs.replace(lost, ready_ms=0)), "it was never ready"
