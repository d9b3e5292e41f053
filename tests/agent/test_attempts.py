"""The whole agent against a hub that behaves: what is run, kept, refused and reported."""

import hashlib
import io
import os
import select
import signal
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("bwrap")


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(stream: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        return archive.getnames()


def given(hub, folder: Path, module: str, files: dict[str, str]) -> dict[str, object]:
    return {"module": module, "platform": "p", "digest": hub.blob(tree(folder, files)), "size_bytes": 1}


def test_a_build_from_source_to_outputs(hub, agent, tmp_path: Path) -> None:
    zlib = given(hub, tmp_path / "zlib", "zlib", {"include/zlib.h": "z", "lib/pkg/a": "1"})
    png = given(hub, tmp_path / "png", "png", {"include/png.h": "p", "lib/pkg/a": "1"})
    source = tree(
        tmp_path / "source", {"Makefile": "all:\n", ".penstock.yml": "version: 1\n", "doc/a.txt": "a"}
    )
    agent.start()
    hub.offer(
        "a",
        "cat $PREFIX/include/zlib.h $PREFIX/include/png.h",
        "mkdir -p $DESTDIR$PREFIX/lib",
        "echo lib > $DESTDIR$PREFIX/lib/libm.a",
        "ln -s $PREFIX/lib/libm.a $DESTDIR$PREFIX/lib/libm.so",
        "test ! -e .penstock.yml",
        "stat -c %Y Makefile; echo made > made",
        source=source,
        inputs=[zlib, png],
        outputs=["tree", "worktree", "artifacts"],
        artifacts=["$DESTDIR/**", "doc", "*.o"],
        source_date_epoch=1000000000,
    )
    finish = hub.ended("a")
    assert finish["result"] == "passed", hub.log("a")
    assert finish["used"]["wall_ms"] > 0
    assert finish["used"]["held_ms"] > finish["used"]["wall_ms"], "getting and sending hold the slot, too"
    assert 0 < finish["used"]["fetch_ms"] <= finish["used"]["held_ms"] - finish["used"]["wall_ms"]
    assert {one["name"]: one["digest"] for one in finish["outputs"]} == {
        name: "sha256:" + hashlib.sha256(hub.outputs["a", name]).hexdigest()
        for name in ("tree", "worktree", "artifacts")
    }
    assert names(hub.outputs["a", "tree"]) == ["lib", "lib/libm.a", "lib/libm.so"]
    assert names(hub.outputs["a", "worktree"]) == ["Makefile", "doc", "doc/a.txt", "made"]
    assert [name for name in names(hub.outputs["a", "artifacts"]) if "." in name] == [
        "doc/a.txt",
        "opt/penstock/lib/libm.a",
        "opt/penstock/lib/libm.so",
    ]
    log = hub.log("a").decode()
    assert "zp+ mkdir" in log
    assert "1000000000\n" in log
    assert "no file matches the artifact pattern *.o" in log
    assert finish["log_bytes"] == len(hub.log("a"))


def test_a_second_attempt_uses_the_kept_tree_and_cannot_change_it(hub, agent, tmp_path: Path) -> None:
    zlib = given(hub, tmp_path / "zlib", "zlib", {"include/zlib.h": "z"})
    agent.start()
    for name in "ab":
        hub.offer(name, "! echo evil > $PREFIX/include/zlib.h", "! rm $PREFIX/include/zlib.h", inputs=[zlib])
        assert hub.ended(name)["result"] == "passed"
    hub.offer("c", "ln $PREFIX/include/zlib.h mine && echo evil > mine", inputs=[zlib])
    assert hub.ended("c")["result"] == "failed"
    hub.offer("d", "cat $PREFIX/include/zlib.h", inputs=[zlib])
    assert hub.ended("d")["result"] == "passed"
    assert "z" in hub.log("d").decode().splitlines()
    assert sum("/inputs/" in call for call in hub.calls) == 1


def test_two_modules_at_one_path(hub, agent, tmp_path: Path) -> None:
    first = given(hub, tmp_path / "a", "zlib", {"include/z.h": "1"})
    second = given(hub, tmp_path / "b", "zlib-ng", {"include/z.h": "2"})
    agent.start()
    hub.offer("a", "true", inputs=[first, second])
    finish = hub.ended("a")
    assert finish["result"] == "failed"
    assert finish["remember"]
    assert finish["cause"] == "include/z.h is installed with different content by zlib (p) and by zlib-ng (p)"


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("ln -s /etc/passwd $DESTDIR/out", "out: the link to /etc/passwd leads out of the tree"),
        ("ln -s ../../x $DESTDIR/out", "out: the link to ../../x leads out of the tree"),
        ("mkfifo $DESTDIR/out", "out: a fifo cannot be packed"),
    ],
)
def test_artifacts_that_cannot_be_kept(hub, agent, command: str, cause: str) -> None:
    agent.start()
    hub.offer("a", command, outputs=["artifacts"], artifacts=["$DESTDIR/**"])
    finish = hub.ended("a")
    assert (finish["result"], finish["cause"], finish["remember"]) == ("failed", cause, True)
    assert ("a", "artifacts") not in hub.outputs


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../../secret", "$DESTDIR/../../x"])
def test_artifact_patterns_stay_inside(hub, agent, pattern: str) -> None:
    agent.start()
    hub.offer("a", "true", outputs=["artifacts"], artifacts=[pattern])
    assert "artifacts lie in the working folder" in hub.ended("a")["cause"]


@pytest.mark.parametrize(
    ("commands", "more", "result", "cause", "remember"),
    [
        (["exit 3"], {}, "failed", "command 1 of 1 failed with exit status 3: exit 3", True),
        (
            ["true", "nothing-there"],
            {},
            "failed",
            "command 2 of 2 failed with exit status 127: nothing-there",
            True,
        ),
        (["kill -SEGV $$"], {}, "failed", "command 1 of 1 failed with exit status 139: kill -SEGV $$", False),
        (
            ["exit 3"],
            {"network": "full"},
            "failed",
            "command 1 of 1 failed with exit status 3: exit 3",
            False,
        ),
        (["while :; do :; done"], {"timeout_s": 0.5}, "timed_out", "not done after 0.5 s", False),
    ],
)
def test_how_it_ends(hub, agent, commands, more, result: str, cause: str, remember: bool) -> None:
    agent.start()
    hub.offer("a", *commands, **more)
    finish = hub.ended("a")
    assert (finish["result"], finish["cause"], finish["remember"]) == (result, cause, remember)
    assert hub.log("a").decode().endswith(f"penstock: {result}: {cause}\n")


def test_out_of_memory_is_not_the_codes_fault(hub, agent) -> None:
    agent.start()
    hub.offer("a", "/usr/bin/python3 -c 'b = bytearray(300 << 20)'", memory_mb=64)
    finish = hub.ended("a")
    if not finish["used"]["measured_by"].startswith("cgroup"):
        pytest.skip("no control group for memory")
    assert (finish["result"], finish["remember"]) == ("failed", False)
    assert finish["cause"] == "out of memory: it may use 64 MB"


def test_slots_run_side_by_side(hub, agent) -> None:
    agent.start("--slots", "2")
    hub.offer("a", "echo one; while :; do sleep 1000; done", slot=0)
    hub.offer("b", "echo two", slot=1)
    assert hub.ended("b")["result"] == "passed"
    hub.order("a", "stop", "enough")
    finish = hub.ended("a")
    assert (finish["result"], finish["cause"]) == ("cancelled", "enough")


def test_a_stop_order_ends_everything(hub, agent, living) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    agent.start()
    hub.offer("a", f"setsid sleep {mark} & echo begun; wait")
    hub.wait(lambda: b"begun\n" in hub.log("a"))
    hub.order("a", "stop", "superseded")
    finish = hub.ended("a")
    assert finish["result"] == "cancelled"
    assert not living(mark)
    assert hub.log("a").endswith(b"penstock: cancelled: superseded\n")
    assert finish["log_bytes"] == len(hub.log("a"))


def test_sigterm_drains(hub, agent) -> None:
    agent.start()
    hub.offer(
        "a",
        "echo begun; /usr/bin/python3 -c 'import signal; signal.sigwait([signal.SIGUSR1])' wait-for-it || true",
    )
    hub.wait(lambda: b"begun\n" in hub.log("a"))
    agent.process.send_signal(signal.SIGTERM)
    hub.wait(lambda: hub.polls[-1]["draining"])
    hub.offer("b", "true")
    assert hub.polls[-1]["free_slots"] == []
    hub.order("a", "stop", "enough")
    assert agent.process.wait(60) == 0
    assert hub.finishes["a"][0]["result"] == "cancelled"
    assert "b" not in hub.finishes


def test_an_idle_agent_that_drains_says_so_before_it_ends(hub, agent) -> None:
    agent.start()
    hub.wait(lambda: hub.polls)
    assert agent.end() == 0
    assert (hub.polls[-1]["draining"], hub.polls[-1]["free_slots"]) == (True, [])


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_sigint_or_a_second_sigterm_kills(hub, agent, living, numbers) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    agent.start()
    hub.offer("a", f"echo begun; sleep {mark}")
    hub.wait(lambda: b"begun\n" in hub.log("a"))
    for number in numbers[:-1]:
        agent.process.send_signal(number)
        hub.wait(lambda: hub.polls[-1]["draining"])
    assert agent.end(numbers[-1]) == 130
    assert not living(mark)
    finish = hub.finishes["a"][0]
    assert (finish["result"], finish["remember"]) == ("preempted", False)


def test_leftovers_of_a_killed_agent_go(hub, agent) -> None:
    agent.start()
    hub.offer("a", "mkdir -p x/y; chmod 0 x; echo begun; sleep 3000")
    hub.wait(lambda: b"begun\n" in hub.log("a"))
    assert agent.end(signal.SIGKILL) == -signal.SIGKILL
    assert (agent.work / "slots/0/place/src/x/y").parent.exists()
    agent.start()
    assert not (agent.work / "slots/0/place/src").exists()
    assert agent.end() == 0
    assert os.listdir(agent.work / "trash") == []


def test_the_plain_way(hub, agent, tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a.txt": "a"})
    zlib = given(hub, tmp_path / "zlib", "zlib", {"include/zlib.h": "z"})
    agent.start("--no-sandbox", "--slots", "4")
    assert hub.registrations[0]["sandbox"] == "plain"
    commands = ["cat a.txt $PREFIX/include/zlib.h", "mkdir -p $DESTDIR$PREFIX; cp a.txt $DESTDIR$PREFIX/b"]
    for name in "ab":
        hub.offer(name, *commands, source=source, inputs=[zlib], outputs=["tree"])
        assert hub.ended(name)["result"] == "passed", hub.log(name)
        assert names(hub.outputs[name, "tree"]) == ["b"]


def test_plain_attempts_side_by_side_see_the_same_paths(hub, agent) -> None:
    agent.start("--no-sandbox", "--slots", "2")
    if hub.registrations[0]["slots"] != 2:
        pytest.skip("no mount namespaces here")
    wait = "echo $PWD $PREFIX; echo {0} > mine; while [ ! -e go ]; do sleep 0.05; done; cat mine"
    for slot, name in enumerate("ab"):
        hub.offer(name, wait.format(name), slot=slot)
    hub.wait(lambda: b"/src " in hub.log("a") and b"/src " in hub.log("b"))
    for slot in range(2):
        (agent.work / f"slots/{slot}/place/src/go").write_text("")
    for name in "ab":
        assert hub.ended(name)["result"] == "passed"
        lines = hub.log(name).decode().splitlines()
        place = f"/var/tmp/penstock-{os.geteuid()}"
        assert f"{place}/src {place}/prefix" in lines
        assert lines[-1] == name


def test_a_wrong_token_is_said_once(hub, agent) -> None:
    (agent.folder / "token").write_text("wrong")
    ended = subprocess.run(agent.arguments(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "neither this machine's credential nor the enrolment token" in ended.stderr


def test_plain_http_to_others_must_be_asked_for(agent) -> None:
    ended = subprocess.run(
        [*agent.arguments(), "--hub", "http://hub.example.org"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "--insecure" in ended.stderr


def test_one_agent_for_each_work_folder(hub, agent) -> None:
    agent.start()
    ended = subprocess.run(agent.arguments(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "used by another agent" in ended.stderr


def test_the_credential_is_private_and_survives(hub, agent) -> None:
    agent.start()
    assert agent.end() == 0
    kept = agent.work / "credential.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    hub.enrolment.clear()
    agent.start()
    assert [one["key"] for one in hub.registrations] == [hub.registrations[0]["key"]] * 2


STARTER = """
import subprocess, sys
agent = subprocess.Popen(sys.argv[1:])
print(agent.pid, flush=True)
agent.wait()
"""


def test_it_dies_with_its_parent_when_asked_to(hub, agent, living) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    command = [sys.executable, "-c", STARTER, *agent.arguments("--die-with-parent")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        handles = [os.pidfd_open(int(parent.stdout.readline()))]
        hub.offer(
            "a", f"/usr/bin/python3 -c 'import signal; print(\"begun\", flush=True); signal.pause()' {mark}"
        )
        hub.wait(lambda: b"begun\n" in hub.log("a").partition(mark.encode())[2])
        handles += [os.pidfd_open(pid) for pid in living(mark)]
        assert len(handles) > 1
        parent.kill()
    for handle in handles:
        assert select.select([handle], [], [], 30)[0], "still alive"
        os.close(handle)
