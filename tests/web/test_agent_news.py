"""What hub and agent tell each other beside the work: releases, broken mirrors, where a source can be fetched."""

from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from penstock import __version__
from penstock.hub import sessions
from penstock.model.farm import Event
from penstock.model.job import Source
from penstock.model.machine import Machine
from penstock.store.logs import FolderLogs
from penstock.web.agentfile import agent_file
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, RULES, TestFarm, planned
from tests.web.edges import OPERATOR, Edge, OneSource

HEX = "sha256:" + "1" * 64


def test_both_say_their_release(edge: Edge) -> None:
    said = {"name": "m1", "key": KEY, "version": "7.7"}
    answer = edge.client.post(
        "/api/v1/agent/register", json=said, headers={"Authorization": f"Bearer {edge.enrolment}"}
    ).json()
    assert (answer["release"], answer["agent_file"]) == (__version__, "/agent.pyz")
    assert answer["agent_digest"] == agent_file().digest
    (machine,) = edge.farm.all(Machine)
    assert machine.agent == "7.7"


def test_failed_downloads_become_events_of_the_machine(edge: Edge) -> None:
    edge.poll(trouble=[{"host": "mirror.example.org", "what": "unreachable", "count": 3}])
    edge.farm.tick()
    (event,) = [one for one in edge.farm.all(Event) if one.kind == "download"]
    (machine,) = edge.farm.all(Machine)
    assert (event.machine, event.state) == (machine.id, "mirror.example.org")
    assert event.reason == "3 downloads failed: unreachable"
    assert event.position


def test_one_poll_cannot_fill_the_books(edge: Edge) -> None:
    edge.poll(trouble=[{"host": f"h{n}" + "x" * 500, "what": "y" * 500} for n in range(200)])
    events = [one for one in edge.farm.all(Event) if one.kind == "download"]
    assert len(events) == 64
    assert max(len(one.state) + len(one.reason) for one in events) < 400


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ({"repository": "https://example.org/x", "commit": "a" * 40, "tree": "b" * 40}, True),
        ({"repository": "https://me@example.org/x", "commit": "a" * 40, "tree": "b" * 40}, False),
        ({"repository": "ssh://git@example.org/x", "commit": "a" * 40, "tree": "b" * 40}, False),
        ({"repository": "/a/folder", "commit": "a" * 40, "tree": "b" * 40}, False),
        ({"repository": "https://example.org/x", "tree": "b" * 40}, False),
    ],
)
def test_only_public_repositories_are_named(edge: Edge, source: dict[str, str], public: bool) -> None:
    edge.farm.submit("c", planned("m", source=Source(digest=HEX, **source)))
    offer = edge.offer()
    assert offer["source_key"] == HEX
    told = {"url": source["repository"], "commit": "a" * 40, "tree": "b" * 40, "path": "."}
    assert offer["git"] == (told if public else None)


def test_agents_are_not_sent_to_git_servers_in_private_networks(tmp_path: Path) -> None:
    farm = TestFarm(msgspec.structs.replace(RULES, git_hosts=("git.internal",)))
    app = make_app(Site(farm.hub, FolderLogs(tmp_path), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        edge = Edge(farm, client, sessions.create_token(farm.hub, "own"))
        edge.register(KEY)
        for digit, host in enumerate(("GIT.internal:443", "git.internal:8443")):
            digest = "sha256:" + str(digit) * 64
            source = Source(digest=digest, repository=f"https://{host}/x", commit="a" * 40, tree="b" * 40)
            farm.submit(host, planned(host.partition(":")[2], source=source))
        farm.tick()
        offers = {offer["module"]: offer["git"] for offer in edge.poll()["offers"]}
    assert offers["443"] is None
    assert offers["8443"]["url"] == "https://git.internal:8443/x"
