"""What Buildbot's documents mean; those of a real master are read in tests/real/test_serves_buildbot.py."""

from typing import Any

import pytest

from penstock.forges.buildbot_queue import BuildbotQueue, login
from penstock.queueport import QueueError

REQUEST = {
    "buildrequestid": 5,
    "buildsetid": 2,
    "builderid": 1,
    "claimed": False,
    "complete": False,
    "results": -1,
    "submitted_at": 1_700_000_000,
    "complete_at": None,
}
BUILD = {
    "buildid": 9,
    "builderid": 1,
    "buildrequestid": 5,
    "workerid": 3,
    "started_at": 1_700_000_010,
    "complete_at": None,
    "results": None,
    "state_string": "building",
}
AGENT = {
    "workerid": 3,
    "name": "burst-1",
    "workerinfo": {"host": "penstock m1\n"},
    "paused": False,
    "pause_reason": None,
    "graceful": False,
    "connected_to": [{"masterid": 1}],
    "configured_on": [],
}


class Double:
    """Answers by the first part of a path; remembers what it was asked."""

    def __init__(self, **documents: Any) -> None:
        known = {"workers": [AGENT], "builders": [{"builderid": 1, "name": "linux-gcc"}], "builds": []}
        self.documents: dict[str, Any] = known | {"buildrequests": [], "buildsets": []} | documents
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, path: str, method: str = "GET", body: Any = None) -> Any:
        self.asked.append((path, method, body))
        name = path.removeprefix("api/v2/").partition("?")[0].partition("/")[0]
        found = self.documents.get(name)
        return found if not isinstance(found, list) else {name: found}

    @property
    def queue(self) -> BuildbotQueue:
        return BuildbotQueue(lambda: self, lambda: {"burst-1": "abc"})


def test_what_waits_and_who_is_there() -> None:
    claimed = {**REQUEST, "buildrequestid": 6, "claimed": True}
    sets = [{"bsid": 2, "reason": "a push"}]
    seen = Double(buildrequests=[REQUEST, claimed], buildsets=sets).queue.watch("")
    (waits,) = seen.waiting
    assert (waits.id, waits.builder, waits.group, waits.title) == ("5", "linux-gcc", "2", "a push")
    assert waits.since_ms == 1_700_000_000_000
    (agent,) = seen.agents
    assert (agent.name, agent.connected, agent.machine, agent.paused) == ("burst-1", True, "m1", False)


@pytest.mark.parametrize(
    ("results", "meant"),
    [(0, "passed"), (1, "passed"), (2, "failed"), (3, "passed"), (4, "error"), (5, "lost"), (6, "cancelled"), (9, "error")],
)  # fmt: skip
def test_how_builds_end(results: int, meant: str) -> None:
    ended = {**BUILD, "complete_at": 1_700_000_040, "results": results}
    asked = Double(builds=[ended])
    (run,) = asked.queue.watch("1700000030").ended
    assert (run.id, run.agent, run.result, run.ended_ms - run.started_ms) == ("9", "burst-1", meant, 30_000)
    assert any("complete_at__ge=1700000028" in path for path, _, _ in asked.asked)


def test_the_first_look_leaves_what_ended_before_alone() -> None:
    ended = {**BUILD, "complete_at": 1_700_000_040, "results": 0}
    double = Double(builds=[ended])
    double.documents["builds"] = []
    assert double.queue.watch("").mark == "1"


def test_paused_is_told_by_whom() -> None:
    for reason, ours in (("penstock: its machine is to stop", True), ("broken disk", False), (None, False)):
        (agent,) = Double(workers=[{**AGENT, "paused": True, "pause_reason": reason}]).queue.watch("").agents
        assert (agent.paused, agent.paused_by_us) == (True, ours)
    (agent,) = Double(workers=[{**AGENT, "graceful": True, "workerinfo": None}]).queue.watch("").agents
    assert (agent.paused, agent.paused_by_us, agent.machine) == (True, False, "")


@pytest.mark.parametrize(
    ("request_", "builds", "state", "result"),
    [
        (REQUEST, [BUILD], "open", ""),
        ({**REQUEST, "complete": True, "results": 3}, [], "merged", ""),
        ({**REQUEST, "complete": True, "results": 6}, [], "ended", "cancelled"),
        ({**REQUEST, "complete": True, "results": 2}, [BUILD], "ended", "failed"),
    ],
)
def test_what_became_of_a_request(request_: Any, builds: Any, state: str, result: str) -> None:
    fate = Double(buildrequests=[request_], builds=builds).queue.fate("5")
    assert (fate.state, fate.result, len(fate.runs)) == (state, result, len(builds))


def test_a_request_that_is_gone() -> None:
    assert Double(buildrequests=None).queue.fate("5").state == "gone"
    assert Double(buildrequests=[]).queue.fate("5").state == "gone"


def test_an_agent_is_paused_with_a_reason_that_says_whose() -> None:
    double = Double()
    double.queue.pause("burst-1", True)
    double.queue.pause("burst-1", False)
    (path, method, call), (_, _, back) = double.asked
    assert (path, method, call["method"], back["method"]) == (
        "api/v2/workers/burst-1",
        "POST",
        "pause",
        "unpause",
    )
    assert call["params"]["reason"].startswith("penstock: ")


def test_other_documents_are_a_problem_and_no_crash() -> None:
    with pytest.raises(QueueError, match="this is not Buildbot's interface: KeyError 'claimed'"):
        Double(buildrequests=[{**BUILD, "submitted_at": 1, "buildsetid": 1}]).queue.watch("")
    with pytest.raises(QueueError, match="it has no api/v2/workers: is the address that of Buildbot's pages"):
        Double(workers=None).queue.watch("")
    with pytest.raises(QueueError, match="this is not Buildbot's interface"):
        Double(buildrequests=["?"]).queue.fate("5")
    with pytest.raises(QueueError, match="no secret is known for burst-2"):
        Double().queue.secret("burst-2")


def test_who_logs_in() -> None:
    assert login("") == {}
    assert login("me:pass") == {"Authorization": "Basic bWU6cGFzcw=="}


class Guarded(Double):
    """A master that wants to know who asks; `knows`: whether logging in is of use. Its pages lead to others."""

    def __init__(self, knows: bool) -> None:
        super().__init__()
        self._knows, self._known = knows, False

    def __call__(self, path: str, method: str = "GET", body: Any = None) -> Any:
        found = super().__call__(path, method, body)
        if path == "auth/login":
            self._known = self._knows
            raise QueueError("it answered 302 Found")
        if not self._known:
            raise QueueError("it answered 403 Forbidden")
        return found


def test_who_is_refused_logs_in_and_asks_once_more() -> None:
    double = Guarded(knows=True)
    double.queue.pause("burst-1", True)
    double.queue.pause("burst-1", False)
    pause = "api/v2/workers/burst-1"
    assert [path for path, _, _ in double.asked] == [pause, "auth/login", pause, pause]
    assert double.asked[-1][2]["method"] == "unpause"
    assert double.queue.watch("").agents[0].name == "burst-1"


def test_who_may_not_is_told_so() -> None:
    double = Guarded(knows=False)
    with pytest.raises(QueueError, match="403 Forbidden"):
        double.queue.pause("burst-1", True)
    assert len(double.asked) == 3
