"""GET /agent.pyz: one file, the same bytes each time, with all that the agent needs and nothing else."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER
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


def test_other_processes_give_the_same_bytes_too() -> None:
    """What is compiled depends neither on the order of sets nor on what else a process holds."""
    say = "from penstock.web.agentfile import agent_file; print(agent_file().digest)"
    for seed in ("1", "2"):
        words = [sys.executable, "-c", say]
        said = subprocess.run(
            words, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == agentfile.agent_file().digest


def test_a_python_of_this_release_compiles_nothing_and_another_one_takes_the_sources(tmp_path: Path) -> None:
    data = agentfile.agent_file().data
    (tmp_path / "same.pyz").write_bytes(data)
    (tmp_path / "other.pyz").write_bytes(data.replace(MAGIC_NUMBER, b"\0\0\r\n"))
    say = "import sys, marshal; sys.path.insert(0, sys.argv[1]); compile = None\n"
    say += "import penstock.agent.loop as it; print(it.__spec__.loader.get_code('penstock.agent.loop').co_filename)"
    found = {}
    for name in ("same", "other"):
        words = [sys.executable, "-I", "-S", "-c", say, str(tmp_path / f"{name}.pyz")]
        found[name] = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert found == {
        "same": "penstock/agent/loop.py",
        "other": f"{tmp_path}/other.pyz/penstock/agent/loop.py",
    }


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
        name in ("__main__.py", "__main__.pyc")
        or name.startswith(("penstock/agent/", "penstock/wire/", "penstock/__init__"))
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
