"""How an image is made, as far as no archive is needed for it."""

import lzma
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.providers.image import agents, archive, kernel, tree
from penstock.providers.image.__main__ import main
from penstock.providers.image.archive import Broken


def module(folder: Path, name: str, *needs: str, packed: bool = False) -> None:
    """A file that says what a kernel's module says."""
    data = f"\0name={name}\0depends={','.join(needs)}\0".encode()
    (folder / f"{name}.ko{'.xz' if packed else ''}").write_bytes(lzma.compress(data) if packed else data)


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    module(tmp_path, "virtio_net", "net_failover", "virtio", packed=True)
    module(tmp_path, "net_failover", "failover")
    module(tmp_path, "failover")
    module(tmp_path, "virtio-rng", "virtio")
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")
    order = [path.name.split(".")[0] for path in kernel.ordered(tmp_path, ["virtio_net", "virtio_rng"])]
    assert order == ["failover", "net_failover", "virtio_net", "virtio-rng"]


def test_a_module_that_is_not_there_is_said(tmp_path: Path) -> None:
    module(tmp_path, "erofs", "libcrc32c")
    with pytest.raises(Broken, match="no module libcrc32c"):
        kernel.ordered(tmp_path, ["erofs"])


def test_a_kernel_that_is_packed_otherwise_stays(tmp_path: Path) -> None:
    data = bytearray(4096)
    data[0x1F1] = 1
    struct.pack_into("<II", data, 0x248, 0, 16)
    (tmp_path / "vmlinuz").write_bytes(data)
    kernel.uncompressed(tmp_path / "vmlinuz", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(data)


def test_what_apt_is_to_read() -> None:
    lines = archive.sources(["http://a.example/debian", "http://a.example/debian-security"], "bookworm")
    said = [line.split("] ")[-1].removeprefix("deb ") for line in lines.splitlines()]
    assert said == [
        "http://a.example/debian bookworm main",
        "http://a.example/debian bookworm-updates main",
        "http://a.example/debian-security bookworm-security main",
    ]
    with pytest.raises(Broken, match="--mirror"):
        archive.sources([], "bookworm")


def test_where_this_machines_packages_come_from(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "deb http://a.example/debian/ bookworm main\n# deb http://b.example/debian x\n"
    )
    (tmp_path / "sources.list.d/c.sources").write_text(
        "Types: deb\nURIs: http://a.example/debian http://c.example/debian-security\nSuites: bookworm\n"
    )
    (tmp_path / "sources.list.d/other.list").write_text("deb https://d.example/apt stable main\n")
    (tmp_path / "sources.list.d/old.save").write_text("deb http://e.example/debian x main\n")
    found = archive.own_mirrors(tmp_path)
    assert found == ["http://a.example/debian", "http://c.example/debian-security"]


def test_a_program_that_fails_or_is_missing_is_one_line() -> None:
    with pytest.raises(Broken, match="sh failed: so it is"):
        archive.run(["sh", "-c", "echo not this; echo so it is >&2; exit 3"])
    with pytest.raises(Broken, match="is not installed here"):
        archive.run(["no-program-of-that-name"])


def test_an_image_that_is_there_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image").mkdir()
    assert main([str(tmp_path / "image")]) == 2
    assert "images are never changed" in capsys.readouterr().err
    assert list((tmp_path / "image").iterdir()) == []


def test_a_build_that_breaks_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = (tmp_path / "debian").as_uri()
    assert main([str(tmp_path / "image"), "--mirror", nowhere]) == 2
    said = capsys.readouterr().err
    assert said.startswith("build-image: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_guest_needs_nothing_that_is_installed() -> None:
    """Started as the image starts it, it imports the standard library alone."""
    source = tree.GUEST.parents[2]
    words = f"import sys; sys.path.insert(0, {str(source)!r}); import penstock.providers.guest.__main__"
    told = f"{words}; print([name for name in sys.modules if name.startswith(('penstock', 'msgspec'))])"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", told], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    rooms = {name.strip(" '").split(".providers")[0] for name in ended.stdout.strip("[]\n").split(",")}
    assert rooms == {"penstock"}


def test_what_another_systems_agent_brings_along_in_vain_is_left_out_unless_it_is_asked_for() -> None:
    fetched = [Path(f"{name}_1%3a2_all.deb") for name in ("buildbot-worker", "cython3", "passwd", "dash")]
    assert agents.wanted(["buildbot-worker"]) == ["buildbot-worker"]
    named = [path.name.partition("_")[0] for path in agents.sifted(fetched, ["passwd"])]
    assert named == ["buildbot-worker", "passwd", "dash"]


def test_tests_of_packages_are_no_part_of_an_image(tmp_path: Path) -> None:
    packages = tmp_path / "usr/lib/python3/dist-packages"
    for name in ("twisted/test", "twisted/trial", "future/tests", "autobahn"):
        (packages / name).mkdir(parents=True)
    (packages / "twisted/trial/test").write_text("no folder")
    tree.finish(_root(tmp_path), agents.tests(tmp_path))
    left = {str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_dir()}
    assert left == {"twisted", "twisted/trial", "future", "autobahn"}
    assert "build:x:1000:1000:" in (tmp_path / "etc/passwd").read_text()


def _root(folder: Path) -> Path:
    """A root as `finish` finds it."""
    for name in ("etc", "tmp", "var/tmp", "usr/bin", "usr/sbin", "opt/penstock"):
        (folder / name).mkdir(parents=True)
    return folder


def test_an_agent_that_no_image_can_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "image"), "--agent", "gitlab-runner"])
    assert ended.value.code == 2
    assert "choose from 'buildbot-worker'" in capsys.readouterr().err
