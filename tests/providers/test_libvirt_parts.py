"""Parts of the libvirt provider that need no libvirt: what a machine is written as, saved files, words with guests."""

import json
import random
import socket
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from penstock.providers.guest.channel import _LINE_MAX as GUEST_LINE_MAX
from penstock.providers.guest.waiting import Delivery
from penstock.providers.libvirt import channel
from penstock.providers.libvirt.channel import AgentFile, tell
from penstock.providers.libvirt.domain import (
    Build,
    Named,
    domain_xml,
    id_of,
    mac_of,
    machine_id_of,
    renamed,
    tags_of,
    waits,
)
from penstock.providers.libvirt.files import DIED_MAX, Files
from penstock.providers.libvirt.savefile import HEAD, HEAD_BYTES, MAGIC, PAGE, NotSaved, rewrite

BUILD = Build(
    image=Path("/srv/image"),
    kind="qemu",
    machine="pc-q35-7.2",
    cpu="qemu64+rdrand",
    cores=2,
    memory_mb=512,
    words="quiet panic=-1",
)


def named(token: str, **tags: str) -> Named:
    id_ = id_of(token)
    return Named(
        id=id_,
        name=f"vm-{token}",
        mac=mac_of(id_),
        channel=Path(f"/run/{token}.channel"),
        console=Path(f"/run/{token}.console"),
        tags=tags,
    )


class TestDomain:
    def test_a_token_is_one_machine_and_another_one_another(self) -> None:
        one, other = id_of("f:1:a"), id_of("f:1:b")
        assert one == id_of("f:1:a") != other
        assert mac_of(one) != mac_of(other)
        assert mac_of(one).startswith("52:54:00:")
        assert machine_id_of(one) != machine_id_of(other)
        assert len(machine_id_of(one)) == 32

    def test_it_has_no_disk_that_can_be_written_and_ends_when_it_crashes(self) -> None:
        top = ElementTree.fromstring(domain_xml(BUILD, named("a")))
        assert [disk.find("readonly") is not None for disk in top.findall("devices/disk")] == [True]
        assert {top.findtext(what) for what in ("on_poweroff", "on_reboot", "on_crash")} == {"destroy"}
        assert top.findtext("os/cmdline") == "quiet panic=-1"
        assert [one.get("name") for one in top.findall("cpu/feature")] == ["rdrand"]

    def test_the_hosts_own_processor_and_its_networks(self) -> None:
        build = msgspec.structs.replace(BUILD, cpu="host", kind="kvm", bridge="farm")
        top = ElementTree.fromstring(domain_xml(build, named("a")))
        assert [one.get("mode") for one in top.findall("cpu")] == ["host-passthrough"]
        assert [one.get("network") for one in top.findall("devices/interface/source")] == ["farm"]

    def test_tags_come_back_whatever_is_in_them(self) -> None:
        tags = {"penstock-farm": 'a"<b>&', "penstock-machine": "ü"}
        top = ElementTree.fromstring(domain_xml(BUILD, named("a", **tags)))
        (ours,) = [*(top.find("metadata") or [])]
        assert tags_of(ElementTree.tostring(ours, encoding="unicode")) == tags

    def test_a_copy_differs_in_all_that_names_it_and_nothing_else(self) -> None:
        first = named("a", who="a")
        copy = renamed(domain_xml(BUILD, first), named("b", who="b"))
        assert _sorted(renamed(copy, first)) == _sorted(domain_xml(BUILD, first))
        for word in ("vm-a", first.id, first.mac, "/run/a.channel", "/run/a.console"):
            assert word not in copy
        with pytest.raises(ValueError, match="no devices/interface/mac"):
            renamed("<domain><name/><uuid/></domain>", first)

    def test_a_guest_waits_when_it_has_opened_its_channel(self) -> None:
        xml = domain_xml(BUILD, named("a"))
        assert not waits(xml)
        assert not waits("<domain/>")
        assert waits(xml.replace('name="org.penstock.0"', 'name="org.penstock.0" state="connected"'))


def _sorted(xml: str) -> list[str]:
    return sorted(ElementTree.tostring(one, encoding="unicode") for one in ElementTree.fromstring(xml))


def saved(folder: Path, xml: bytes, cookie: bytes, memory: bytes, version: int = 2) -> Path:
    """A saved machine as libvirt writes it."""
    data = xml + b"\0"
    at = len(data) if cookie else 0
    data += cookie + b"\0" if cookie else b""
    data += bytes(-(HEAD_BYTES + len(data)) % PAGE)
    head = struct.pack("<16sIIIII14I", MAGIC, version, len(data), 1, 0, at, *[0] * 14)
    file = folder / "saved"
    file.write_bytes(head + data + memory)
    return file


class TestSaved:
    @pytest.mark.parametrize("cookie", [b"", b"<cookie><x/></cookie>"])
    def test_another_head_and_the_same_memory(self, tmp_path: Path, cookie: bytes) -> None:
        memory = bytes(range(256)) * 40_000
        source = saved(tmp_path, b"<domain/>", cookie, memory)
        longer = "<domain>" + "x" * 9_000 + "</domain>"
        assert rewrite(source, tmp_path / "copy", lambda xml: xml.replace("<domain/>", longer)) == longer
        found = (tmp_path / "copy").read_bytes()
        magic, version, length, running, _, at = HEAD.unpack_from(found)
        data = found[HEAD_BYTES : HEAD_BYTES + length]
        assert (magic, version, running) == (MAGIC, 2, 1)
        assert (HEAD_BYTES + length) % PAGE == 0
        assert data.split(b"\0")[0].decode() == longer
        assert (data[at:].split(b"\0")[0] if at else b"") == cookie
        assert found[HEAD_BYTES + length :] == memory

    def test_what_is_no_saved_machine_is_not_taken_for_one(self, tmp_path: Path) -> None:
        short, other = tmp_path / "short", tmp_path / "other"
        short.write_bytes(b"LibvirtQemudSave")
        other.write_bytes(bytes(HEAD_BYTES + 10))
        for file in (short, other, saved(tmp_path, b"<domain/>", b"", b"", version=3)):
            with pytest.raises(NotSaved):
                rewrite(file, tmp_path / "copy", str)
        cut = saved(tmp_path, b"<domain/>", b"", b"")
        cut.write_bytes(cut.read_bytes()[:200])
        with pytest.raises(NotSaved, match="ends too early"):
            rewrite(cut, tmp_path / "copy", str)


class Guest:
    """The other end of a channel: it answers each line with the next of `answers`, "" = it hangs up."""

    def __init__(self, path: Path, *answers: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self._listen = socket.socket(socket.AF_UNIX)
        self._listen.bind(str(path))
        self._listen.listen()
        self._answers = [*answers]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with self._listen:
            while self._answers:
                with self._listen.accept()[0] as there, there.makefile("rw") as lines:
                    self.heard.append(json.loads(lines.readline()))
                    lines.write(self._answers.pop(0))
                    lines.flush()


class TestChannel:
    @pytest.fixture
    def path(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="channel") as folder:
            yield Path(folder) / "c"

    def test_it_is_told_again_until_it_says_ok(self, path: Path) -> None:
        ok = '{"kind": "ok", "name": "vm"}\n'
        guest = Guest(
            path, "", 'nonsense\n{"kind": "error"}\n[]\n', "half a li", 'noise\n{"kind": "err"}\n' + ok
        )
        times = iter(range(100))
        assert tell(path, lambda: {"kind": "identity", "time_ms": next(times)}, lambda: True)
        guest.thread.join()
        assert [said["time_ms"] for said in guest.heard] == [0, 1, 2, 3]

    def test_one_that_is_not_there_yet_is_waited_for(self, path: Path) -> None:
        made: list[Guest] = []

        def late() -> None:
            time.sleep(0.02)
            made.append(Guest(path, '{"kind": "ok"}\n'))

        threading.Thread(target=late, daemon=True).start()
        assert tell(path, dict, lambda: True)
        assert made[0].heard == [{}]

    def test_it_ends_when_nobody_wants_to_know_any_more(self, path: Path) -> None:
        looks = iter([True, True, False])
        assert not tell(path, dict, lambda: next(looks, False))

    def test_the_agent_is_delivered_in_pieces_that_a_guest_takes(self, path: Path) -> None:
        file = random.Random(0).randbytes(200_000)
        answers = ['{"kind": "ok"}\n'] * 4
        heard: list[dict[str, Any]] = []

        def guest(listen: socket.socket) -> None:
            with listen, listen.accept()[0] as there, there.makefile("rw") as lines:
                for answer in answers:
                    heard.append(json.loads(lines.readline(GUEST_LINE_MAX)))
                    lines.write(answer)
                    lines.flush()

        def deliver() -> bool:
            listen = socket.socket(socket.AF_UNIX)
            path.unlink(missing_ok=True)
            listen.bind(str(path))
            listen.listen()
            threading.Thread(target=guest, args=(listen,), daemon=True).start()
            return channel.deliver(path, AgentFile(file, "sha256:f", ("--slots", "2")), lambda: True)

        assert deliver()
        *pieces, last = heard
        delivery = Delivery()
        for one in pieces:
            delivery.take(one)
        assert zlib.decompress(delivery._packed) == file
        assert last == {"kind": "prepare", "agent_sha256": "sha256:f", "words": ["--slots", "2"]}
        answers[:] = ['{"kind": "error", "reason": "kind: write identity"}\n']
        assert not deliver(), "an image of before"
        answers[:] = []
        with pytest.raises(OSError, match=r"hung up|[Bb]roken pipe|reset"):
            deliver()


class TestFiles:
    def test_what_is_left_to_tell_is_for_us_alone_until_it_was_told(self, tmp_path: Path) -> None:
        files = Files(tmp_path)
        id_ = id_of("a")
        assert files.unsaid(id_) is None
        files.leave(id_, {"kind": "identity", "token": "secret"})
        (kept,) = tmp_path.iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        assert files.unsaid(id_) == {"kind": "identity", "token": "secret"}
        files.said(id_)
        assert [*tmp_path.iterdir()] == []

    def test_only_the_newest_last_words_are_kept(self, tmp_path: Path) -> None:
        files = Files(tmp_path)
        for number in range(DIED_MAX + 3):
            id_ = id_of(str(number))
            files.console(id_).write_text("Kernel panic")
            files.keep_console(id_)
        assert len([*tmp_path.glob("*.died")]) == DIED_MAX

    def test_a_folder_in_which_no_socket_can_be_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="too long a name"):
            Files(tmp_path / ("x" * 90)).make()
