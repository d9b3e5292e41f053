"""Copies of a template that share its memory: what is taken out of a saved machine's stream, and what is done where that cannot be."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from penstock import wiring
from penstock.model.pool_libvirt import Libvirt as Settings
from penstock.model.rules import Pool
from penstock.ports import NoCapacity, ProviderError
from penstock.providers.libvirt import savefile, stream
from penstock.providers.libvirt.domain import QEMU, domain_xml, memory_of, remembering, renamed
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.machines import Machine
from penstock.web.agentfile import agent_file
from tests.providers.test_libvirt_parts import BUILD, named, saved

libvirt = pytest.importorskip("libvirt")
from penstock.providers.libvirt import copies  # noqa: E402
from penstock.providers.libvirt.channel import AgentFile  # noqa: E402
from penstock.providers.libvirt.link import Link  # noqa: E402
from penstock.providers.libvirt.template import Made, Template  # noqa: E402

PAGE = stream.PAGE_BYTES
SECTION = struct.pack(">I", 2)
FOOTER = b"\x7e" + SECTION
SIZES = {b"pc.ram": 4 * PAGE, b"pc.bios": 2 * PAGE}
DEVICES = b"\x04the states of devices" + bytes(70_000)


def word(number: int) -> bytes:
    return struct.pack(">Q", number)


def text(name: bytes) -> bytes:
    return bytes([len(name)]) + name


def begun(sizes: dict[bytes, int], machine: bytes = b"pc-q35-7.2") -> bytes:
    """The head of a stream, and the section that names the blocks of memory."""
    head = b"QEVM" + struct.pack(">I", 3) + b"\x07" + struct.pack(">I", len(machine)) + machine
    head += b"\x01" + SECTION + text(b"ram") + struct.pack(">II", 0, 4) + word(sum(sizes.values()) | 4)
    return head + b"".join(text(name) + word(size) for name, size in sizes.items()) + word(16) + FOOTER


def whole(page: Callable[[int], bytes]) -> bytes:
    """A stream with three pages of the machine's memory and two of its firmware, in two parts."""
    found = begun(SIZES) + b"\x02" + SECTION
    found += word(0 | 0x08) + text(b"pc.ram") + page(1)  # a page
    found += word(PAGE | 0x02 | 0x20) + b"\0"  # of zeros, of the same block
    found += word(0 | 0x08) + text(b"pc.bios") + page(7) + word(16) + FOOTER
    found += b"\x03" + SECTION + word(PAGE | 0x02) + text(b"pc.bios") + b"\xff"
    found += word(3 * PAGE | 0x02) + text(b"pc.ram") + b"\x05" + word(16) + FOOTER
    return found + DEVICES


def split(data: bytes, folder: Path) -> tuple[bytes, Path]:
    less, memory = io.BytesIO(), folder / "memory"
    with memory.open("wb") as apart:
        stream.split(io.BytesIO(data), less, apart)
    return less.getvalue(), memory


def page(number: int) -> bytes:
    return bytes([number]) * PAGE


class TestStream:
    def test_memory_goes_into_a_file_and_all_else_stays(self, tmp_path: Path) -> None:
        less, memory = split(whole(page), tmp_path)
        assert memory.read_bytes() == page(1) + bytes(2 * PAGE) + page(5)
        assert less == begun({b"penstock-memory": 4 * PAGE, b"pc.bios": 2 * PAGE}) + (
            (b"\x03" + SECTION + word(0 | 0x08) + text(b"pc.bios") + page(7))
            + (word(PAGE | 0x02) + text(b"pc.bios") + b"\xff" + word(16) + FOOTER + DEVICES)
        )

    def test_pages_of_zeros_take_no_room(self, tmp_path: Path) -> None:
        sizes = {b"pc.ram": 64 << 20}
        data = begun(sizes) + b"\x03" + SECTION + word(16) + FOOTER
        _, memory = split(data, tmp_path)
        assert memory.stat().st_size == 64 << 20
        assert memory.stat().st_blocks * 512 < 1 << 20

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"QEVM\0\0\0\x04", "stream of version 3"),
            (b"QEVM\0\0\0\x03\x01", "configuration"),
            (begun(SIZES)[:20], "ends too early"),
            (begun(SIZES).replace(b"\x01" + SECTION, b"\x05" + SECTION), "first section"),
            (begun(SIZES).replace(text(b"ram"), text(b"rim")), "section of memory"),
            (begun({b"pc.rom": PAGE}), "no block pc.ram"),
            (begun(SIZES).replace(word(6 * PAGE | 4), word(6 * PAGE | 8)), "does not begin with sizes"),
            (begun(SIZES).replace(word(6 * PAGE | 4), word(5 * PAGE | 4)), "not as they are known"),
            (begun(SIZES)[:-1] + b"\x09", "footer"),
            (begun(SIZES) + b"\x04" + SECTION, "a section of kind 4"),
            (begun(SIZES) + b"\x02" + b"\0\0\0\x09", "section of memory"),
            (begun(SIZES) + b"\x02" + SECTION + word(0x40), "a page of kind 64"),
        ],
    )
    def test_what_is_not_known_is_refused(self, tmp_path: Path, data: bytes, why: str) -> None:
        with pytest.raises(stream.NotKnown, match=why):
            split(data, tmp_path)

    def test_a_saved_machine_says_where_its_memory_is(self, tmp_path: Path) -> None:
        source = saved(tmp_path, domain_xml(BUILD, named("a")).encode(), b"<cookie/>", whole(page))
        less, memory = tmp_path / "less", tmp_path / "a,b.memory"
        savefile.without_memory(source, less, memory, lambda xml: remembering(xml, memory, 512))
        xml = savefile.rewrite(less, tmp_path / "copy", lambda xml: renamed(xml, named("b")))
        words = [one.get("value", "") for one in ElementTree.fromstring(xml).iter(f"{{{QEMU}}}arg")]
        assert words[::2] == ["-object", "-machine"]
        assert words[3] == "memory-backend=penstock-memory"
        assert f"mem-path={tmp_path}/a,,b.memory,size=512M,share=off" in words[1]
        less_asked = [one.get("capability") for one in ElementTree.fromstring(xml).iter(f"{{{QEMU}}}del")]
        assert less_asked == ["cpu-unavailable-features"]
        assert (tmp_path / "copy").read_bytes().endswith(DEVICES)
        assert memory.stat().st_size == 4 * PAGE


class Host:
    """A template for each way, and a host that refuses one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *refused: bool) -> None:
        self.refused, self.tried = set(refused), list[bool]()
        monkeypatch.setattr(copies, "Template", self._template)

    def _template(self, _link: Any, _folder: Path, _made: Any, share: bool) -> Any:
        def copy(*_: Any) -> str:
            self.tried.append(share)
            return "<domain/>"

        return SimpleNamespace(copy=copy, stem=lambda: f"template-{share}")

    def call(self, _what: str, _act: Any) -> set[str]:
        return set()

    def change(self, what: str, _act: Any) -> None:
        if what == "restore" and self.tried[-1] in self.refused:
            raise NoCapacity("Could not open the memory: Permission denied")


def made_of(
    link: Any, folder: Path, share: bool | None, pool: str = "vm", digest: str = "sha256:0"
) -> copies.Copies:
    return copies.Copies(pool, link, Files(folder), share, lambda: Made(BUILD, digest))


class TestFallingBack:
    def begin(self, made: copies.Copies) -> None:
        one = named("a")
        made.begin(Machine(one.id, {}), one)

    def test_a_host_that_refuses_gets_whole_copies_from_then_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = Host(monkeypatch, True)
        made = made_of(host, tmp_path, True)
        self.begin(made)
        self.begin(made)
        assert host.tried == [True, False, False]

    def test_one_that_has_no_room_is_not_taken_for_one_that_refuses(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = Host(monkeypatch)
        made = made_of(host, tmp_path, True)
        self.begin(made)
        host.refused = {True}
        with pytest.raises(ProviderError):
            self.begin(made)
        host.refused = set()
        self.begin(made)
        assert host.tried == [True, True, True]

    def test_where_neither_way_works_the_next_machine_tries_both_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = Host(monkeypatch, True, False)
        made = made_of(host, tmp_path, True)
        for _ in range(2):
            with pytest.raises(ProviderError):
                self.begin(made)
        assert host.tried == [True, False, True, False]

    def test_farm_toml_may_ask_for_whole_copies(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = Host(monkeypatch)
        self.begin(made_of(host, tmp_path, False))
        assert host.tried == [False]


class TestPruning:
    @pytest.fixture
    def link(self) -> Link:
        """Of a host of its own: libvirt's driver for tests."""
        return Link("test:///default")

    def leave(self, folder: Path, stem: str) -> None:
        for suffix in ("save", "memory"):
            (folder / f"{stem}.{suffix}").touch()

    def left(self, folder: Path) -> set[str]:
        return {file.name for file in folder.iterdir()}

    def test_a_template_belongs_to_the_agent_that_waits_in_it(self, tmp_path: Path, link: Link) -> None:
        agents = [AgentFile(), AgentFile(b"a", "sha256:a"), AgentFile(b"a", "sha256:a", ("--slots", "2"))]
        made = [
            copies.Copies("vm", link, Files(tmp_path), True, lambda one=one: Made(BUILD, "", one))
            for one in agents
        ]
        assert len({one.stem() for one in made}) == 3

    def test_what_no_pool_uses_any_longer_is_removed_and_the_rest_stays(
        self, tmp_path: Path, link: Link
    ) -> None:
        mine, other = (made_of(link, tmp_path, True, name, name) for name in ("mine", "other"))
        for stem in (mine.stem(), other.stem(), "template-of-an-image-before"):
            self.leave(tmp_path, stem)
        (tmp_path / "0123.console").touch()
        mine.tidy()
        kept = {f"{one.stem()}.{suffix}" for one in (mine, other) for suffix in ("save", "memory")}
        assert self.left(tmp_path) == kept | {"0123.console"}
        # A new image under the same name: the one before it is used by nobody, once the first copy of the new one was made.
        before = mine.stem()
        mine._made = lambda: Made(BUILD, "sha256:new")
        self.leave(tmp_path, mine.stem())
        mine.tidy()
        assert {file.stem for file in tmp_path.glob("template-*")} == {mine.stem(), other.stem()}
        assert mine.stem() != before
        # The pool does not copy any more.
        made_of(link, tmp_path, None, "mine").tidy()
        assert {file.stem for file in tmp_path.glob("template-*")} == {other.stem()}

    def test_memory_that_a_machine_wakes_with_stays(
        self, tmp_path: Path, link: Link, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.leave(tmp_path, "template-slept")
        xml = (
            "<domain type='test'><name>sleeper</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        )
        asked = remembering(xml, tmp_path / "template-slept.memory", 1)
        domain = link.call("define", lambda there: there.defineXML(xml))
        # That driver keeps no arguments of qemu's.
        monkeypatch.setattr(copies, "memory_of", lambda _xml: memory_of(asked))
        made_of(link, tmp_path, None).tidy()
        domain.undefine()
        assert self.left(tmp_path) == {"template-slept.save", "template-slept.memory"}

    def test_a_template_that_a_killed_hub_was_making_is_ended(self, tmp_path: Path, link: Link) -> None:
        form = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os><description>{}/x</description></domain>"
        mine = made_of(link, tmp_path, True)
        names = {
            "penstock-template-0123-aaaa": tmp_path,
            f"penstock-{mine.stem()}-aaaa": tmp_path,
            "penstock-template-0124-aaaa": Path("/elsewhere"),
            "vm-1-aaaa": tmp_path,
        }
        made = [
            link.call("start", lambda there, n=name, f=folder: there.createXML(form.format(n, f), 0))
            for name, folder in names.items()
        ]
        try:
            mine.tidy()
            assert [one.isActive() for one in made[1:]] == [1, 1, 1]
            left = link.call("look", lambda there: {one.name() for one in there.listAllDomains(0)})
            assert "penstock-template-0123-aaaa" not in left
        finally:
            for one in made[1:]:
                one.destroy()


class TestDelivering:
    def template(self, monkeypatch: pytest.MonkeyPatch, said: bool | OSError) -> Callable[[bool], None]:
        def deliver(*_: Any) -> bool:
            if isinstance(said, OSError):
                raise said
            return said

        monkeypatch.setattr("penstock.providers.libvirt.template.deliver", deliver)
        made = Template(None, Path(), Made(BUILD, "", AgentFile(b"a", "sha256:a")), True)  # type: ignore[arg-type]
        return lambda wanted: made._deliver(Path("channel"), lambda: wanted)

    def test_an_image_of_before_is_a_template_without_an_agent_that_waits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivered = self.template(monkeypatch, False)
        assert delivered(True) is None, "it waits, and has no agent"

    @pytest.mark.parametrize(("said", "wanted"), [(TimeoutError("timed out"), True), (False, False)])
    def test_one_that_is_amid_something_is_no_template(
        self, monkeypatch: pytest.MonkeyPatch, said: bool | OSError, wanted: bool
    ) -> None:
        with pytest.raises(ProviderError, match="template"):
            self.template(monkeypatch, said)(wanted)

    def test_a_hub_gives_the_agent_that_it_serves(self, tmp_path: Path) -> None:
        settings = Settings(uri="test:///default", image=".", folder=str(tmp_path), clone=True)
        pool = Pool(name="vm", provider="libvirt", platforms=("p",), slots=2, libvirt=settings)
        one: Any = wiring.rented(SimpleNamespace(pools=[pool]), wiring.SystemClock())["vm"]  # type: ignore[arg-type]
        agent = one._agent()
        assert (agent.data, agent.digest) == (agent_file().data, agent_file().digest)
        assert agent.words == ("--work-dir", "/var/penstock", "--slots", "2")
        assert "penstock/agent/ready.py" in zipfile.ZipFile(io.BytesIO(agent.data)).namelist()
        other = msgspec.structs.replace(pool, agent="buildbot-worker")
        assert type(one)(other, lambda: 0)._agent() == AgentFile()
