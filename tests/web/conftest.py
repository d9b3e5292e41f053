"""The real HTTP edge over a farm in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from penstock.hub import sessions
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, TestFarm
from tests.web.edges import OPERATOR, Edge, OneSource


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    """A farm with one enrolled agent, and a client that speaks to its edge."""
    farm = TestFarm()
    bell = Bell()
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), bell, OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        one = Edge(farm, client, sessions.create_token(farm.hub, "own"))
        one.register(KEY)
        one.bell = bell
        yield one
