"""Bodies that are nearly right, at every call of an agent, with a session that is good: never a 500, and the farm goes on."""

import copy
import http.client
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for

from penstock.agent.fingerprint import measure
from penstock.model.states import JOB, JobState
from penstock.wire.client import Address, Client

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
REQUESTS = 2000
JSON = "application/json"
HOSTILE: list[Any] = [
    None, True, -1, 0, 2**53 + 1, 2**63, 2**64, 10**40, 1e308, -0.5, "", "\0", "\ud800", "a" * 5000, "../../x",
    "' OR 1=1 --", "sha256:" + "0" * 64, [], {}, [[]], [None], {"": {}}, {"attempt": "x"}, "\u202e\U0001f4a3",
]  # fmt: skip
FOREIGN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"call":1e999}',
    b'{"a":1,"a":2}',
    b'"x"',
    b"NaN",
]


def bodies(attempt: str, fence: str) -> dict[str, Any]:
    """What an agent sends, call by call, as it should be."""
    right = {"attempt": attempt, "fence": fence}
    finish = {
        **right, "result": "passed", "cause": "", "exit_code": 0, "remember": True, "log_bytes": 3, "log": "YWJj",
        "log_offset": 0, "outputs": [{"name": "tree", "digest": "sha256:" + "0" * 64, "size_bytes": 5}],
        "used": {"wall_ms": 5, "cpu_ms": 4, "memory_peak_mb": 3, "measured_by": "x"},
    }  # fmt: skip
    poll = {
        "call": 7, "free_slots": [0, 1], "holds": [{**right, "state": "running"}], "acknowledge": [right],
        "finish": [finish], "wait_s": 0.0, "draining": False, "trouble": [{"host": "h", "what": "w", "count": 2}],
    }  # fmt: skip
    about = {
        "protocol": 1, "name": "m", "key": "ab" * 32, "slots": 2, "cores": 2, "memory_mb": 512, "identity": "x",
        "sandbox": "plain", "version": "1", "holds": [{**right, "state": "offered"}],
    }  # fmt: skip
    at = f"/api/v1/agent/attempts/{attempt}"
    return {
        "/api/v1/agent/register": about,
        "/api/v1/agent/poll": poll,
        f"{at}/acknowledge": right,
        f"{at}/renew": right,
        f"{at}/finish": finish,
        f"{at}/outputs/tree/ticket": {},
        f"{at}/outputs/tree/received": {},
        f"{at}/log?offset=0": {},
        f"{at}/log?offset=-1": {},
        f"{at}/log?offset=99999999999999999999999": {},
        f"{at}/outputs/tree": {},
        f"{at}/outputs/..%2f..%2fx": {},
        "/api/v1/agent/attempts/..%2f..%2fx/log?offset=0": {},
        "/api/v1/agent/attempts/%00/renew": right,
    }


def mutated(body: Any, dice: random.Random) -> bytes:
    """One to three values replaced, removed, doubled or moved; now and then nothing, or something else altogether."""
    if dice.random() < 0.2:
        return dice.choice([*FOREIGN, *[json.dumps(body).encode()] * len(FOREIGN)])
    changed = copy.deepcopy(body)
    for _ in range(dice.randint(1, 3)):
        spot = changed
        while isinstance(spot, dict | list) and spot:
            key = dice.choice(list(spot) if isinstance(spot, dict) else range(len(spot)))
            if isinstance(spot[key], dict | list) and spot[key] and dice.random() < 0.7:
                spot = spot[key]
                continue
            act = dice.random()
            if act < 0.15:
                del spot[key]
            elif act < 0.3 and isinstance(spot, list):
                spot.extend([spot[key]] * dice.choice((1, 500)))
            else:
                spot[key] = dice.choice(HOSTILE)
            break
    text = json.dumps(changed).encode()
    return text[: dice.randrange(len(text))] if dice.random() < 0.05 else text


class Liar:
    """An agent's session that says nearly what it should."""

    def __init__(self, farm: Farmed) -> None:
        self.address = farm.wait_served()
        self.client = Client(Address(self.address))
        self.client.token = farm.token()
        about = {"name": "liar", "key": "cd" * 32, "sandbox": "plain", "identity": measure(), "slots": 2}
        said = self.client.call("POST", "/api/v1/agent/register", about)
        self.client.close()
        self.token, self.credential = said["token"], said["credential"]
        self.statuses: Counter[int] = Counter()
        self._connection: http.client.HTTPConnection | None = None

    def send(self, path: str, body: bytes, fence: str) -> tuple[int, bytes]:
        token = self.credential if path.endswith("/register") else self.token
        method = "PUT" if path.rpartition("/outputs/")[1] and "/outputs/tree/" not in path else "POST"
        kind = "application/octet-stream" if method == "PUT" or "/log" in path else JSON
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "X-Penstock-Fence": fence}
        try:
            status, said = self._answer(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            # After a body that it refused it may close: an agent asks again on another connection, and so does this.
            self.close()
            status, said = self._answer(method, path, body, headers)
        self.statuses[status] += 1
        if path.endswith("/register") and status == 200:
            self.token = json.loads(said)["token"]
        return status, said

    def _answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            where = urlsplit(self.address)
            self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def test_two_thousand_bodies_that_are_nearly_right_end_nothing(tmp_path: Path) -> None:
    dice = random.Random(1)
    with farmed(tmp_path / "farm", lease=(2.0, 6.0, 2.0)) as farm:
        farm.start_hub()
        liar = Liar(farm)
        farm.start_agent("honest")
        wait_for(lambda: len(farm.machines()) == 2, "both to register")
        first, second = farm.repository(
            [modules(20, lambda n, b=b: [f"echo {b} {n}"], f"b{b}m") for b in range(2)]
        )
        assert farm.submit(first)
        wait_for(lambda: len(farm.attempts()) > 2, "attempts to name")
        for n in range(REQUESTS):
            if n % 50 == 0:
                attempt = dice.choice(farm.attempts())
            fence = dice.choice([attempt.fence, attempt.fence, "", "x", f"{attempt.fence}0", "é"]).encode(
                "latin-1"
            )
            path, body = dice.choice(list(bodies(attempt.id, attempt.fence).items()))
            status, said = liar.send(path, mutated(body, dice), fence.decode("latin-1"))
            assert status < 500, (status, path, said)
            assert status < 400 or "reason" in json.loads(said), (status, path, said)
        print(dict(sorted(liar.statuses.items())))
        liar.close()
        assert set(liar.statuses) >= {200, 400, 404, 409}
        build = farm.submit(second)
        jobs = farm.wait_all_ended()
        assert all(JOB.terminal(job.state) for job in jobs)
        assert {job.state for job in jobs if job.build == build} == {JobState.PASSED}
        accepted = farm.accepted()
        honest = next(machine.id for machine in farm.machines() if machine.name == "honest")
        assert {accepted[job.id].machine for job in jobs if job.build == build} == {honest}
        assert farm.fsck() == []
        assert farm.faults_said() == []
