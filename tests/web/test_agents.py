"""The agent's API over HTTP: who may, what is answered, what a repeat and a stale fence get."""

import hashlib
from base64 import b64encode

import pytest

from tests.farms import KEY, planned
from tests.web.edges import Edge, fence, right


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_job_goes_from_offer_to_archive(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib"))
    one = edge.started()
    assert (one["kind"], one["module"], one["commands"]) == ("build", "zlib", ["make build"])
    assert one["outputs"] == ["tree"]
    assert one["memory_mb"] == 1024
    assert edge.agent("GET", f"attempts/{one['attempt']}/source").content == b"a tar of /r"
    log = edge.agent(
        "POST", f"attempts/{one['attempt']}/log?offset=0", content=b"hello\n", headers=fence(one)
    )
    assert log.json() == {"next": 6}
    sent = edge.agent(
        "PUT", f"attempts/{one['attempt']}/outputs/tree", content=b"x" * 3_000_000, headers=fence(one)
    )
    assert sent.json() == {"name": "tree", "digest": digest(b"x" * 3_000_000), "size_bytes": 3_000_000}
    said = {
        **right(one),
        "result": "passed",
        "exit_code": 0,
        "outputs": [sent.json()],
        "used": {"wall_ms": 5},
    }
    assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=said).status_code == 200
    edge.farm.tick()
    assert edge.farm.states(build) == {"zlib:build": "PASSED"}
    assert b"".join(edge.farm.hub.blobs.read(digest(b"x" * 3_000_000))) == b"x" * 3_000_000


def test_a_poll_carries_acknowledgement_and_finish_in_one_round_trip(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.offer()
    taken = edge.poll(acknowledge=[right(one)], holds=[right(one)])
    assert [answer["status"] for answer in taken["acknowledged"]] == [200]
    ended = edge.poll(finish=[{**right(one), "result": "passed", "exit_code": 0}])
    assert [answer["status"] for answer in ended["finished"]] == [200]
    edge.farm.tick()
    assert edge.farm.states(build) == {"zlib:test": "PASSED"}


@pytest.mark.parametrize("alone", [True, False])
def test_a_short_log_comes_with_its_finish(edge: Edge, alone: bool) -> None:
    edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.started()
    stale = {**right(one), "fence": "old:0", "result": "passed", "log": b64encode(b"forged").decode()}
    said = {**right(one), "result": "passed", "log": b64encode(b"hello\n").decode(), "log_bytes": 6}
    if alone:
        assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=stale).status_code == 409
        assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=said).status_code == 200
    else:
        statuses = [answer["status"] for answer in edge.poll(finish=[stale, said])["finished"]]
        assert statuses == [409, 200]
    assert edge.people("GET", f"log/{one['job']}").json() == {"hex": b"hello\n".hex(), "ended": True}


@pytest.mark.parametrize(("log", "status"), [("%%", 400), ("A" * 50_000, 413)])
def test_a_log_that_is_none_or_long_does_not_come_with_a_finish(edge: Edge, log: str, status: int) -> None:
    edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.started()
    finish = {**right(one), "result": "passed", "log": log}
    body = {"call": 9, "finish": [finish]}
    assert edge.agent("POST", "poll", json=body).status_code == status


def test_the_answer_to_a_finish_brings_the_next_offer(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(topic: str) -> None:
        if topic == "farm":
            edge.farm.tick()
        else:
            edge.bell.wake(topic)

    edge.farm.submit("c1", *(planned(f"z{n}", "test") for n in range(3)))
    edge.poll()
    edge.farm.tick()
    both = edge.poll()["offers"]
    monkeypatch.setattr(edge.farm.bell, "wake", decide)
    ended = {**right(both[0]), "result": "passed"}
    answer = edge.poll(acknowledge=[right(one) for one in both], finish=[ended])
    assert [one["status"] for one in answer["finished"]] == [200]
    assert len(answer["offers"]) == 1


def test_a_repeated_finish_gets_the_same_answer_and_another_body_is_refused(edge: Edge) -> None:
    edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.started()
    path, said = f"attempts/{one['attempt']}/finish", {**right(one), "result": "passed", "exit_code": 0}
    first, again = (edge.agent("POST", path, json=said) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (200, first.json())
    other = edge.agent("POST", path, json={**said, "result": "failed"})
    assert other.status_code == 409
    assert "another finish" in other.json()["reason"]


@pytest.mark.parametrize("call", ["renew", "acknowledge", "finish", "log", "outputs/tree"])
def test_a_stale_fence_gets_a_stop_order_and_changes_nothing(edge: Edge, call: str) -> None:
    edge.farm.submit("c1", planned("zlib"))
    one = edge.started()
    stale = {**one, "fence": "old:0"}
    path = f"attempts/{one['attempt']}/{call}"
    if call in ("log", "outputs/tree"):
        method = "POST" if call == "log" else "PUT"
        answer = edge.agent(
            method, path + ("?offset=0" if call == "log" else ""), content=b"x", headers=fence(stale)
        )
    else:
        answer = edge.agent("POST", path, json={**right(stale), "result": "passed"})
    assert answer.status_code == 409
    assert answer.json() == {"stop": True, "reason": "stale fence: this right is another's or has ended"}
    assert edge.agent("POST", f"attempts/{one['attempt']}/renew", json=right(one)).status_code == 200


def test_a_piece_of_log_that_comes_twice_or_too_late_is_answered_with_the_offset_that_is_expected(
    edge: Edge,
) -> None:
    edge.farm.submit("c1", planned("zlib"))
    one = edge.started()

    def send(offset: int, data: bytes) -> int:
        path = f"attempts/{one['attempt']}/log?offset={offset}"
        return int(edge.agent("POST", path, content=data, headers=fence(one)).json()["next"])

    assert [send(0, b"abc"), send(0, b"abcd"), send(9, b"gap"), send(4, b"e")] == [3, 4, 4, 5]
    assert edge.people("GET", f"log/{one['job']}").json() == {"hex": b"abcde".hex(), "ended": False}


def test_an_attempt_reads_its_own_inputs_and_no_others(edge: Edge) -> None:
    edge.farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    first = edge.started()
    sent = edge.agent(
        "PUT", f"attempts/{first['attempt']}/outputs/tree", content=b"tree", headers=fence(first)
    ).json()
    said = {**right(first), "result": "passed", "exit_code": 0, "outputs": [sent]}
    edge.agent("POST", f"attempts/{first['attempt']}/finish", json=said)
    edge.farm.tick()
    second = edge.started()
    (given,) = second["inputs"]
    assert (given["module"], given["digest"], given["size_bytes"]) == ("zlib", digest(b"tree"), 4)
    assert edge.agent("GET", f"attempts/{second['attempt']}/inputs/{given['digest']}").content == b"tree"
    assert edge.agent("GET", f"attempts/{second['attempt']}/inputs/{digest(b'other')}").status_code == 404
    assert edge.agent("GET", f"attempts/{first['attempt']}/inputs/{given['digest']}").status_code == 404


def test_no_call_is_answered_without_a_token_that_is_good_now(edge: Edge) -> None:
    good, edge.token = edge.token, "nonsense"
    assert edge.agent("POST", "poll", json={"call": 1}).status_code == 401
    assert edge.client.post("/api/v1/agent/poll", json={"call": 1}).status_code == 401
    assert edge.register("cd" * 32).status_code == 401, "an enrolment token is good once, for one key"
    assert edge.register(KEY).status_code == 200, "the same key may try again: the answer may have been lost"
    edge.token = good
    assert edge.agent("POST", "poll", json={"call": 1}).status_code == 401, "the older session has ended"


def test_malformed_calls_are_told_what_is_wrong(edge: Edge) -> None:
    edge.farm.submit("c1", planned("zlib"))
    one = edge.started()
    attempt = f"attempts/{one['attempt']}"
    assert edge.agent("POST", "poll", json={"call": "x"}).status_code == 400
    assert edge.agent("POST", f"{attempt}/renew", json={"attempt": "other", "fence": "f"}).status_code == 409
    assert (
        edge.agent("PUT", f"{attempt}/outputs/nonsense", content=b"", headers=fence(one)).status_code == 404
    )
    assert edge.agent("PUT", f"{attempt}/outputs/tree", content=b"").status_code == 400, "no fence"
    assert edge.agent("POST", f"{attempt}/log?offset=-1", content=b"x", headers=fence(one)).status_code == 413
    assert edge.agent("GET", "attempts/unknown/source").status_code == 404
    assert edge.register("not a key", edge.enrolment).status_code in (400, 401)


def test_a_poll_in_an_unusual_form_is_answered_alike(edge: Edge) -> None:
    """Most polls take a way of their own; what is unusual goes the way of all other calls, once."""
    edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.offer()
    odd = {"Content-Type": "application/json; charset=utf-8"}
    taken = edge.agent("POST", "poll", json={"call": 5, "acknowledge": [right(one)]}, headers=odd)
    assert [answer["status"] for answer in taken.json()["acknowledged"]] == [200]
    late = edge.agent("POST", "poll", json={"call": 4})
    assert (late.status_code, late.json()["stop"]) == (409, False)
    assert edge.agent("POST", "poll", json={"call": 6.0}).status_code == 200, (
        "a whole number, however written"
    )
    assert edge.agent("POST", "poll", content=b"x" * (5 << 20), headers=odd).status_code == 413
    assert (
        edge.client.post("/api/v1/agent/poll", json={"call": 7}, headers={"Host": "evil"}).status_code == 421
    )
    assert edge.agent("POST", "poll", json={"call": 8}).headers["content-security-policy"]


def test_what_an_agent_says_is_kept_at_a_length_that_people_read(edge: Edge) -> None:
    """A job's reason goes into its events, its pages and all that waited for it."""
    build = edge.farm.submit("c1", planned("zlib", "test"))
    one = edge.started()
    edge.poll(finish=[{**right(one), "result": "failed", "cause": "x" * 1_000_000}])
    edge.farm.tick()
    reason = edge.farm.job(build, "zlib:test").reason
    assert reason.startswith("xxx")
    assert len(reason) <= 1000
