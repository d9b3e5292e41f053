"""The OpenAPI document against a running server: schemathesis finds nothing that is not as documented.

Streams would never end, so the hub that is asked is one that stops: its streams end at once, its polls do not wait.
What they say while it runs is in test_streams.py. Links between operations are left out (stateful testing): ids come
from jobs that run, which no call makes at once; the real ids are given instead.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import describe_api
import httpx
import msgspec
import pytest

from penstock.hub.submission import Accepted
from penstock.model.change import Build
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge
from penstock.web.site import Site
from tests.farms import Agent, TestFarm, planned
from tests.web.edges import OPERATOR, OneSource

EXAMPLES = os.environ.get("PENSTOCK_API_EXAMPLES", "5")
"""Cases per operation in the random phase, beside those that schemathesis makes of each field's bounds."""
PROGRAM = Path(sys.executable).with_name("schemathesis")
SEED = "8010"


WITHOUT_UPGRADE = """
[[operations]]
include-operation-id = "forward"
[operations.checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 409, 426]
missing_required_header.expected-statuses = [400, 401, 403, 404, 409, 426]
"""
"""What says that it asks for no upgrade is RFC 9110's own status; what follows a 101 is in test_forward.py."""


class Stopping(Bell):
    """The bell of a hub that stops."""

    closed = True


class Asked:
    """A farm with something of everything, served."""

    def __init__(self, folder: Path) -> None:
        self.farm = TestFarm()
        self.agent = Agent(self.farm, "m1")
        self.build = self.farm.submit("c1", planned("zlib"), planned("zlib", "test", needs=["zlib"]))
        self.farm.run_all(self.agent)
        self.open = self.farm.submit("c2", planned("png"), planned("curl"))
        self.farm.tick()
        (self.work, *_) = self.agent.start()
        bell = Stopping()
        bell.close()
        site = Site(
            self.farm.hub,
            FolderLogs(folder / "logs"),
            OneSource(),  # type: ignore[arg-type]
            bell,
            OPERATOR,
            submit=lambda asked: Accepted(build=Build(id="b1", change="c", source=asked.repository)),
        )
        self.edge = Edge(make_app(site), socket.create_server(("127.0.0.1", 0))).start()

    def ids(self) -> str:
        """Where schemathesis shall use ids that exist."""
        job, machine = self.work.job.id, self.agent.machine.id
        done = self.farm.job(self.build, "zlib:build").id
        return "\n".join(
            f'[[operations]]\ninclude-path-regex = "{paths}"\n[operations.parameters]\n{name} = "{value}"\n'
            for paths, name, value in (
                ("/(job|explain|log|hold|release|cancel)/", "id", job),
                ("/(outputs|retry)/", "id", done),
                ("/(quarantine|unquarantine|drain|undrain)/", "id", machine),
                ("/build/", "id", self.build.id),
                ("/jobs/", "build", self.build.id),
                ("/attempts/", "attempt", self.work.attempt.id),
            )
        )


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    one = Asked(tmp_path_factory.mktemp("asked"))
    yield one
    one.edge.stop()


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["any-ids", "known-ids"])
@pytest.mark.parametrize("tag", ["people", "agent"])
def test_nothing_is_otherwise_than_documented(asked: Asked, tmp_path: Path, tag: str, known: bool) -> None:
    token = OPERATOR if tag == "people" else asked.agent.answer.token
    config = WITHOUT_UPGRADE + (asked.ids() if known else "")
    (tmp_path / "schemathesis.toml").write_text(config, encoding="utf-8")
    assert shutil.which(str(PROGRAM)), "schemathesis is a part of the development environment"
    ended = subprocess.run(
        [
            str(PROGRAM),
            *(
                "--config-file",
                "schemathesis.toml",
                "run",
                f"{asked.edge.address}/api/v1/schema/openapi.json",
            ),
            *("--header", f"Authorization: Bearer {token}", "--include-tag", tag, "--no-color"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED),
            *("--continue-on-failure", "--no-shrink", "--request-timeout", "20"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout


def test_the_document_in_the_reference_is_the_one_that_is_served(asked: Asked) -> None:

    written = describe_api.TARGET.read_text(encoding="utf-8")
    assert written == describe_api.text(), "`make docs` writes it anew"
    served = httpx.get(f"{asked.edge.address}/api/v1/schema/openapi.json")
    assert msgspec.json.decode(served.content) == msgspec.json.decode(written)
