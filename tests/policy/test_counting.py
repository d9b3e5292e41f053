"""What is counted for monitoring systems."""

from collections import Counter

import msgspec
import pytest
from farms import spec

from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState
from penstock.policy.charging.counting import BUCKETS_S, bucket, of_attempt, of_power, risen

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
