"""Machines that reach nothing but the hub are sent nowhere else: no ticket, no repository."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from penstock.hub import sessions
from penstock.model.job import Source
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, POOL, RULES, digest, planned
from tests.web.edges import OPERATOR, Edge, OneSource, fence
from tests.web.test_direct import DirectFarm

PUBLIC = Source(
    repository="https://git.example.org/zlib.git", commit="c" * 40, tree="d" * 40, digest=digest(b"zlib")
)


@pytest.fixture(params=["full", "hub-only"])
def edge(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Edge]:
    farm = DirectFarm(
        msgspec.structs.replace(RULES, pools=(msgspec.structs.replace(POOL, network=request.param),))
    )
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Edge(farm, client, sessions.create_token(farm.hub, "own"))


def only_hub(edge: Edge) -> bool:
    return edge.farm.hub.rules.reaches_only_hub("own")


def test_sources_and_outputs_go_through_the_hub_where_nothing_else_is_reached(edge: Edge) -> None:
    assert edge.register(KEY).json()["direct"] is not only_hub(edge)
    edge.farm.submit("c1", planned("zlib", source=PUBLIC))
    one = edge.started()
    assert (one["git"] is None) is only_hub(edge)
    path = f"attempts/{one['attempt']}/outputs/tree"
    ticket = edge.agent("POST", f"{path}/ticket", headers=fence(one))
    assert ticket.status_code == (404 if only_hub(edge) else 200)
    assert edge.agent("GET", f"attempts/{one['attempt']}/source").content.endswith(b"zlib.git")
    assert edge.agent("PUT", path, content=b"built", headers=fence(one)).json()["digest"] == digest(b"built")


def test_a_job_with_the_network_goes_elsewhere_and_says_why(edge: Edge) -> None:
    edge.register(KEY)
    build = edge.farm.submit("c1", planned("zlib", network="full"))
    edge.farm.tick()
    offered = edge.poll()["offers"]
    assert bool(offered) is not only_hub(edge)
    if only_hub(edge):
        told = edge.people("GET", f"explain/{edge.farm.job(build, 'zlib:build').id}").json()["sentences"]
        assert "pool own reaches only the hub, the job asks for network: full" in " ".join(told)


def test_a_job_that_is_to_go_through_the_hub_waits_for_an_agent_that_knows_how(tmp_path: Path) -> None:
    """One of the release before would run it without the network, and nobody would see why it failed."""
    pool = msgspec.structs.replace(POOL, network="hub-only", reaches=("files.example.org:443",))
    farm = DirectFarm(msgspec.structs.replace(RULES, pools=(pool,)))
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        edge = Edge(farm, client, sessions.create_token(farm.hub, "own"))
        edge.register(KEY)
        build = farm.submit("c1", planned("zlib", network="full"), planned("png"))
        farm.tick()
        assert [one["module"] for one in edge.poll()["offers"]] == ["png"]
        told = edge.people("GET", f"explain/{farm.job(build, 'zlib:build').id}").json()
        text = (
            "its agent is too old to lead jobs to the world through the hub, the job asks for network: full"
        )
        assert [one["text"] for one in told["reasons"] if one["code"] == "agent-old"] == [text]
        edge.register(KEY, knows=["forward"])
        farm.tick()
        (offer,) = [one for one in edge.poll()["offers"] if one["module"] == "zlib"]
        assert offer["forward"]
