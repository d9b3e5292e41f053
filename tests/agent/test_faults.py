"""The agent against a hub and a network that fail at the worst moment: nothing is lost, nothing is done twice."""

import base64
import hashlib
import json
import signal
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("bwrap")
BIG = "head -c 5000000 /dev/zero > $DESTDIR/big"


def tree(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("fault", ["cut", "503", "late", "lost", "401"])
def test_an_upload_that_failed_is_sent_again(hub, agent, fault: str) -> None:
    hub.fault("/outputs/", fault, fault)
    agent.start()
    hub.offer("a", BIG, outputs=["artifacts"], artifacts=["$DESTDIR/big"])
    finish = hub.ended("a")
    assert finish["result"] == "passed"
    assert finish["outputs"][0]["size_bytes"] == len(hub.outputs["a", "artifacts"]) > 5_000_000
    assert (
        finish["outputs"][0]["digest"]
        == "sha256:" + hashlib.sha256(hub.outputs["a", "artifacts"]).hexdigest()
    )


@pytest.mark.parametrize("fault", ["cut", "503", "lost", "late"])
def test_a_log_arrives_whole(hub, agent, fault: str) -> None:
    hub.fault("/log", fault, fault)
    agent.start()
    hub.offer("a", "seq 1 100000")
    finish = hub.ended("a")
    expected = "+ seq 1 100000\n" + "".join(f"{number}\n" for number in range(1, 100001))
    assert hub.log("a").decode() == expected
    assert finish["log_bytes"] == len(expected)


@pytest.mark.parametrize("where", ["/outputs/", "/log"])
def test_409_stops_at_once_and_nothing_is_reported(hub, agent, living, where: str) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    hub.fault(where, "409")
    agent.start()
    wait = f"sleep {mark}" if where == "/log" else "true"
    hub.offer("a", f"echo begun; {wait}", outputs=["tree"])
    hub.wait(lambda: "a" in hub.acknowledged)
    hub.wait(lambda: not hub.faults)
    hub.wait(lambda: hub.polls[-1]["free_slots"] == [0] and hub.polls[-1]["holds"] == [])
    assert not living(mark)
    assert "a" not in hub.finishes
    hub.offer("b", "true")
    assert hub.ended("b")["result"] == "passed"


def test_a_download_that_was_cut_is_tried_again(hub, agent, tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a": "x" * 100_000})
    given = {"module": "z", "platform": "p", "digest": hub.blob(tree(tmp_path / "z", {"b": "y" * 100_000}))}
    hub.fault("/source", "half", "503")
    hub.fault("/inputs/", "half", "half")
    agent.start()
    hub.offer("a", "wc -c a $PREFIX/b", source=source, inputs=[given])
    assert hub.ended("a")["result"] == "passed", hub.log("a")


def test_what_cannot_be_fetched_is_the_farms_fault(hub, agent) -> None:
    agent.start()
    digest = "sha256:" + "0" * 64
    hub.offer("a", "true", inputs=[{"module": "z", "platform": "p", "digest": digest}])
    finish = hub.ended("a")
    assert (finish["result"], finish["remember"]) == ("refused", False)
    assert finish["cause"].startswith(f"cannot fetch 127.0.0.1/api/v1/agent/attempts/a/inputs/{digest}: ")


@pytest.mark.parametrize("what", ["source", "inputs"])
def test_what_is_not_what_its_digest_says_is_not_used(hub, agent, tmp_path: Path, what: str) -> None:
    digest = hub.blob(tree(tmp_path / "z", {"b": "y"}))
    other = "sha256:" + "1" * 64
    hub.blobs[other] = hub.blobs[digest]
    agent.start()
    wrong = (
        {"source": other}
        if what == "source"
        else {"inputs": [{"module": "z", "platform": "p", "digest": other}]}
    )
    hub.offer("a", "true", **{"source": None, **({} if what == "source" else wrong)})
    if what == "source":
        # The hub's own offer is right; damage what it sends.
        hub.ended("a")
        hub.offer("b", "true", source=tree(tmp_path / "source", {"c": "z"}))
        hub.sources["b"] = hub.blobs[digest]
    name = "b" if what == "source" else "a"
    finish = hub.ended(name)
    assert finish["result"] == "refused"
    assert "was asked for" in finish["cause"]


def test_a_lost_answer_repeats_the_same_words(hub, agent) -> None:
    agent.start()
    hub.offer("a", "echo begun; while [ ! -e go ]; do sleep 0.05; done")
    hub.wait(lambda: "a" in hub.acknowledged)
    hub.fault("/poll", "lost", "lost", "503")
    (agent.work / "slots/0/place/src").joinpath("go").write_text("")
    hub.wait(lambda: not hub.faults)
    hub.wait(lambda: hub.polls[-1]["free_slots"] == [0] and not hub.polls[-1]["finish"])
    bodies = {json.dumps(body, sort_keys=True) for body in hub.finishes["a"]}
    assert len(bodies) == 1


def test_a_lost_acknowledgement_starts_the_attempt_once(hub, agent) -> None:
    agent.start()
    hub.fault("/poll", "", "lost")
    hub.offer("a", "echo begun")
    assert hub.ended("a")["result"] == "passed"
    assert hub.log("a").splitlines().count(b"begun") == 1


def test_a_hub_that_restarts_loses_nothing(hub, agent) -> None:
    agent.start()
    hub.offer("a", "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two", outputs=["worktree"])
    hub.wait(lambda: b"one\n" in hub.log("a"))
    hub.stop()
    (agent.work / "slots/0/place/src").joinpath("go").write_text("")
    hub.start()
    finish = hub.ended("a")
    assert finish["result"] == "passed"
    assert hub.log("a").endswith(b"two\n")


def test_an_ended_session_is_begun_again_with_what_runs(hub, agent) -> None:
    agent.start()
    hub.offer("a", "echo one; while [ ! -e go ]; do sleep 0.05; done")
    hub.wait(lambda: b"one\n" in hub.log("a"))
    with hub.changed:
        hub.tokens.append("nobody has this")
        hub.changed.notify_all()
    hub.wait(lambda: len(hub.registrations) == 2)
    assert [one["attempt"] for one in hub.registrations[1]["holds"]] == ["a"]
    (agent.work / "slots/0/place/src/go").write_text("")
    assert hub.ended("a")["result"] == "passed"


def test_an_end_survives_the_agent(hub, agent) -> None:
    agent.start()
    hub.deaf_to_finishes = True
    hub.offer("a", "true")
    hub.wait(lambda: hub.refused_finishes)
    kept = json.loads((agent.work / "finishes/journal").read_text())
    agent.end(signal.SIGKILL)
    hub.deaf_to_finishes = False
    agent.start()
    assert hub.registrations[1]["holds"] == [{"attempt": "a", "fence": "fence-a", "state": "finishing"}]
    assert hub.ended("a") == kept == hub.refused_finishes[0]
    assert agent.end() == 0
    assert (agent.work / "finishes/journal").read_bytes() == b""


def test_what_must_never_run_twice_stops_before_its_right_ends(hub, agent, living) -> None:
    marks = {name: f"3{uuid.uuid4().int % 10**8}" for name in ("never", "farm")}
    hub.right_s = 2.0
    agent.start("--slots", "2")
    for slot, (retry, mark) in enumerate(marks.items()):
        hub.offer(retry, f"echo begun; sleep {mark}", slot=slot, retry=retry)
    hub.wait(lambda: b"begun\n" in hub.log("never") and b"begun\n" in hub.log("farm"))
    hub.deaf_to_finishes = True
    hub.fault("/poll", *["503"] * 4)
    hub.wait(lambda: hub.refused_finishes)
    assert hub.refused_finishes[0]["attempt"] == "never"
    assert "must never run twice" in hub.refused_finishes[0]["cause"]
    assert not living(marks["never"])
    assert living(marks["farm"])


def test_an_offer_is_begun_at_once_and_its_end_goes_with_its_acknowledgement(hub, agent) -> None:
    agent.start("--slots", "1")
    hub.offer("a", "true")
    hub.ended("a")
    first = next(poll for poll in hub.polls if poll["acknowledge"])
    assert [one["attempt"] for one in first["acknowledge"]] == ["a"]
    # The same call told both, or the next did where the machine was slow: never the end before the word for it.
    told = next(poll for poll in hub.polls if poll["finish"])
    assert hub.polls.index(first) <= hub.polls.index(told)


def test_what_must_never_run_twice_waits_for_the_answer(hub, agent) -> None:
    agent.start()
    hub.refuse.add("never")
    hub.offer("never", "true", retry="never")
    hub.wait(lambda: "never" in hub.refused_words)
    hub.offer("b", "true", slot=0)
    assert hub.ended("b")["result"] == "passed"
    assert hub.log("never") == b""
    assert "never" not in hub.finishes


def test_an_offer_that_is_gone_stops_and_reports_nothing(hub, agent, living) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    agent.start()
    hub.refuse.add("a")
    hub.offer("a", f"sleep {mark}")
    hub.wait(lambda: "a" in hub.refused_words)
    hub.wait(lambda: hub.polls[-1]["free_slots"] == [0] and hub.polls[-1]["holds"] == [])
    assert not living(mark)
    hub.offer("b", "true")
    assert hub.ended("b")["result"] == "passed"
    assert "a" not in hub.finishes


def test_uploads_wait_until_the_hub_knows_that_it_runs(hub, agent) -> None:
    agent.start("--slots", "2")
    hub.fault("/poll", "", "503", "503")
    hub.offer("a", BIG, outputs=["artifacts"], artifacts=["$DESTDIR/big"])
    assert hub.ended("a")["result"] == "passed"
    calls = [call for call in hub.calls if "/outputs/" in call or call.endswith("/poll")]
    assert len(calls[: next(at for at, call in enumerate(calls) if "/outputs/" in call)]) >= 4


def test_a_short_log_goes_with_the_finish_where_the_hub_takes_it(hub, agent) -> None:
    hub.finish_log_bytes = 16384
    agent.start()
    hub.offer("a", "echo one")
    finish = hub.ended("a")
    assert base64.b64decode(finish["log"]) == b"+ echo one\none\n"
    assert (finish["log_offset"], finish["log_bytes"]) == (0, 15)
    hub.offer("b", "seq 1 10000")
    finish = hub.ended("b")
    assert "log" not in finish
    assert len(hub.log("b")) == finish["log_bytes"] > 40_000
    assert not any("/a/log" in call for call in hub.calls)


def test_little_output_is_seen_while_it_runs(hub, agent) -> None:
    hub.finish_log_bytes = 16384
    agent.start()
    hub.offer("a", "echo one; while [ ! -e go ]; do sleep 0.05; done")
    hub.wait(lambda: b"one\n" in hub.log("a"))
    (agent.work / "slots/0/place/src/go").write_text("")
    assert hub.ended("a")["result"] == "passed"


def test_a_source_that_was_here_is_not_downloaded_again(hub, agent, tmp_path: Path) -> None:
    source = tree(tmp_path / "source", {"a": "x" * 100_000})
    agent.start()
    for name in "abc":
        hub.offer(name, "wc -c a; rm a", source=source)
        assert hub.ended(name)["result"] == "passed"
        if name == "b":
            kept = next((agent.work / "sources").iterdir())
            kept.write_bytes(kept.read_bytes()[:-2000])
    assert sum("/source" in call for call in hub.calls) == 2
    assert b"is damaged" in hub.log("c")
