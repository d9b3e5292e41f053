"""Hubs elsewhere: whose token, whose certificate, and one line for each thing that goes wrong."""

import ssl
from pathlib import Path

import pytest

from penstock.cli import hubs, queries
from penstock.cli.app import run
from penstock.wire.client import Client, Denied, HubError, Refused, Unreachable

HUB = ["--hub", "https://hub.example"]


class Answers:
    """Stands for every call: answers, or raises, what it was given; remembers what was asked."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked, self.tokens = answer, [], []  # type: ignore[var-annotated]

    def __call__(self, client: Client, method: str, path: str, body: object = None, **_: object) -> object:
        self.asked.append((method, path, body))
        self.tokens.append(client.token)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (hubs.TOKEN, hubs.TOKEN_FILE, hubs.CA_FILE):
        monkeypatch.delenv(name, raising=False)


def answering(monkeypatch: pytest.MonkeyPatch, answer: object) -> Answers:
    answers = Answers(answer)
    monkeypatch.setattr(Client, "call", lambda *a, **k: answers(*a, **k))
    return answers


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr()
    assert out.err.count("\n") == 1, out.err
    assert "Traceback" not in out.err
    return out.err


def test_a_hub_elsewhere_needs_no_farm_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-the-file\n")
    answers = answering(monkeypatch, {"done": True, "said": "it drains"})
    assert run(["drain", "m1", *HUB, "--token-file", "token"]) == 0
    monkeypatch.setenv(hubs.TOKEN, "from-the-environment")
    assert run(["quarantine", "m 1", *HUB, "--reason", "fan"]) == 0
    monkeypatch.setenv(hubs.TOKEN_FILE, str(tmp_path / "token"))
    assert run(["hold", "j1", *HUB]) == 0
    assert answers.tokens == ["from-the-file", "from-the-environment", "from-the-file"]
    assert answers.asked[1] == ("POST", "/api/v1/quarantine/m%201", {"reason": "fan"})


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (HUB, "no token for it; give --token-file FILE"),
        ([*HUB, "--token-file", "nothing"], "--token-file nothing: No such file or directory"),
        ([*HUB, "--token-file", "two"], "--token-file two: is no token"),
        ([*HUB, "--token-file", "bytes"], "--token-file bytes: is no token"),
        ([*HUB, "--token-file", "good", "--ca-file", "two"], "--ca-file two: "),
        (["--hub", "http://hub.example", "--token-file", "good"], "use https"),
        (["--hub", "nonsense", "--token-file", "good"], "write http://HOST:PORT"),
    ],
)
def test_what_is_given_wrongly_is_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("two", b"one two"), ("bytes", b"\xff\xfe"), ("good", b"token")):
        (tmp_path / name).write_bytes(text)
    assert run(["machines", *arguments]) == 2
    assert line in said(capsys)


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (Denied(401, {"reason": "it has expired"}), 2, "the token is not accepted: it has expired"),
        (Denied(403, {"reason": "this needs the role operator"}), 2, "this needs the role operator"),
        (Refused(409, {"reason": "it runs already"}), 2, "it runs already"),
        (HubError(404, {"reason": "machine 'm1' does not exist"}), 2, "machine 'm1' does not exist"),
        (HubError(421, {"reason": "another host"}), 2, "penstock serve --host NAME"),
        (HubError(503, {"reason": "the database is away"}), 3, "the hub answered 503: the database is away"),
        (Unreachable("hub.example: ConnectionRefusedError"), 3, "hub.example: ConnectionRefusedError"),
    ],
)
def test_what_a_hub_refuses_is_one_line(
    problem: Exception,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(hubs.TOKEN, "t")
    answering(monkeypatch, problem)
    assert run(["drain", "m1", *HUB]) == status
    assert line in said(capsys)


def test_a_certificate_that_nobody_vouches_for_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(hubs.TOKEN, "t")
    wrong = ssl.SSLCertVerificationError()
    wrong.verify_message = "self-signed certificate"
    problem = Unreachable("hub.example")
    problem.__cause__ = wrong
    answering(monkeypatch, problem)
    assert run(["builds", *HUB]) == 2
    assert "self-signed certificate; give --ca-file FILE" in said(capsys)


def test_options_of_one_call_are_gone_in_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    answering(monkeypatch, {"machines": []})
    assert run(["machines", *HUB, "--token-file", "token"]) == 0
    assert hubs.REACH.get() == hubs.Reach()
    assert run(["machines", *HUB]) == 2


def test_long_lists_are_read_in_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(hubs.TOKEN, "t")
    job = {"module": "zlib", "kind": "build", "platform": "linux", "reason": "", "attempts": []}

    def call(client: Client, method: str, path: str, *_: object, **__: object) -> object:
        if path.startswith("/api/v1/builds"):
            page = int(path.partition("after=b")[2] or 0)
            lines = [
                {"id": f"b{page + 1}", "state": "open", "jobs": 1, "open": 1, "source": "s", "reason": ""}
            ]
            return {"builds": lines, "next": f"b{page + 1}" if page < 4 else None}
        state = "FAILED" if path.startswith("/api/v1/jobs/b3") else "PASSED"
        return {"jobs": [{**job, "id": path, "state": state}], "next": None}

    monkeypatch.setattr(Client, "call", call)
    assert run(["builds", *HUB]) == 0
    assert capsys.readouterr().out.count("\topen\t1\t") == 5
    assert run(["builds", "--limit", "2", *HUB]) == 0
    assert capsys.readouterr().out.count("\topen\t1\t") == 2
    assert run(["jobs", "--only", "failed", "--limit", "3", *HUB]) == 0
    assert capsys.readouterr().out.count("\tFAILED\t") == 1
    assert run(["jobs", "--only", "nonsense", *HUB]) == 2
    assert "--only nonsense: write one of blocked" in said(capsys)


def test_what_only_a_hub_can_do_says_what_to_do_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Own(queries.OwnFarm):
        def __init__(self) -> None:
            pass

    class Opened:
        def __enter__(self) -> Own:
            return Own()

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(queries, "opened", lambda *_: Opened())
    assert run(["submit", "https://code.example/x.git"]) == 2
    assert "nobody serves this farm: start one with `penstock serve`" in said(capsys)


def test_a_folder_that_is_not_there_is_no_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "nothing-here", *HUB]) == 2
    assert "nothing-here: there is no such folder" in said(capsys)
