"""More than one address of a hub, a hub that moves, a hub that is away for long: the agent finds its way and keeps to it."""

import json
from pathlib import Path

import pytest
from agent.conftest import Agent
from agent.fakehub import FakeHub

from penstock.agent.cancel import Cancel
from penstock.agent.session import Identity, Session
from penstock.wire.client import Address, Client, HubError, Unreachable

pytestmark = pytest.mark.needs("bwrap")


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def session(folder: Path, *urls: str, clock: Clock | None = None, **how: object) -> Session:
    addresses = [Address(url, **how) for url in urls]  # type: ignore[arg-type]
    return Session(addresses, Identity(folder / "credential.json", list(urls)), str, clock or Clock())


@pytest.fixture
def other():
    made = FakeHub()
    yield made
    made.stop()


def test_the_next_address_is_tried_and_the_first_one_again_later(tmp_path: Path) -> None:
    clock = Clock()
    one = session(tmp_path, "https://a", "https://b", "https://c", clock=clock)
    assert one.address.host == "a"
    assert one.next_address()
    assert (one.address.host, one.next_address(), one.address.host) == ("b", True, "c")
    clock.now = 299.0
    assert one.address.host == "c"
    clock.now = 301.0
    assert one.address.host == "a"
    assert not session(tmp_path, "https://a").next_address()


def test_where_a_hub_moved_to_is_kept_and_tried_first(tmp_path: Path) -> None:
    one = session(tmp_path, "https://a")
    Identity(tmp_path / "credential.json", ["https://a"]).keep("secret")
    one = session(tmp_path, "https://a")
    assert one.follow("https://new:8443/hub") == ""
    assert one.address.url == "https://new:8443/hub"
    again = session(tmp_path, "https://a")
    assert again.address.url == "https://new:8443/hub"
    again.next_address()
    assert again.address.url == "https://a"
    # Told of another hub, it is another story.
    assert session(tmp_path, "https://z").address.url == "https://z"


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("https://a", "http://b", {}),
        ("https://a", "http://b", {"insecure": True}),
        ("https://a", "http://127.0.0.1:9", {}),
        ("https://a", "https://localhost:9", {}),
        ("http://127.0.0.1", "http://b", {}),
        ("https://a", "file:///etc/passwd", {}),
        ("https://a", "https://", {}),
    ],
)
def test_an_address_that_protects_less_is_not_followed(
    tmp_path: Path, old: str, new: str, how: dict[str, bool]
) -> None:
    one = session(tmp_path, old, **how)
    assert one.follow(new)
    assert one.address.url == old
    assert session(tmp_path, old, **how).address.url == old


def test_the_authority_that_was_asked_for_holds_for_the_new_address(tmp_path: Path) -> None:
    one = session(tmp_path, "https://a", ca_file="/etc/own.pem")
    assert one.follow("https://b") == ""
    assert one.address.ca_file == "/etc/own.pem"


def test_calls_go_on_for_ten_minutes_without_a_hub(tmp_path: Path) -> None:
    clock = Clock()
    one = session(tmp_path, "https://a", clock=clock)
    answers: list[Exception | int] = [Unreachable("away")] * 250 + [HubError(503, {}), 7]

    class Patience(Cancel):
        def wait(self, seconds: float | None) -> bool:
            clock.now += seconds or 0
            return False

    def operation(_: Client) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert one.call(one.client(), operation, Patience()) == 7
    assert clock.now >= 500
    answers[:] = [Unreachable("away")] * 400
    with pytest.raises(Unreachable):
        one.call(one.client(), operation, Patience(), 600)
    assert len(answers) == 400 - 302


def test_an_agent_goes_to_the_next_hub_and_loses_nothing(hub: FakeHub, other: FakeHub, agent: Agent) -> None:
    other.tokens, other.credentials, other.enrolment = hub.tokens, hub.credentials, hub.enrolment
    agent.start("--hub", other.url)
    hub.offer("a", "echo one; while [ ! -e go ]; do sleep 0.05; done")
    hub.wait(lambda: b"one\n" in hub.log("a"))
    hub.stop()
    (agent.work / "slots/0/place/src/go").write_text("")
    other.logs = hub.logs
    assert other.ended("a")["result"] == "passed"
    assert f"trying {other.url}" in agent.said()
    hub.start()


def test_a_hub_that_moved_is_followed_also_after_a_restart(
    hub: FakeHub, other: FakeHub, agent: Agent
) -> None:
    other.tokens, other.credentials, other.enrolment = hub.tokens, hub.credentials, hub.enrolment
    hub.address = other.url
    agent.start()
    other.wait(lambda: other.polls)
    assert json.loads((agent.work / "credential.json").read_text())["address"] == other.url
    assert agent.end() == 0
    agent.run()
    other.wait(lambda: other.registrations)
    assert len(hub.registrations) == 1


def test_a_hub_that_is_gone_says_where_to(hub: FakeHub, other: FakeHub, agent: Agent) -> None:
    other.tokens, other.credentials, other.enrolment = hub.tokens, hub.credentials, hub.enrolment
    agent.start()
    hub.offer("a", "echo one; while [ ! -e go ]; do sleep 0.05; done")
    hub.wait(lambda: b"one\n" in hub.log("a"))
    other.logs = hub.logs
    hub.gone_to = other.url
    (agent.work / "slots/0/place/src/go").write_text("")
    assert other.ended("a")["result"] == "passed"
    assert f"the hub has moved to {other.url}" in agent.said()


def test_downloads_that_fail_are_told_with_a_poll(hub: FakeHub, agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("x")
    agent.start()
    hub.fault("/source", *["500"] * 2)
    hub.offer(
        "a",
        "echo 'curl: (6) Could not resolve host: mirror.example.org'; exit 6",
        kind="fetch",
        network="full",
        source=tmp_path / "source",
    )
    assert hub.ended("a")["result"] == "failed"
    hub.wait(lambda: any(poll["trouble"] for poll in hub.polls) and not hub.polls[-1]["trouble"])
    told = [one for poll in hub.polls for one in poll["trouble"]]
    assert {"host": "mirror.example.org", "what": "cannot be resolved", "count": 1} in told
    assert (
        sum(one["count"] for one in told if (one["host"], one["what"]) == ("127.0.0.1", "answered 500")) == 2
    )


def test_a_hub_of_another_release_is_named(hub: FakeHub, agent: Agent) -> None:
    hub.release = "9.9"
    agent.start()
    hub.wait(lambda: hub.polls)
    assert f"the hub 9.9: its agent is at {hub.url}/agent.pyz" in agent.said()


def test_the_old_hub_says_it_again_while_the_new_one_is_not_up_yet(tmp_path: Path) -> None:
    one = session(tmp_path, "https://old")
    assert one.follow("https://new") == ""
    assert one.next_address()
    assert one.address.url == "https://old"
    assert one.follow("https://new") == ""
    assert one.address.url == "https://new"
