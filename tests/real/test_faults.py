"""Commands that are wrong, hostile or slow, end to end through `penstock build`: what is said, what it costs, what is kept."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from real.killing import FARM, Ended, Place, Running, gated, wait_for
from real.reaper import below

pytestmark = [pytest.mark.slow, pytest.mark.needs("bwrap", "git")]
SHARE = "mkdir -p $DESTDIR$PREFIX/share"
MOST_MEMORY_KB = 200 * 1024
JOB_FIELDS = {
    "id",
    "module",
    "platform",
    "kind",
    "result",
    "attempts",
    "waited_s",
    "ran_s",
    "cost",
    "currency",
    "key",
    "reason",
}
LISTED_FIELDS = {
    "id",
    "build",
    "module",
    "platform",
    "kind",
    "state",
    "reason",
    "submitted_s",
    "ready_s",
    "attempts",
}
ATTEMPT_FIELDS = {"n", "fence", "machine", "pool", "state", "cause", "offered_s", "started_s", "ended_s"}


def manifest(**modules: Any) -> str:
    """A manifest; a list is the build of a module, a table all that is said of it."""
    tables = {name: {"build": said} if isinstance(said, list) else said for name, said in modules.items()}
    return json.dumps(
        {"version": 1, "modules": {name: {"platforms": ["p"], **said} for name, said in tables.items()}}
    )


def made(folder: Path, gates: tuple[str, ...] = (), **modules: Any) -> Place:
    return Place(folder / "place", {".penstock.yml": manifest(**modules)}, gates=gates)


def build(folder: Path, status: int, **modules: Any) -> tuple[Place, Ended]:
    """Build these modules, expect the status."""
    place = made(folder, **modules)
    ended = place.build()
    assert ended.status == status, ended.err
    return place, ended


def log_of(place: Place, ended: Ended, name: str) -> str:
    said = place.ask("logs", ended.job(name)["id"])
    assert said.status == 0, said.err
    return said.out


def counted(ended: Ended) -> dict[str, int]:
    """The totals that are not zero."""
    return {name: count for name, count in ended.document["totals"].items() if count}


# What commands do wrong -------------------------------------------------------------------------------------


def test_a_command_that_does_not_exist_fails_and_is_named(tmp_path: Path) -> None:
    place, ended = build(tmp_path, 1, a=["true", "no-such-program --help"])
    job = ended.job("a build")
    assert (job["result"], job["attempts"]) == ("failed", 1)
    assert "command 2 of 2" in job["reason"]
    assert "127" in job["reason"]
    assert "no-such-program" in log_of(place, ended, "a build")


def test_what_fails_blocks_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    _, ended = build(tmp_path, 1, a=["false"], b={"needs": ["a"], "build": ["true"]}, c=["true"])
    assert ended.results() == {"a build": "failed", "b build": "blocked", "c build": "passed"}
    assert counted(ended) == {"built": 1, "failed": 1, "blocked": 1}
    assert ended.document["passed"] is False


def test_a_failed_test_fails_the_build_and_blocks_nothing(tmp_path: Path) -> None:
    tested = {"build": [SHARE], "test": ["false"]}
    _, ended = build(tmp_path, 1, a=tested, b={"needs": ["a"], "build": ["test -d $PREFIX/share"]})
    assert ended.results() == {"a build": "passed", "a test": "failed", "b build": "passed"}


def test_a_person_runs_a_failure_again_and_what_passed_is_reused(tmp_path: Path) -> None:
    place, first = build(tmp_path, 1, a=["true"], b=["false"])
    assert first.results() == {"a build": "passed", "b build": "failed"}
    again = place.build()
    assert again.status == 1
    assert again.results() == {"a build": "reused", "b build": "failed"}
    assert again.job("b build")["attempts"] == 1


def test_a_job_beyond_its_time_fails_and_is_never_remembered(tmp_path: Path) -> None:
    place, ended = build(tmp_path, 1, a={"build": ["echo begun", "sleep 1000"], "timeout": "1s"})
    job = ended.job("a build")
    assert job["result"] == "failed"
    assert place.rows("SELECT state FROM attempt") == [("TIMED_OUT",)]
    assert place.rows("SELECT count(*) FROM failure") == [(0,)]
    assert "begun" in log_of(place, ended, "a build")


def test_daemons_that_a_job_leaves_behind_end_with_it(tmp_path: Path) -> None:
    daemon = "setsid sh -c 'sleep 1000 & sleep 1000' < /dev/null > /dev/null 2>&1 &"
    _, ended = build(tmp_path, 0, a=[daemon, "true"])
    assert ended.results() == {"a build": "passed"}
    assert ended.left == []


def test_a_fork_bomb_ends_at_its_time_and_the_farm_lives(tmp_path: Path) -> None:
    bomb = "f() { f | f & }; f; sleep 1000"
    place, ended = build(tmp_path, 1, a={"build": [bomb], "timeout": "1s"}, b=["true"])
    assert ended.results() == {"a build": "failed", "b build": "passed"}
    assert place.rows("SELECT count(*) FROM failure") == [(0,)]


def test_a_job_that_fills_its_tmp_fails_alone(tmp_path: Path) -> None:
    fill = "dd if=/dev/zero of=/tmp/all bs=1M count=100000"
    _, ended = build(tmp_path, 1, a={"build": [fill], "timeout": "5m"}, b=["true"])
    assert ended.results() == {"a build": "failed", "b build": "passed"}


def test_bytes_that_are_no_text_are_kept_as_they_were_printed(tmp_path: Path) -> None:
    place, ended = build(tmp_path, 0, a=[r"printf '\000\377\033[2J\n'"])
    assert b"\0\xff\x1b[2J\n" in place.log()
    explained = place.ask("explain", ended.job("a build")["id"])
    assert "\x1b" not in explained.out


def peak_kb(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def peaks_until_the_end(running: Running) -> dict[str, int]:
    """The most memory that hub and agents ever had, in KB."""
    peaks: dict[str, int] = {}

    def look() -> bool:
        hub = running.pid
        found = {"hub": hub} | {
            f"agent {p}": p for p, words in below(hub).items() if "-m penstock.agent" in words
        }
        for name, pid in found.items():
            peaks[name] = max(peaks.get(name, 0), peak_kb(pid))
        return running.ended

    wait_for(look, "the end")
    return peaks


def test_a_line_of_200_megabytes_costs_neither_hub_nor_agent_memory(tmp_path: Path) -> None:
    place = made(tmp_path, a=["head -c 200000000 /dev/zero | tr '\\0' x"])
    running = place.start_build()
    peaks = peaks_until_the_end(running)
    ended = running.wait()
    assert ended.status == 0, ended.err
    assert len(peaks) >= 2
    assert max(peaks.values()) < MOST_MEMORY_KB, peaks


# What they leave --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leaves",
    [
        "ln -s /etc/passwd $DESTDIR$PREFIX/share/link",
        "ln -s ../../../../../../etc/passwd $DESTDIR$PREFIX/share/link",
        "mkfifo $DESTDIR$PREFIX/share/pipe",
    ],
    ids=["absolute", "out of the tree", "a pipe"],
)
def test_what_may_not_be_installed_fails_with_its_name(tmp_path: Path, leaves: str) -> None:
    place, ended = build(tmp_path, 1, a=[SHARE, leaves])
    assert ended.job("a build")["result"] == "failed"
    assert re.search("link|pipe", ended.job("a build")["reason"])
    assert place.rows("SELECT count(*) FROM module WHERE state = 'verified'") == [(0,)]


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../../../../etc/passwd", "/dev/**"])
def test_artifacts_are_never_taken_from_outside(tmp_path: Path, pattern: str) -> None:
    place = made(tmp_path, a={"build": [SHARE, "echo a > $DESTDIR$PREFIX/share/a"], "artifacts": [pattern]})
    ended = place.build()
    assert ended.status in (0, 1, 2)
    stored = b"".join(path.read_bytes() for path in (place.state / "blobs").rglob("*") if path.is_file())
    assert b"root:" not in stored


def test_artifacts_that_are_links_are_not_followed(tmp_path: Path) -> None:
    leaves = ["mkdir out", "ln -s /etc/passwd out/link", "ln -s / out/root"]
    place = made(tmp_path, a={"build": leaves, "artifacts": ["out/**"]})
    ended = place.build()
    assert ended.status in (0, 1)
    stored = b"".join(path.read_bytes() for path in (place.state / "blobs").rglob("*") if path.is_file())
    assert b"root:" not in stored


def test_two_modules_with_one_path_fail_who_needs_both_and_both_are_named(tmp_path: Path) -> None:
    one, two = ([SHARE, f"echo {name} > $DESTDIR$PREFIX/share/same"] for name in ("one", "two"))
    _, ended = build(tmp_path, 1, one=one, two=two, both={"needs": ["one", "two"], "build": ["true"]})
    job = ended.job("both build")
    assert job["result"] == "failed"
    assert all(word in job["reason"] for word in ("one", "two", "share/same"))


# What is kept, and for whom -----------------------------------------------------------------------------------


def test_without_a_sandbox_results_stay_untrusted(tmp_path: Path) -> None:
    place = made(tmp_path, a=["true"])
    assert place.build("--no-sandbox").results() == {"a build": "passed"}
    assert place.build("--no-sandbox").results() == {"a build": "reused"}
    assert place.rows("SELECT DISTINCT trust FROM module") == [("untrusted",)]
    assert place.build().results() == {"a build": "passed"}
    assert place.build().results() == {"a build": "reused"}


def test_what_was_fetched_is_in_the_key_by_its_content(tmp_path: Path) -> None:
    files = {
        ".penstock.yml": manifest(
            a={"fetch": ["sh get.sh"], "build": [SHARE, "cp got $DESTDIR$PREFIX/share"]}
        )
    }
    place = Place(tmp_path / "place", files | {"get.sh": "echo same > got; rm get.sh\n"})
    assert place.build().results() == {"a fetch": "passed", "a build": "passed"}
    place.commit({"get.sh": "echo sa''me > got; rm get.sh\n"})
    assert place.build().results() == {"a fetch": "passed", "a build": "reused"}
    place.commit({"get.sh": "echo other > got; rm get.sh\n"})
    assert place.build().results() == {"a fetch": "passed", "a build": "passed"}


def test_a_comment_builds_its_module_and_nothing_behind_it(tmp_path: Path) -> None:
    leaf = {"source": "leaf", "build": [SHARE, "grep -v '^//' one.c > $DESTDIR$PREFIX/share/one.c || true"]}
    behind = {"source": "behind", "needs": ["leaf"], "build": ["test -f $PREFIX/share/one.c"]}
    files = {"leaf/one.c": "int one;\n", "behind/two.c": "int two;\n"}
    place = Place(tmp_path / "place", {".penstock.yml": manifest(leaf=leaf, behind=behind), **files})
    assert place.build().results() == {"leaf build": "passed", "behind build": "passed"}
    place.commit({"leaf/one.c": "// a comment\nint one;\n"})
    assert place.build().results() == {"leaf build": "passed", "behind build": "reused"}
    place.commit({"leaf/one.c": "int one = 1;\n"})
    assert place.build().results() == {"leaf build": "passed", "behind build": "passed"}


def test_needs_reach_across_platforms(tmp_path: Path) -> None:
    farm = FARM.replace("[[pool]]", '[platform.q]\nimage = "host"\nenvironment = { WHICH = "q" }\n[[pool]]')
    modules = {
        "tool": {"build": [SHARE, "echo $PLATFORM > $DESTDIR$PREFIX/share/made-on"]},
        "user": {
            "platforms": ["q"],
            "needs": [{"module": "tool", "platform": "p"}],
            "build": ["test $WHICH = q", "test $(cat $PREFIX/share/made-on) = p"],
        },
    }
    place = Place(
        tmp_path / "place", {".penstock.yml": manifest(**modules)}, farm.replace('["p"]', '["p", "q"]')
    )
    ended = place.build()
    assert ended.status == 0, ended.out
    assert ended.job("user build")["platform"] == "q"


# What is said -------------------------------------------------------------------------------------------------


def test_the_documents_are_what_the_contract_says(tmp_path: Path) -> None:
    place, ended = build(tmp_path, 1, a={"build": [SHARE], "test": ["false"]}, b=["false"])
    document = ended.document
    assert set(document) >= {"schema", "passed", "totals", "jobs"}
    assert document["schema"] == 1
    assert set(document["totals"]) == {"built", "reused", "failed", "error", "blocked"}
    for job in document["jobs"]:
        assert set(job) >= JOB_FIELDS
        assert re.fullmatch(r"\d+\.\d+", job["cost"])
        assert job["key"].startswith("sha256:")
    assert ended.err.splitlines()[-1] == "built 1, reused 0, failed 2, error 0, blocked 0"
    listed = json.loads(place.ask("jobs", "--json").out)["jobs"]
    assert {job["id"] for job in listed} == {job["id"] for job in document["jobs"]}
    for job in listed:
        assert set(job) >= LISTED_FIELDS
        assert [set(attempt) >= ATTEMPT_FIELDS for attempt in job["attempts"]] == [True]
        assert job["submitted_s"] <= job["ready_s"] <= job["attempts"][0]["ended_s"]


def test_a_running_build_is_explained_held_released_and_cancelled_from_outside(tmp_path: Path) -> None:
    wait = json.loads(gated("gate-a"))
    place = made(
        tmp_path, a=wait, b={"needs": ["a"], "build": ["echo b"]}, c={"needs": ["a"], "build": ["echo c"]}
    )
    running = place.start_build()
    place.reached("gate-a")
    jobs = {job["module"]: job["id"] for job in json.loads(place.ask("jobs", "--json").out)["jobs"]}
    assert "runs on here-1" in place.ask("explain", jobs["a"]).out
    assert "is blocked: needs a:build@p" in place.ask("explain", jobs["b"]).out
    assert place.ask("hold", jobs["b"], "--reason", "wait for me").out == f"{jobs['b']} is held\n"
    assert "wait for me" in place.ask("explain", jobs["b"]).out
    assert place.ask("hold", jobs["b"]).status == 1
    refused = place.ask("hold", jobs["a"])
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert place.ask("hold", "nobody").status == 2
    place.let_through("gate-a")
    wait_for(lambda: _is(place, jobs["c"], "PASSED"), "the other job to pass")
    assert not running.ended
    assert place.ask("release", jobs["b"]).status == 0
    ended = running.wait()
    assert ended.results() == {"a build": "passed", "b build": "passed", "c build": "passed"}


def _is(place: Place, job: str, state: str) -> bool:
    return place.rows("SELECT state FROM job WHERE id = ?", job) == [(state,)]


@pytest.mark.parametrize("whole", [True, False], ids=["build", "job"])
def test_cancelled_from_outside_a_build_ends_and_leaves_nothing(tmp_path: Path, whole: bool) -> None:
    place = made(tmp_path, a=json.loads(gated("gate-a")), b={"needs": ["a"], "build": ["true"]})
    running = place.start_build()
    place.reached("gate-a")
    job = json.loads(place.ask("jobs", "--json").out)["jobs"][0]
    assert place.ask("cancel", job["build"] if whole else job["id"]).status == 0
    ended = running.wait()
    assert (ended.status, ended.left) == (1, []), ended.err
    assert ended.results()["a build"] == "cancelled"
    assert ended.results()["b build"] == ("cancelled" if whole else "blocked")


def test_what_must_not_run_twice_is_an_error_when_its_agent_dies(tmp_path: Path) -> None:
    place = made(tmp_path, a={"build": json.loads(gated("gate-a")), "retry": "never"})
    running = place.start_build()
    place.reached("gate-a")
    (agent,) = [pid for pid, words in below(running.pid).items() if "-m penstock.agent" in words]
    os.kill(agent, 9)
    ended = running.wait()
    assert (ended.status, ended.left) == (3, []), ended.err
    assert ended.results() == {"a build": "error"}
    assert "must not run twice" in ended.job("a build")["reason"]
