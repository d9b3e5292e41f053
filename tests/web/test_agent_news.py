"""What hub and agent tell each other beside the work: releases, broken mirrors, where a source can be fetched."""

import pytest

from penstock import __version__
from penstock.model.farm import Event
from penstock.model.job import Source
from penstock.model.machine import Machine
from penstock.web.agentfile import agent_file
from tests.farms import KEY, planned
from tests.web.edges import Edge

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
