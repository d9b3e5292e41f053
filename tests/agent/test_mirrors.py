"""Sources from git: the same files as the hub's tar, or the hub is asked. With the real git, over its file protocol."""

import io
import socket
import subprocess
from pathlib import Path

import pytest

from penstock.agent import mirrors
from penstock.agent.mirrors import Doubt, Mirrors
from penstock.forges.git.repository import Git
from penstock.wire.trees import pack
from penstock.wire.untar import unpack

pytestmark = pytest.mark.needs("git")
FILES = {
    "a.txt": "a",
    ".penstock.yml": "version: 1\n",
    "deep/er/b.sh": "#!/bin/sh\n",
    ".gitattributes": "a.txt export-ignore\n",
}
WHO = ["-c", "user.name=n", "-c", "user.email=e@example.org"]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *WHO, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "deep/er/b.sh").chmod(0o755)
    (folder / "link").symlink_to("deep/er/b.sh")
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def offered(repository: Path, tmp_path: Path) -> tuple[dict[str, str], str, bytes]:
    """What the hub would offer of the repository's head: git, source_key, and its own tar."""
    forge = Git(tmp_path / "hub", local_user=True)
    source = forge.resolve(str(repository))
    said = {"url": f"file://{repository}", "commit": source.commit, "tree": source.tree}
    return said, source.digest, b"".join(forge.archive(source))


def unpacked(stream: bytes, folder: Path) -> str:
    folder.mkdir()
    unpack(io.BytesIO(stream).read, folder, source=True, mode_mask=0o755, skip=frozenset({".penstock.yml"}))
    return pack(folder, any_links=True)[0]


def test_the_same_tree_as_the_hubs(repository: Path, tmp_path: Path) -> None:
    said, key, tar = offered(repository, tmp_path)
    mirrors = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    stream = b"".join(mirrors.stream(said, key, lambda: None))
    assert unpacked(stream, tmp_path / "one") == unpacked(tar, tmp_path / "two")
    assert (tmp_path / "one/a.txt").read_text() == "a"
    assert not (tmp_path / "one/.penstock.yml").exists()


def test_what_was_fetched_is_kept_and_the_next_commit_added(repository: Path, tmp_path: Path) -> None:
    said, key, _ = offered(repository, tmp_path)
    mirrors = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    b"".join(mirrors.stream(said, key, lambda: None))
    (repository / "a.txt").write_text("b")
    git(repository, "commit", "--quiet", "-am", "two")
    new, new_key, _ = offered(repository, tmp_path)
    b"".join(mirrors.stream(new, new_key, lambda: None))
    repository.rename(tmp_path / "gone")
    again = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    for one, its_key in ((said, key), (new, new_key)):
        assert b"".join(again.stream(one, its_key, lambda: None))
    assert not list(Mirrors(tmp_path / "mirrors", 0)._folder.glob("*.git"))


def test_another_tree_than_the_key_names_is_refused(repository: Path, tmp_path: Path) -> None:
    said, _, _ = offered(repository, tmp_path)
    mirrors = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    with pytest.raises(Doubt, match="is not the source that the job names"):
        mirrors.stream(said, "sha256:" + "0" * 64, lambda: None)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "ssh://git@example.org/x"},
        {"url": "http://example.org/x"},
        {"url": "https://user:secret@example.org/x"},
        {"url": "https://127.0.0.1/x"},
        {"url": "https://[::1]/x"},
        {"url": "https://10.1.2.3/x"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "ext::sh -c true"},
        {"url": "-oProxyCommand=x"},
        {"url": "https://93.184.215.14/x", "commit": "--upload-pack=x"},
        {"url": "https://93.184.215.14/x", "tree": "HEAD"},
    ],
)
def test_what_is_no_public_repository_is_not_asked(tmp_path: Path, change: dict[str, str]) -> None:
    said = {"url": "https://93.184.215.14/x", "commit": "a" * 40, "tree": "b" * 40, **change}
    with pytest.raises(Doubt):
        Mirrors(tmp_path / "mirrors", 1 << 30).stream(said, "sha256:" + "0" * 64, lambda: None)
    assert not list((tmp_path / "mirrors").glob("*.git"))


def test_a_fetch_that_fails_names_its_host(repository: Path, tmp_path: Path) -> None:
    said, key, _ = offered(repository, tmp_path)
    mirrors = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    with pytest.raises(Doubt, match="cannot fetch from"):
        mirrors.stream({**said, "url": f"file://{tmp_path}/nothing"}, key, lambda: None)


def test_a_damaged_object_is_noticed(repository: Path, tmp_path: Path) -> None:
    said, key, _ = offered(repository, tmp_path)
    mirrors = Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file")
    b"".join(mirrors.stream(said, key, lambda: None))
    for path in (tmp_path / "mirrors").glob("*.git/objects/**/*"):
        if path.is_file() and path.suffix != ".idx":
            data = bytearray(path.read_bytes())
            data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
            path.chmod(0o644)
            path.write_bytes(data)
    with pytest.raises(Doubt):
        b"".join(mirrors.stream(said, key, lambda: None))


def test_a_stop_order_ends_git(repository: Path, tmp_path: Path) -> None:
    said, key, _ = offered(repository, tmp_path)

    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with pytest.raises(Enough):
        Mirrors(tmp_path / "mirrors", 1 << 30, protocol="file").stream(said, key, check)


@pytest.mark.parametrize(
    "number",
    [
        "10.0.0.1",
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "224.0.0.1",
        "fe80::1%lo",
    ],
)
def test_no_address_of_a_network_of_ones_own_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (number, 443))])
    monkeypatch.setattr(subprocess, "Popen", None)
    said = {"url": "https://git.example/r", "commit": "a" * 40, "tree": "b" * 40}
    with pytest.raises(Doubt, match="no public address"):
        list(Mirrors(tmp_path / "mirrors", 1 << 30).stream(said, "sha256:" + "0" * 64, lambda: None))


@pytest.mark.parametrize(
    ("host", "numbers", "told"),
    [
        ("git.example", ["93.184.216.34"], "git.example:443:93.184.216.34"),
        ("git.example", ["2606:2800::1", "93.184.216.34"], "git.example:443:[2606:2800::1]"),
        ("93.184.216.34", ["93.184.216.34"], None),
    ],
)
def test_git_calls_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, host: str, numbers: list[str], told: str | None
) -> None:
    answers = [(0, 0, 0, "", (number, 443)) for number in numbers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    assert mirrors._told_of(host, 443).get("http.curloptResolve") == told
