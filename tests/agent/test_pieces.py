"""The agent's parts by themselves: the log on disk, patterns, kept trees, removing, the fingerprint, control groups."""

import ast
import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from penstock.agent import cgroups, fingerprint, prefix, sandbox
from penstock.agent.artifacts import gather, translate
from penstock.agent.discard import discard
from penstock.agent.logs import Log
from penstock.agent.prefix import Conflict, Damaged, Trees
from penstock.agent.workspace import Workshop
from penstock.wire.client import Address, Insecure, is_loopback
from penstock.wire.trees import TreeError, pack

SOURCE = Path(__file__).resolve().parents[2] / "src"
CARRIED = [
    *sorted(SOURCE.glob("penstock/agent/*.py")),
    SOURCE / "penstock/__init__.py",
    SOURCE / "penstock/wire/__init__.py",
]
CARRIED += [SOURCE / f"penstock/wire/{name}.py" for name in ("trees", "untar", "tarheads", "links", "client")]


@pytest.mark.parametrize("path", CARRIED, ids=lambda path: path.stem)
def test_python_3_9_can_read_it(path: Path) -> None:
    assert ast.parse(path.read_text(), feature_version=(3, 9)).body


def test_the_agent_loads_only_the_standard_library() -> None:
    names = [str(path.relative_to(SOURCE).with_suffix("")).replace("/", ".") for path in CARRIED]
    names = [name.removesuffix(".__init__") for name in names]
    show = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\nimport {', '.join(names)}\nprint(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-S", "-E", "-c", show], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in ended.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) - {"__main__"} == {"penstock"}
    assert not {"penstock.wire.messages", "penstock.ports"} & set(ended.stdout.split())


# The log ------------------------------------------------------------------------------------------------------


def shipped(log: Log, pieces: list[bytes], answers: dict[int, int] | None = None) -> bytes:
    """Ship a log to a receiver that may answer another offset once."""
    got = bytearray()
    answers = dict(answers or {})

    def send(offset: int, piece: bytes) -> int:
        assert len(piece) <= 256 * 1024
        got[offset:] = piece
        return answers.pop(len(got), len(got))

    sender = threading.Thread(target=log.ship, args=(send,))
    sender.start()
    for piece in pieces:
        log.add(piece)
    log.close()
    sender.join()
    return bytes(got)


def test_a_log_is_shipped_in_chunks(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    pieces = [bytes([number % 256]) * 65536 for number in range(40)]
    assert shipped(log, pieces) == b"".join(pieces)
    log.release()


def test_a_receiver_that_lost_some_gets_it_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    for number in range(10):
        log.add(b"%d" % number * 100_000)
    whole = (tmp_path / "log").read_bytes()
    assert shipped(log, [], {262144 * 2: 100}) == whole
    log.release()


def test_a_log_has_a_cap_and_keeps_the_last_words(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", size_max=10)
    assert (
        shipped(log, [b"123456", b"7890abc", b"more"])
        == b"1234567890\npenstock: the log was cut here, at 10 bytes\n"
    )
    log.release()
    log = Log(tmp_path / "log", size_max=10)
    log.add(b"x" * 20)
    log.say("failed: because")
    assert shipped(log, []).endswith(b"at 10 bytes\npenstock: failed: because\n")
    log.release()


# Artifacts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("**", "a/b/c", True),
        ("*.o", "a.o", True),
        ("*.o", "d/a.o", False),
        ("**/*.o", "a.o", True),
        ("**/*.o", "d/e/a.o", True),
        ("d/**/e/*.o", "d/e/a.o", True),
        ("d/**/e/*.o", "d/x/y/e/a.o", True),
        ("d/**/e/*.o", "d/a.o", False),
        ("d", "d/any/thing", True),
        ("d", "dd", False),
        ("lib?.so", "liba.so", True),
        ("lib[ab].so", "libb.so", True),
        ("lib[!ab].so", "libb.so", False),
        ("a+b", "a+b", True),
        ("a.b", "axb", False),
        ("*", "new\nline", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert bool(re.compile(translate(pattern), re.DOTALL).fullmatch(name)) is fits


def test_artifacts_come_from_two_places(tmp_path: Path) -> None:
    layout = sandbox.fixed_layout(tmp_path)
    for name in ("src/doc/a", "src/doc/sub/b", "dest/opt/penstock/lib/c", "dest/etc/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "out").mkdir()
    empty = gather(["doc", "${DESTDIR}$PREFIX/lib", "$DESTDIR/nothing"], layout, tmp_path / "out")
    assert empty == ["$DESTDIR/nothing"]
    found = {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert found == {"doc/a", "doc/sub/b", "opt/penstock/lib/c"}


# Removing -----------------------------------------------------------------------------------------------------


def test_more_levels_than_recursion_allows_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d" * 50, dir_fd=here)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    discard(top)
    assert not list(tmp_path.iterdir())


def test_what_forbids_itself_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "top" / "link").symlink_to("../kept")
    (tmp_path / "top" / "a" / "b").chmod(0)
    (tmp_path / "top" / "a").chmod(0)
    discard(tmp_path / "top")
    discard(tmp_path / "never there")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]


# Kept trees ---------------------------------------------------------------------------------------------------


class Shelf:
    """Trees to fetch, and how often each was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.streams: dict[str, bytes] = {}
        self.asked: list[str] = []

    def put(self, name: str, files: dict[str, str]) -> dict[str, str]:
        place = self.folder / name
        for path, text in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
        out = io.BytesIO()
        digest, _ = pack(place, out.write)
        self.streams[digest] = out.getvalue()
        return {"module": name, "platform": "p", "digest": digest}

    def fetch(self, digest: str, consume) -> None:
        self.asked.append(digest)
        consume(io.BytesIO(self.streams[digest]).read)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def target(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_a_tree_is_fetched_once_and_survives_its_users(tmp_path: Path, shelf: Shelf) -> None:
    given = [
        shelf.put("zlib", {"include/z.h": "z"}),
        shelf.put("png", {"include/p.h": "p", "include/q.h": "q"}),
    ]
    trees = Trees(tmp_path / "trees", "/opt/penstock")
    for name in ("one", "two"):
        trees.compose(given, target(tmp_path, name), shelf.fetch)
        discard(tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "two" / "include").iterdir()) == ["p.h", "q.h", "z.h"]
    assert len(shelf.asked) == 2
    Trees(tmp_path / "trees", "/opt/penstock").compose(given, target(tmp_path, "three"), shelf.fetch)
    assert len(shelf.asked) == 2


def test_the_least_recently_used_tree_goes_first(tmp_path: Path, shelf: Shelf) -> None:
    given = [shelf.put(name, {name: name * 5000}) for name in "abc"]
    trees = Trees(tmp_path / "trees", "/opt/penstock", size_max=15_000)
    for number, one in enumerate(given):
        trees.compose([one], target(tmp_path, f"t{number}"), shelf.fetch)
        os.utime(tmp_path / "trees" / one["digest"][7:], (number, number))
    kept = [one["digest"] for one in given if (tmp_path / "trees" / one["digest"][7:]).exists()]
    assert given[0]["digest"] not in kept
    assert given[2]["digest"] in kept
    assert (tmp_path / "t0" / "a").read_text() == "a" * 5000


def test_after_a_power_cut_a_kept_tree_is_checked(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [shelf.put("zlib", {"a": "1", "b": "2"})]
    Trees(tmp_path / "trees", "/opt/penstock").compose(given, target(tmp_path, "one"), shelf.fetch)
    monkeypatch.setattr(prefix, "_boot", lambda: "the next boot")
    Trees(tmp_path / "trees", "/opt/penstock").compose(given, target(tmp_path, "two"), shelf.fetch)
    assert len(shelf.asked) == 1
    monkeypatch.setattr(prefix, "_boot", lambda: "the one after")
    kept = tmp_path / "trees" / given[0]["digest"][7:] / "a"
    kept.unlink()
    kept.write_text("")
    Trees(tmp_path / "trees", "/opt/penstock").compose(given, target(tmp_path, "three"), shelf.fetch)
    assert len(shelf.asked) == 2
    assert (tmp_path / "three" / "a").read_text() == "1"


def test_conflicts_name_both_and_equal_content_is_fine(tmp_path: Path, shelf: Shelf) -> None:
    same = [shelf.put("a", {"x": "1", "y": "1"}), shelf.put("b", {"x": "1", "z": "1"})]
    trees = Trees(tmp_path / "trees", "/opt/penstock")
    trees.compose(same, target(tmp_path, "one"), shelf.fetch)
    for other in ({"x": "2"}, {"x/y": "1"}):
        clash = shelf.put(f"c{len(other)}{next(iter(other)).count('/')}", other)
        with pytest.raises(Conflict, match=r"x is installed with different content by a \(p\) and by c1"):
            trees.compose([*same, clash], target(tmp_path, clash["module"]), shelf.fetch)


def test_a_tree_is_what_its_digest_says(tmp_path: Path, shelf: Shelf) -> None:
    given = shelf.put("a", {"x": "1"})
    shelf.streams[given["digest"]] = shelf.streams[shelf.put("b", {"x": "2"})["digest"]]
    with pytest.raises(Damaged):
        Trees(tmp_path / "trees", "/opt").compose([given], target(tmp_path, "one"), shelf.fetch)
    with pytest.raises(Damaged, match="no digest"):
        Trees(tmp_path / "more", "/opt").compose(
            [{**given, "digest": "sha256:../../x"}], target(tmp_path, "two"), shelf.fetch
        )


def test_a_tree_that_leads_out_is_not_kept(tmp_path: Path, shelf: Shelf) -> None:
    place = tmp_path / "evil"
    place.mkdir()
    (place / "out").symlink_to("/etc/passwd")
    out = io.BytesIO()
    digest, _ = pack(place, out.write, any_links=True)
    shelf.streams[digest] = out.getvalue()
    given = {"module": "evil", "platform": "p", "digest": digest}
    with pytest.raises(TreeError, match="out: the link"):
        Trees(tmp_path / "trees", "/opt/penstock").compose([given], target(tmp_path, "one"), shelf.fetch)


# The machine --------------------------------------------------------------------------------------------------


def test_the_fingerprint_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.measure()
    for key, value in {
        "PATH": "/nowhere",
        "LC_ALL": "de_DE.UTF-8",
        "HOME": "/tmp",
        "PYTHONHASHSEED": "7",
    }.items():
        monkeypatch.setenv(key, value)
    assert fingerprint.measure() == before
    assert re.fullmatch("sha256:[0-9a-f]{64}", before)
    described = fingerprint.describe()
    assert described["identity"] == before
    assert described["cores"] >= 1


def test_the_fingerprint_knows_packages_and_alternatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = "Package: {}\nStatus: install ok {}\nArchitecture: amd64\nVersion: {}\n\n"
    seen = set()
    (tmp_path / "alternatives").mkdir()
    monkeypatch.setattr(fingerprint, "_DPKG", tmp_path / "status")
    monkeypatch.setattr(fingerprint, "_ALTERNATIVES", tmp_path / "alternatives")
    gcc, old = status.format("gcc", "installed", "12"), status.format("old", "config-files", "1")
    for text in (gcc, status.format("gcc", "installed", "13")):
        (tmp_path / "status").write_text(text)
        seen.add(fingerprint.measure())
    (tmp_path / "status").write_text(old + gcc)
    assert fingerprint.measure() in seen
    (tmp_path / "alternatives" / "cc").symlink_to("/usr/bin/clang")
    seen.add(fingerprint.measure())
    assert len(seen) == 3


def test_control_groups_of_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").write_text("0::/penstock.slice\n")
    above = tmp_path / "penstock.slice"
    above.mkdir()
    (above / "cgroup.controllers").write_text("cpu memory pids\n")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "own")
    made = Path.mkdir

    def mkdir(self: Path, *arguments: object, **more: object) -> None:
        made(self, *arguments, **more)
        for name in ("cgroup.controllers", "memory.max", "memory.swap.max", "pids.max"):
            (self / name).write_text("cpu memory pids\n")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    groups = cgroups.Groups("penstock-")
    # Asked again, it is still the same place: the agent has moved aside only once.
    (tmp_path / "own").write_text("0::/penstock.slice/agent\n")
    slot = groups.slot("a")
    group = slot.begin(64, 99)
    assert group is not None
    (above / "penstock-a-1" / "cpu.stat").write_text("usage_usec 5000000\nuser_usec 1\n")
    (above / "penstock-a-1" / "memory.peak").write_text(str(70 << 20))
    (above / "penstock-a-1" / "memory.events").write_text("low 0\noom_kill 2\n")
    assert (above / "penstock-a-1" / "memory.max").read_text() == str(64 << 20)
    assert (above / "penstock-a-1" / "memory.swap.max").read_text() == "0"
    assert (above / "penstock-a-1" / "pids.max").read_text() == "99"
    assert (group.cpu_ms(), group.memory_peak_mb(), group.out_of_memory()) == (5000, 70, True)
    assert group.joins == [str(above / "penstock-a-1" / "cgroup.procs")]
    assert group.leaves == [str(above / "agent" / "cgroup.procs")]
    assert group.measured_by == "cgroup v2"


def test_no_control_groups_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "missing")
    assert cgroups.Groups("penstock-").slot("a").begin(64, 99) is None


# Addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "url", ["http://example.org", "http://127.example.org", "http://10.0.0.1", "http://[fe80::1]"]
)
def test_plain_http_stays_on_this_machine(url: str) -> None:
    with pytest.raises(Insecure):
        Address(url)
    Address(url, insecure=True)
    Address(url.replace("http:", "https:"))


@pytest.mark.parametrize("url", ["ftp://x", "hub:8010", "http://"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="write http"):
        Address(url)


def test_an_agent_that_starts_removes_its_own_empty_groups_and_no_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "own").write_text("4:pids:/\n")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "own")
    mine, neighbour = (Workshop(tmp_path / name, plain=False) for name in ("a", "b"))
    for shop in (mine, neighbour):
        (tmp_path / "pids" / f"{shop.group_prefix}attempt").mkdir()
    cgroups.Groups(mine.group_prefix)
    assert [folder.name for folder in (tmp_path / "pids").iterdir()] == [f"{neighbour.group_prefix}attempt"]
    mine.close()
    neighbour.close()
