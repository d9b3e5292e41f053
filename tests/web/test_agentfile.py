"""GET /agent.pyz: one file, the same bytes each time, with all that the agent needs and nothing else."""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from penstock.web import agentfile
from tests.web.edges import Edge


def test_it_is_given_to_everybody_with_its_digest(edge: Edge) -> None:
    answer = edge.client.get("/agent.pyz")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    digest = "sha256:" + hashlib.sha256(answer.content).hexdigest()
    assert answer.headers["etag"] == f'"{digest}"'
    assert answer.headers["repr-digest"].startswith("sha-256=:")
    again = edge.client.get("/agent.pyz", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_same_code_gives_the_same_bytes() -> None:
    agentfile.agent_file.cache_clear()
    first = agentfile.agent_file()
    agentfile.agent_file.cache_clear()
    assert agentfile.agent_file() == first


def test_it_holds_the_agent_and_what_that_imports() -> None:
    with zipfile.ZipFile(io.BytesIO(agentfile.agent_file().data)) as archive:
        names = set(archive.namelist())
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    assert {
        "__main__.py",
        "penstock/__init__.py",
        "penstock/agent/keeper.py",
        "penstock/wire/client.py",
    } <= names
    assert not {"penstock/wire/messages.py", "penstock/ports.py"} & names
    assert all(
        name == "__main__.py" or name.startswith(("penstock/agent/", "penstock/wire/", "penstock/__init__"))
        for name in names
    )


def test_it_runs_by_itself(tmp_path: Path) -> None:
    (tmp_path / "agent.pyz").write_bytes(agentfile.agent_file().data)
    words = [sys.executable, "-I", "-S", str(tmp_path / "agent.pyz")]
    shown = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "--token-file" in shown.stdout
    ended = subprocess.run(
        [*words, "--hub", "ftp://x", "--token-file", "t"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert "write http" in ended.stderr
