"""An agent's outputs past the hub, into a real S3: what arrives is what was made, and nothing else gets its name."""

import http.client
import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from radosgw import Bucket
from real.faultproxy import Fault, FaultProxy

from penstock.agent.cancel import Cancel
from penstock.agent.sandbox import Layout, fixed_layout
from penstock.agent.session import API, Identity, Session
from penstock.agent.uploads import Uploads
from penstock.hub import sessions
from penstock.model.job import Attempt
from penstock.model.states import AttemptState
from penstock.store import objectblobs
from penstock.store.blobs import open_blobs
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge
from penstock.web.site import Site
from penstock.wire.client import Address
from tests.farms import KEY, TestFarm, digest, planned
from tests.web.edges import OPERATOR, OneSource

pytestmark = pytest.mark.needs("radosgw")
BIG = random.Random(7).randbytes(3 << 20)
SENT = r"^PUT .*/uploads/.*\.sent"


class Scene:
    """A hub over HTTP with its blobs in a bucket, an agent at work on one job, and a proxy before each of the two."""

    def __init__(self, s3: Bucket, store: FaultProxy, folder: Path) -> None:
        self.farm, self.store, self.folder = TestFarm(), store, folder
        self.blobs = open_blobs(s3.url, folder)
        self.farm.hub = replace(self.farm.hub, blobs=self.blobs)
        self.farm.restart()
        site = Site(self.farm.hub, FolderLogs(folder / "logs"), OneSource(), Bell(), OPERATOR)
        self.edge = Edge(make_app(site), socket.create_server(("127.0.0.1", 0))).start()
        self.hub = FaultProxy(self.edge.address)
        self.said: list[str] = []

    def begin(self) -> "Scene":
        """Register, take the job, make its output."""
        token = sessions.create_token(self.farm.hub, "own")
        identity = Identity(self.folder / "identity", [self.hub.url])
        self.session = Session([Address(self.hub.url)], identity, lambda: token)
        self.client = self.session.client()
        self.session.register(
            {"name": "m1", "key": KEY, "slots": 1, "cores": 2, "memory_mb": 4096}, self.client
        )
        self.farm.submit("c1", planned("zlib"))
        self.farm.tick()
        (self.offer,) = self.client.call("POST", f"{API}/poll", {"call": 1, "wait_s": 0})["offers"]
        self.right = {"attempt": self.offer["attempt"], "fence": self.offer["fence"]}
        self.client.call("POST", f"{API}/attempts/{self.offer['attempt']}/acknowledge", self.right)
        return self

    def layout(self, content: bytes) -> Layout:
        layout = fixed_layout(self.folder / "attempt")
        tree = layout.destination / layout.inside["prefix"].lstrip("/")
        tree.mkdir(parents=True)
        (tree / "libz.so").write_bytes(content)
        return layout

    def send(self, content: bytes) -> dict[str, object]:
        """Send the output as the agent does; what it then tells the hub."""
        uploads = Uploads(self.session, self.client, Cancel(), self.said.append)
        (sent,) = uploads.send_all(self.offer, self.layout(content))
        return sent

    def settled(self, sent: dict[str, object]) -> Attempt:
        """Finish and let the hub settle; the attempt."""
        finish = {**self.right, "result": "passed", "exit_code": 0, "outputs": [sent]}
        self.client.call("POST", f"{API}/attempts/{self.offer['attempt']}/finish", finish)
        self.farm.tick()
        found: Attempt = self.farm.get(Attempt, self.offer["attempt"])
        return found

    def through_hub(self) -> int:
        return sum(made.startswith("PUT ") for made in self.hub.calls)

    def past_hub(self) -> int:
        return sum(made.startswith("PUT ") and ".sent?" in made for made in self.store.calls)

    def published(self, sent: dict[str, object]) -> None:
        """The attempt passes, and what lies under its digest is what the agent packed."""
        assert self.settled(sent).state == AttemptState.PASSED
        assert list(self.blobs.digests()) == [sent["digest"]]
        content = b"".join(self.blobs.read(str(sent["digest"])))
        assert digest(content) == sent["digest"]
        assert len(content) == sent["size_bytes"]


@pytest.fixture
def scene(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with FaultProxy(s3.endpoint) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        made = Scene(s3, store, tmp_path)
        try:
            yield made.begin()
        finally:
            made.client.close()
            made.hub.close()
            made.edge.stop()


def call(method: str, url: str, content: bytes = b"") -> int:
    """The status that the store answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", content)
        return connection.getresponse().status
    finally:
        connection.close()


def put(url: str, content: bytes) -> int:
    return call("PUT", url, content)


def test_a_large_output_goes_past_the_hub(scene: Scene) -> None:
    sent = scene.send(BIG)
    assert (scene.past_hub(), scene.through_hub()) == (1, 0)
    scene.published(sent)
    assert list(scene.blobs.uploads()) == []
    assert scene.said == []


def test_a_small_one_does_not(scene: Scene) -> None:
    scene.published(scene.send(b"small"))
    assert (scene.past_hub(), scene.through_hub()) == (0, 1)


def test_one_that_a_ticket_does_not_cover_does_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectblobs, "COPY_MOST_BYTES", 2 << 20)
    scene.published(scene.send(BIG))
    assert (scene.past_hub(), scene.through_hub()) == (0, 1)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(status=403),
        Fault(reset=True),
        Fault(request_bytes=1 << 20),
        Fault(lost=True),
        Fault(answer_bytes=0),
    ],
    ids=["slow down", "refused", "reset", "half a request", "lost", "no body"],
)
def test_where_the_store_fails_the_hub_takes_it(scene: Scene, fault: Fault) -> None:
    scene.store.add(fault, SENT)
    sent = scene.send(BIG)
    # A successful answer to PUT has no body that could be cut off.
    failed = fault != Fault(answer_bytes=0)
    assert (scene.past_hub(), scene.through_hub()) == (1, 1 if failed else 0)
    assert all("Signature" not in line and "X-Amz" not in line for line in scene.said)
    assert bool(scene.said) is failed
    scene.published(sent)


def test_a_store_that_agents_cannot_reach_is_tried_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.blobs._objects, "sign", lambda path, valid_s: f"http://127.0.0.1:9/{path}")
    sent = scene.send(BIG)
    assert scene.session.direct is False
    assert scene.through_hub() == 1
    scene.published(sent)


def test_a_store_over_plain_http_elsewhere_is_not_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.blobs._objects, "sign", lambda path, valid_s: f"http://s3.example/{path}")
    scene.published(scene.send(BIG))
    assert scene.through_hub() == 1
    assert "use https" in scene.said[0]


def test_an_answer_of_the_hub_that_is_lost_is_asked_for_again(scene: Scene) -> None:
    for what in ("ticket", "received"):
        scene.hub.add(Fault(lost=True), f"^POST .*/{what}", times=1)
    sent = scene.send(BIG)
    assert scene.through_hub() == 0
    scene.published(sent)


def test_something_else_in_the_store_is_not_what_was_made(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write the bucket changes the object between the agent and the hub."""
    receive = scene.blobs.receive

    def tampered(name: str) -> tuple[str, int]:
        (path,) = [path for path, _ in scene.blobs._objects.below("uploads") if path.endswith(".sent")]
        scene.blobs._objects.put(path, b"tampered")
        return receive(name)

    monkeypatch.setattr(scene.blobs, "receive", tampered)
    sent = scene.send(BIG)
    assert (scene.past_hub(), scene.through_hub()) == (1, 1)
    scene.published(sent)


def test_what_comes_after_it_was_read_is_never_published(scene: Scene) -> None:
    sent = scene.send(BIG)
    (made,) = [made for made in scene.store.calls if ".sent?" in made]
    url = scene.store.url + made.removeprefix("PUT ")
    assert put(url, b"tampered") == 200, "the ticket itself is still good"
    scene.published(sent)
    assert put(url, b"tampered again") == 200
    assert list(scene.blobs.digests()) == [sent["digest"]]
    assert scene.blobs.verify(str(sent["digest"]))
    assert list(scene.blobs.uploads()) == [f"{scene.offer['attempt']}/tree"], "which the pruner removes"


def test_a_ticket_is_for_nothing_else(scene: Scene) -> None:
    ticket = scene.blobs.ticket("a/tree", 60)
    assert ticket is not None
    good = digest(b"x").removeprefix("sha256:")
    final = f"sha256/{good[:2]}/{good}"
    head, _, query = ticket.url.partition("?")
    where = head[: head.index("uploads/")]
    for wrong in (
        f"{where}{final}?{query}",
        f"{head}2?{query}",
        head,
        f"{head}?{query}0",
        ticket.url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
    ):
        assert put(wrong, b"x") == 403, wrong
    assert [call(method, ticket.url) for method in ("GET", "DELETE")] == [403, 403]
    assert list(scene.blobs.digests()) == []
    with pytest.raises(KeyError):
        scene.blobs.receive("a/tree")
    assert put(ticket.url, b"x") == 200
    assert scene.blobs.receive("a/tree") == (digest(b"x"), 1)


def test_two_readings_at_once_do_not_mix(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins before the first has ended, and finds other bytes under the ticket's name."""
    ticket = scene.blobs.ticket("a/tree", 60)
    assert ticket is not None
    assert put(ticket.url, b"first") == 200
    objects, opened = scene.blobs._objects, scene.blobs._objects.open
    other: list[tuple[str, int]] = []

    def open_and_more(path: str, *where: int):  # type: ignore[no-untyped-def]
        if not other and "-" in path.rpartition("/")[2]:
            other.append(("", 0))
            assert put(ticket.url, b"second") == 200
            other[0] = scene.blobs.receive("a/tree")
        return opened(path, *where)

    monkeypatch.setattr(objects, "open", open_and_more)
    first = scene.blobs.receive("a/tree")
    assert (first[0], other[0][0]) == (digest(b"first"), digest(b"second"))
    scene.blobs.publish("a/tree", first[0])
    assert b"".join(scene.blobs.read(first[0])) == b"first"
