"""EC2 as it documents itself, before moto, which keeps the machines: what moto leaves out, and all that goes wrong on the way.

moto 5.2 makes a new machine for each call with the same ClientToken, makes MinCount of them whatever MaxCount says, starts
machines that are terminated, keeps the time of their first start, stops spot instances that were asked for once and hibernates what was not set up for it. All
that is done here as the documentation of EC2 has it ("Ensuring idempotency", "Error codes", "Hibernate your instance",
"Eventual consistency"). States take time by the clock that is given.
"""

import base64
import json
import random
import re
import threading
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from real.ec2parts import Call, Machine, Refused

TYPES = {"m7i.large", "m7a.large", "c7i.large"}
GONE_MS = 3_600_000
"""What is terminated is listed for about an hour."""
STEADY = {"Signature", "Timestamp", "Version", "Action", "ClientToken"}
"""Not part of what a token is held against."""
NO_ANSWER = ("cut", "lost", "cut-off", "garbled", "unavailable", "unavailable-after")
"""How a call can go unanswered: never sent on; done and cut; cut in the middle; cut with the wrong length said; 503 before, or after."""


class Quietly(ThreadingHTTPServer):
    """Callers that do not wait for their answer are nothing to tell of."""

    def handle_error(self, *_: object) -> None:
        """They do not wait because they were made to."""


class Ec2Proxy:
    """`url` is EC2. `chances`: how often what goes wrong; `full`: (type, subnet) that have no capacity; `most`: the quota;
    `quotas`: what Service Quotas says by code, a code that is not there may not be asked for.

    `seen`: faults that happened, `calls`: (action, parameters) of all that came.
    """

    def __init__(self, moto: str, now: Callable[[], int]) -> None:
        self._moto, self._now = moto, now
        self._lock = threading.Lock()
        self.again()
        self._server = Quietly(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def again(self, seed: int = 0) -> None:
        """An empty account, in which nothing goes wrong yet."""
        self.chances: dict[str, float] = {}
        self.full: set[tuple[str, str]] = set()
        self.most = 10_000
        self.quotas: dict[str, float] = {}
        self.boot_ms = self.stop_ms = self.end_ms = self.behind_ms = 0
        self.late_s = 1.0
        self.machines: dict[str, Machine] = {}
        self.marked: dict[str, str] = {}
        self.protected: set[str] = set()
        self.seen: list[str] = []
        self.calls: list[tuple[str, dict[str, str]]] = []
        self._tokens: dict[str, tuple[dict[str, str], str, bytes]] = {}
        self._dice = random.Random(seed)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self) -> dict[str, str]:
        """All machines that there ever were, as they are now, whatever a listing would say."""
        return {one.id: one.state(self._now()) for one in self.machines.values()}

    def settle(self) -> None:
        """Whatever is under way ends now."""
        now_ms = self._now()
        for one in self.machines.values():
            one.made_ms -= GONE_MS // 2
            if one.turns[-1][0] < now_ms + GONE_MS:
                one.turns = [(now_ms, one.turns[-1][1])]

    def mark(self, id_: str, code: str = "marked-for-termination") -> None:
        """EC2 will take this spot instance back."""
        self.marked[id_] = code

    def take_away(self, id_: str) -> None:
        """It is terminated, by nobody here."""
        self.machines[id_].turns = [(self._now(), "terminated")]

    # What goes wrong

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            wbufsize = 1 << 16  # head and body in one packet, or the kernel waits between them

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if target := self.headers.get("X-Amz-Target"):
                    self.say(*proxy._quota(target, body))
                    return
                said = dict(parse_qsl(body.decode(), keep_blank_values=True))
                proxy._serve(self, Call(said.get("Action", ""), said, dict(self.headers)))

            def say(self, status: int, text: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                self.wfile.flush()

            def log_message(self, *words: object) -> None:
                """Nothing is printed."""

        return Handler

    def _quota(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Service Quotas, of which moto has none of EC2's: GetServiceQuota for who may."""
        self.calls.append((target.rpartition(".")[2], json.loads(body)))
        value = self.quotas.get(self.calls[-1][1]["QuotaCode"])
        if value is None:
            return 400, b'{"__type": "AccessDeniedException", "Message": "as documented"}'
        return 200, json.dumps({"Quota": {"Value": value}}).encode()

    def _serve(self, to: BaseHTTPRequestHandler, call: Call) -> None:
        with self._lock:
            fault = self._fault(call)
            self.calls.append((call.name, call.said))
            if fault in ("cut", "unavailable", "throttled"):
                answer = _error("Unavailable" if fault == "unavailable" else "RequestLimitExceeded", 503)
            else:
                answer = self._answer(call)
        if fault == "late":
            threading.Event().wait(self.late_s)
        if fault in ("cut", "lost", "late"):
            to.close_connection = True
            return
        if fault == "unavailable-after":
            answer = _error("InternalError", 500)
        status, body = answer
        to.send_response(status)
        to.send_header("Content-Type", "text/xml;charset=UTF-8")
        to.send_header("Content-Length", str(len(body) // 2 if fault == "garbled" else len(body)))
        to.end_headers()
        to.wfile.write(body[: len(body) // 2] if fault in ("garbled", "cut-off") else body)
        to.wfile.flush()
        to.close_connection = to.close_connection or fault == "cut-off"

    def _fault(self, call: Call) -> str:
        for name in ("throttled", "late", *NO_ANSWER):
            if self._dice.random() < self.chances.get(name, 0.0):
                return self._note(name)
        if self._dice.random() < self.chances.get("no_answer", 0.0):
            return self._note(self._dice.choice(NO_ANSWER))
        return ""

    def _note(self, fault: str) -> str:
        self.seen.append(fault)
        return fault

    def _happens(self, name: str) -> bool:
        hit = self._dice.random() < self.chances.get(name, 0.0)
        if hit:
            self._note(name)
        return hit

    # What EC2 does

    def _answer(self, call: Call) -> tuple[int, bytes]:
        act = getattr(self, "_" + re.sub("(?<=[a-z])(?=[A-Z])", "_", call.name).lower(), None)
        try:
            return act(call) if act is not None else self._pass_on(call)
        except Refused as refused:
            return _error(refused.code, refused.status)

    def _run_instances(self, call: Call) -> tuple[int, bytes]:
        said = call.said
        asked = {
            key: value for key, value in said.items() if key not in STEADY and not key.startswith("X-Amz")
        }
        token = said.get("ClientToken", "")
        if token in self._tokens:
            before, made, body = self._tokens[token]
            if before != asked:
                raise Refused("IdempotentParameterMismatch")
            if self.machines[made].state(self._now()) in ("shutting-down", "terminated"):
                raise Refused("IdempotentInstanceTerminated")
            return 200, body
        self._may_run(said)
        status, body = self._pass_on(call, MinCount=self._count(said))
        if status == 200:
            made = [one.text or "" for one in _items(_tree(body), "instanceId")]
            for one in made:
                self._made(one, said)
            self._tokens[token] = (asked, made[0], body)
        return status, body

    def _count(self, said: dict[str, str]) -> str:
        """As many as there is room for, MaxCount at most and MinCount at least."""
        room = min(int(said["MaxCount"]), self.most - self._running())
        if room < int(said["MinCount"]):
            raise Refused("VcpuLimitExceeded")
        return str(room)

    def _may_run(self, said: dict[str, str]) -> None:
        if said["InstanceType"] not in TYPES:
            raise Refused("InvalidParameterValue")
        where = said["InstanceType"], said.get("NetworkInterface.1.SubnetId", "")
        if where in self.full or self._happens("no_capacity"):
            raise Refused("InsufficientInstanceCapacity", 500)
        hibernates = said.get("HibernationOptions.Configured") == "true"
        if hibernates and said.get("BlockDeviceMapping.1.Ebs.Encrypted") != "true":
            raise Refused("InvalidParameterCombination")

    def _made(self, id_: str, said: dict[str, str]) -> None:
        now_ms = self._now()
        up_ms = now_ms + (self.boot_ms if not self._happens("boot_failed") else 10**12)
        self.machines[id_] = Machine(
            id=id_,
            made_ms=now_ms,
            started_ms=now_ms,
            spot=said.get("InstanceMarketOptions.MarketType") == "spot",
            hibernates=said.get("HibernationOptions.Configured") == "true",
            user_data=base64.b64decode(said.get("UserData", "")).decode(),
            tags={
                said[f"TagSpecification.1.Tag.{n}.Key"]: said[f"TagSpecification.1.Tag.{n}.Value"]
                for n in range(1, 20)
                if f"TagSpecification.1.Tag.{n}.Key" in said
            },
            turns=[(0, "pending"), (up_ms, "running")],
        )

    def _running(self) -> int:
        return sum(state not in ("shutting-down", "terminated") for state in self.states().values())

    def _describe_instances(self, call: Call) -> tuple[int, bytes]:
        if call.said.get("NextToken") == "no-such-page":
            raise Refused("Unavailable", 503)
        for id_ in call.ids():
            self._known(id_)
        status, body = self._pass_on(call)
        if status != 200:
            return status, body
        root = _tree(body)
        groups = root.find("reservationSet")
        assert groups is not None
        for group in list(groups):
            self._shown(groups, group)
        if self._happens("part_missing"):
            for group in list(groups)[::2]:
                groups.remove(group)
            for old in root.findall("nextToken"):
                root.remove(old)
            ElementTree.SubElement(root, "nextToken").text = "no-such-page"
        return 200, ElementTree.tostring(root)

    def _shown(self, groups: ElementTree.Element, group: ElementTree.Element) -> None:
        """One machine as a listing shows it, or not: a while after it was made, and an hour after it went."""
        one = self.machines.get(next(iter(_items(group, "instanceId"))).text or "")
        now_ms = self._now()
        if one is None or one.made_ms + self.behind_ms > now_ms:
            groups.remove(group)
            return
        state = one.state(now_ms)
        if state == "terminated" and one.turns[-1][0] + GONE_MS < now_ms:
            groups.remove(group)
            return
        for element in _items(group, "instanceState"):
            element.find("name").text = state  # type: ignore[union-attr]
        for element in _items(group, "launchTime"):
            element.text = datetime.fromtimestamp(one.started_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _start_instances(self, call: Call) -> tuple[int, bytes]:
        one, state = self._one(call)
        if state in ("pending", "running"):
            return self._changed(call, one)
        if state != "stopped":
            raise Refused("IncorrectInstanceState")
        if self._happens("no_capacity"):
            raise Refused("InsufficientInstanceCapacity", 500)
        one.started_ms = self._now()
        return self._turned(call, one, "pending", self.boot_ms, "running")

    def _stop_instances(self, call: Call) -> tuple[int, bytes]:
        one, state = self._one(call)
        if state in ("stopping", "stopped"):
            return self._changed(call, one)
        if state != "running":
            raise Refused("IncorrectInstanceState")
        if one.spot:
            raise Refused("UnsupportedOperation")
        if call.said.get("Hibernate") == "true" and not one.hibernates:
            raise Refused("UnsupportedHibernationConfiguration")
        return self._turned(call, one, "stopping", self.stop_ms, "stopped")

    def _terminate_instances(self, call: Call) -> tuple[int, bytes]:
        one, state = self._one(call)
        if state in ("shutting-down", "terminated"):
            return self._changed(call, one)
        if one.id in self.protected:
            raise Refused("OperationNotPermitted")
        return self._turned(call, one, "shutting-down", self.end_ms, "terminated")

    def _describe_spot_instance_requests(self, call: Call) -> tuple[int, bytes]:
        wanted = {value for key, value in call.said.items() if re.fullmatch(r"Filter\.1\.Value\.\d+", key)}
        items = "".join(
            f"<item><instanceId>{id_}</instanceId><status><code>{code}</code></status></item>"
            for id_, code in self.marked.items()
            if code in wanted
        )
        return 200, _xml(
            "DescribeSpotInstanceRequests", f"<spotInstanceRequestSet>{items}</spotInstanceRequestSet>"
        )

    def _one(self, call: Call) -> tuple[Machine, str]:
        """The machine that a call is about, and its state."""
        one = self._known(call.ids()[0])
        return one, one.state(self._now())

    def _known(self, id_: str) -> Machine:
        if not re.fullmatch("i-([0-9a-f]{8}|[0-9a-f]{17})", id_):
            raise Refused("InvalidInstanceID.Malformed")
        one = self.machines.get(id_)
        if one is None or one.made_ms + self.behind_ms > self._now():
            raise Refused("InvalidInstanceID.NotFound")
        return one

    def _turned(self, call: Call, one: Machine, first: str, after_ms: int, then: str) -> tuple[int, bytes]:
        now_ms = self._now()
        one.turns = [(now_ms, first), (now_ms + after_ms, then)]
        return self._changed(call, one)

    def _changed(self, call: Call, one: Machine) -> tuple[int, bytes]:
        state = one.state(self._now())
        item = (
            f"<item><instanceId>{one.id}</instanceId><currentState><name>{state}</name></currentState></item>"
        )
        return 200, _xml(call.name, f"<instancesSet>{item}</instancesSet>")

    def _pass_on(self, call: Call, **other: str) -> tuple[int, bytes]:
        kept = {
            name: call.headers[name] for name in ("Authorization", "Content-Type") if name in call.headers
        }
        body = urlencode({**call.said, **other}).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self._moto, body, kept), timeout=20) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()


def _tree(body: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body))


def _items(root: ElementTree.Element, name: str) -> list[Any]:
    return list(root.iter(name))


def _xml(action: str, inner: str) -> bytes:
    return f"<{action}Response><requestId>r</requestId>{inner}</{action}Response>".encode()


def _error(code: str, status: int) -> tuple[int, bytes]:
    text = f"<Response><Errors><Error><Code>{code}</Code><Message>as documented</Message></Error></Errors><RequestID>r</RequestID></Response>"
    return status, text.encode()
