"""Live streams across cuts: each message once, in order; and waiting for a build across restarts of its hub."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.cli import following, hubs, queries, submit
from penstock.cli.app import run
from penstock.cli.following import Message, follow, messages, patiently
from penstock.cli.hubs import Target
from penstock.cli.output import Leave
from penstock.model.farm import EVENT_KINDS
from penstock.wire.client import Client, Denied, HubError, Unreachable

TARGET = Target("http://127.0.0.1:1", "t")
HUB = ["--hub", "http://127.0.0.1:1"]


def still(_: float) -> None:
    """Waits for nothing."""


def lines(text: bytes) -> Callable[[], bytes]:
    kept = iter(text.splitlines(keepends=True))
    return lambda: next(kept, b"")


def test_a_stream_is_read_as_messages() -> None:
    text = (
        b": still here\nid: 4\n\n"
        b'event: job\nid: 5\ndata: {"state":\ndata: "queued"}\n\n'
        b'event: build\r\nid: 6\r\ndata: {}\r\n\r\nevent: cut\ndata: {"no'
    )
    found = list(messages(lines(text)))
    assert found == [
        Message("", {}, "4"),
        Message("job", {"state": "queued"}, "5"),
        Message("build", {}, "6"),
    ]


def connections(monkeypatch: pytest.MonkeyPatch, *scripts: list[Any]) -> list[str]:
    """What each connection gives: messages, then perhaps what it raises. Returns the places that were asked for."""
    places: list[str] = []
    waiting = iter(scripts)

    def connection(target: Target, path: str, place: str) -> Iterator[Message]:
        places.append(place)
        for one in next(waiting):
            if isinstance(one, Exception):
                raise one
            yield one

    monkeypatch.setattr(following, "_connection", connection)
    return places


def test_a_cut_stream_is_taken_up_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = connections(
        monkeypatch,
        [Message("job", {}, "1"), ConnectionResetError()],
        [ConnectionRefusedError()],
        [HubError(503, {})],
        [Unreachable("no hub")],
        [TimeoutError()],
        [Message("", {}, "7"), Message("job", {}, "8")],
        [Message("job", {}, "9")],
    )
    stream = follow(lambda: TARGET, "/x", still)
    assert [next(stream).place for _ in range(3)] == ["1", "8", "9"]
    assert places == ["", "1", "1", "1", "1", "1", "8"]
    assert capsys.readouterr().err == (
        "penstock: the hub does not answer; waiting for it\npenstock: the hub is back\n"
    )


def test_a_token_that_is_taken_back_ends_the_waiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connections(monkeypatch, [ConnectionResetError()], [Denied(401, {"reason": "revoked"})])
    with pytest.raises(Leave):
        next(follow(lambda: TARGET, "/x", still))
    assert "the token is not accepted: revoked" in capsys.readouterr().err


def test_a_hub_that_does_not_come_back_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", -1.0)
    connections(monkeypatch, [OSError("cut")])
    with pytest.raises(Unreachable, match="the hub is away"):
        next(follow(lambda: TARGET, "/x", still))


def test_a_question_is_asked_again_until_the_hub_is_there() -> None:
    answers: list[Any] = [Unreachable("away"), HubError(503, {}), {"yes": 1}]

    def ask() -> Any:
        one = answers.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    assert patiently(ask, still) == {"yes": 1}
    answers.append(HubError(404, {}))
    with pytest.raises(HubError):
        patiently(ask, still)


def result(state: str, *results: str) -> dict[str, Any]:
    """A build's document."""
    jobs = [
        {
            "id": f"b1-{n:04d}", "module": f"m{n}", "platform": "linux", "kind": "build", "result": one,
            "attempts": 1, "waited_s": 0.5, "ran_s": 2.0, "cost": "0.000123", "currency": "USD", "key": None, "reason": "why",
        }
        for n, one in enumerate(results, 1)
    ]  # fmt: skip
    totals = {
        "built": results.count("passed"),
        "reused": 0,
        "failed": results.count("failed"),
        "error": 0,
        "blocked": 0,
    }
    return {
        "schema": 1,
        "build": "b1",
        "state": state,
        "passed": state == "PASSED",
        "totals": totals,
        "jobs": jobs,
    }


def hub_that_answers(monkeypatch: pytest.MonkeyPatch, *documents: Any) -> list[Any]:
    """A hub that takes a submission and then says these documents of the build, one after another."""
    asked: list[Any] = []
    waiting = list(documents)

    def call(client: Client, method: str, path: str, body: Any = None, **_: Any) -> Any:
        asked.append((method, path, body))
        if path == "/api/v1/submit":
            return {"build": "b1", "warnings": ["no pool takes\x1b[2J it"]}
        one = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setenv(hubs.TOKEN, "t")
    monkeypatch.setattr(Client, "call", call)
    monkeypatch.setattr(
        submit, "follow", lambda where, path: iter([Message("", {}, "1"), *[Message("build", {}, "2")] * 9])
    )
    monkeypatch.setattr(submit, "patiently", lambda ask: patiently(ask, still))
    return asked


def test_submit_prints_the_build(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = hub_that_answers(monkeypatch, result("open"))
    line = [
        "submit",
        "https://code.example/zlib.git",
        "--ref",
        "v1",
        "--project",
        "p",
        "--priority",
        "-3",
        "--request",
        "r1",
    ]
    assert run([*line, *HUB, "--json"]) == 0
    shown = capsys.readouterr()
    said = "no pool takes\\x1b[2J it"
    assert json.loads(shown.out) == {"build": "b1", "warnings": [said]}
    assert shown.err == f"penstock: warning: {said}\n"
    body = {
        "request": "r1",
        "repository": "https://code.example/zlib.git",
        "ref": "v1",
        "path": ".",
        "project": "p",
        "priority": -3,
    }
    assert asked == [("POST", "/api/v1/submit", body)]
    assert run([*line, *HUB]) == 0
    assert capsys.readouterr().out == "b1\n"


@pytest.mark.parametrize(
    ("last", "status"),
    [(result("PASSED", "passed", "reused"), 0), (result("FAILED", "failed", "blocked"), 1), (result("ERROR", "failed", "error"), 3)],
)  # fmt: skip
def test_waiting_ends_with_the_status_of_the_build(
    last: Any, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub_that_answers(
        monkeypatch, result("open", "running", "queued"), Unreachable("restart"), HubError(502, {}), last
    )
    assert run(["submit", "https://code.example/zlib.git", "--wait", *HUB]) == status
    out = capsys.readouterr()
    assert out.out.endswith(
        f"built {last['totals']['built']}, reused 0, failed {last['totals']['failed']}, error 0, blocked 0\n"
    )
    assert "penstock: build b1, http://127.0.0.1:1/builds/b1" in out.err
    assert f"{last['jobs'][0]['result']:>10}  m1 build on linux" in out.err
    assert run(["submit", "https://code.example/zlib.git", "--wait", "--json", *HUB]) == status
    assert json.loads(capsys.readouterr().out) == last


def test_a_followed_log_goes_on_into_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def piece(attempt: int, data: bytes) -> Message:
        return Message(
            "log", {"attempt": attempt, "offset": 0, "base64": base64.b64encode(data).decode()}, ""
        )

    told = [
        Message("", {}, ""),
        piece(1, b"\xffone\n"),
        piece(2, b"two\n"),
        Message("end", {"state": "PASSED", "reason": "r"}, ""),
    ]
    monkeypatch.setenv(hubs.TOKEN, "t")
    monkeypatch.setattr(queries, "follow", lambda where, path: iter(told))
    assert run(["logs", "j1", "-f", *HUB]) == 0
    out = capfdbinary.readouterr()
    assert out.out == b"\xffone\ntwo\n"
    assert out.err == b"penstock: attempt 2\npenstock: j1 has ended as PASSED: r\n"


def event(position: int, **about: str) -> dict[str, Any]:
    """One event's document."""
    nothing = dict.fromkeys(("state", "reason", "build", "job", "attempt", "machine"), "")
    return {"position": position, "at_s": 1_700_000_000.5, "kind": "job", **nothing, **about}


def test_events_are_the_last_ones_then_what_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [event(n, job=f"j{n % 2}", state="queued", reason="a\x1bb") for n in range(1, 6)]

    def call(client: Client, method: str, path: str, *_: Any, **__: Any) -> Any:
        after = int(path.partition("after=")[2].partition("&")[0])
        found = [one for one in kept if one["position"] > after]
        return {"events": found, "next": found[-1]["position"] if found else after, "oldest": 1, "newest": 5}

    told = [Message("gone", {}, "5"), Message("", {}, "5"), Message("job", event(6, machine="m1"), "6")]
    monkeypatch.setenv(hubs.TOKEN, "t")
    monkeypatch.setattr(Client, "call", call)
    monkeypatch.setattr("penstock.cli.events.follow", lambda where, path: iter(told))
    assert run(["events", "--limit", "2", *HUB]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2023-11-14 22:13:20\tjob\tj{n % 2}\tqueued\ta\\x1bb" for n in (4, 5)
    ]
    assert run(["events", "--job", "j1", "--json", *HUB]) == 0
    assert [one["position"] for one in json.loads(capsys.readouterr().out)["events"]] == [1, 3, 5]
    assert run(["events", "--limit", "1", "-f", "--json", *HUB]) == 0
    out = capsys.readouterr()
    assert [json.loads(line)["position"] for line in out.out.splitlines()] == [5, 6]
    assert "not kept any more" in out.err


def test_a_kind_of_event_that_there_is_not_is_refused_before_anybody_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["events", "--kind", "no\x1bpe", "--hub", "http://127.0.0.1:1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("penstock: --kind no\\x1bpe: there are no such events; write one of job, build,")


def test_every_kind_that_a_hub_writes_can_be_asked_for() -> None:
    hub = Path(penstock.__file__).parent / "hub"
    written = {kind for path in hub.glob("*.py") for kind in re.findall(r'kind="([a-z]+)"', path.read_text())}
    assert {"job", "download"} <= written <= {*EVENT_KINDS}
