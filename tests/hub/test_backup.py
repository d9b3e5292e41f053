"""A farm is copied while it works, and goes on elsewhere as if nothing had happened."""

import gzip
from pathlib import Path

import pytest
from farms import Agent, MemoryBlobs, TestFarm, planned

from penstock.hub import incarnation, sessions
from penstock.hub.backup import Copied, Place, backup, restore
from penstock.hub.context import Hub, NotFound, Refused, Unauthorized
from penstock.hub.fsck import fsck
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Credential, Machine, Session
from penstock.model.people import Role, Token
from penstock.model.records import SHAPES
from penstock.model.states import AttemptState, JobState, Power
from penstock.ports import StoreError
from penstock.store.logs import FolderLogs
from penstock.store.memory import MemoryStore
from penstock.store.tables import SEAL, TableFiles


class Site:
    """One farm with its logs, and a folder for its backups."""

    def __init__(self, folder: Path, farm: TestFarm | None = None) -> None:
        self.farm = farm or TestFarm()
        self.logs = FolderLogs(folder / "logs")


class Shelf:
    """Where a backup lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place(TableFiles(folder / "first"), MemoryBlobs(), FolderLogs(folder / "saved logs"))

    def again(self) -> "Shelf":
        """The place of the next backup, over the same blobs and logs."""
        self.place = Place(TableFiles(self.folder / "second"), self.place.blobs, self.place.logs)
        return self


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def save(site: Site, shelf: Shelf) -> Copied:
    return backup(site.farm.hub, site.logs, shelf.place, "1.0")


def brought_back(site: Site, shelf: Shelf, folder: Path) -> tuple[Site, Copied]:
    """A new farm in an empty place, as the backup left it."""
    new = Site.__new__(Site)
    new.logs = FolderLogs(folder / "new logs")
    store, blobs, old = MemoryStore(), MemoryBlobs(), site.farm
    copied = restore(
        Hub(store, blobs, old.clock, old.hub.entropy, old.hub.rules, old.bell), new.logs, shelf.place
    )
    new.farm = TestFarm.__new__(TestFarm)
    new.farm.__dict__ |= old.__dict__ | {"store": store, "blobs": blobs}
    new.farm.hub = Hub(store, blobs, old.clock, old.hub.entropy, old.hub.rules, old.bell)
    return new, copied


def records(farm: TestFarm) -> dict[str, list[object]]:
    return {shape.table: farm.all(kind) for kind, shape in SHAPES.items()}


def run_some(site: Site) -> tuple[Agent, Agent]:
    """One module built, its test running on another machine, with a log."""
    first, second = Agent(site.farm, "one"), Agent(site.farm, "two", key="cd" * 32)
    site.farm.submit("c1", planned("zlib"), planned("zlib", "test", ["zlib"]))
    site.farm.tick()
    agent = first if (works := first.start()) else second
    work = (works or second.start())[0]
    site.logs.append(work.attempt.id, 0, b"made it\n")
    from penstock.hub import queue

    queue.log_grew(site.farm.hub, agent.session, work.attempt.id, work.attempt.fence, 8)
    agent.run(work)
    site.farm.tick()
    return first, second


def test_what_comes_back_is_what_was_there(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    run_some(site)
    before = records(site.farm)
    saved = save(site, shelf)
    new, copied = brought_back(site, shelf, tmp_path)
    after = records(new.farm)
    same = set(before) - {"farm", "session", "machine", "event"}
    assert {table: after[table] for table in same} == {table: before[table] for table in same}
    told = [(one.kind, one.state, one.job, one.reason) for one in new.farm.all(Event)]
    assert told[:-1] == [(one.kind, one.state, one.job, one.reason) for one in site.farm.all(Event)]
    assert told[-1][:2] == ("farm", "restored")
    assert (saved.records, saved.blobs, saved.logs, saved.problems) == (copied.records, 1, 1, [])
    assert (copied.blobs, copied.logs_bytes) == (1, 8)
    assert fsck(new.farm.hub, digest_again=True) == []


def test_it_comes_back_frozen_under_a_new_incarnation_and_decides_nothing(
    site: Site, shelf: Shelf, tmp_path: Path
) -> None:
    run_some(site)
    save(site, shelf)
    new, _ = brought_back(site, shelf, tmp_path)
    old, farm = site.farm.get(Farm, "farm"), new.farm.get(Farm, "farm")
    assert (farm.frozen, farm.uid, farm.adopted) == (True, old.uid, (old.incarnation,))
    assert farm.incarnation != old.incarnation
    assert "thaw" in farm.frozen_reason
    assert not [session for session in new.farm.all(Session) if session.open]


def test_adopted_it_goes_on_with_the_agents_that_it_had(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    first, second = run_some(site)
    save(site, shelf)
    holder = first if first.poll().offers else second
    new, _ = brought_back(site, shelf, tmp_path)
    assert incarnation.adopt(new.farm.hub)
    assert not incarnation.adopt(new.farm.hub)
    new.farm.restart()
    for agent in (first, second):
        agent.farm = new.farm
        agent.again(*(poller_held(work) for work in agent.holding.values()))
        agent.holding.clear()
    new.farm.run_all(first, second, rounds=3)
    assert {job.state for job in new.farm.all(Job)} == {JobState.PASSED}
    assert fsck(new.farm.hub) == []
    assert holder is not None


def poller_held(work):  # type: ignore[no-untyped-def]
    from penstock.hub.sessions import Held

    return Held(attempt=work.attempt.id, fence=work.attempt.fence)


def test_as_a_copy_it_has_another_name_no_machine_and_nobodys_credential(
    site: Site, shelf: Shelf, tmp_path: Path
) -> None:
    first, second = run_some(site)
    (first if first.poll().offers else second).poll()
    save(site, shelf)
    new, _ = brought_back(site, shelf, tmp_path)
    came_here = sessions.register(new.farm.hub, first.credential, first.registration)
    assert incarnation.as_copy(new.farm.hub, "rehearsal")
    with pytest.raises(Unauthorized):
        sessions.authenticate(new.farm.hub, came_here.token)
    assert not incarnation.as_copy(new.farm.hub)
    farm = new.farm.get(Farm, "farm")
    assert (farm.name, farm.adopted, farm.frozen) == ("rehearsal", (), False)
    assert farm.uid != site.farm.get(Farm, "farm").uid
    assert {machine.power for machine in new.farm.all(Machine)} == {Power.GONE}
    assert all(credential.revoked for credential in new.farm.all(Credential))
    assert not [attempt for attempt in new.farm.all(Attempt) if attempt.live]
    assert {job.state for job in new.farm.all(Job)} == {JobState.PASSED, JobState.QUEUED}
    new.farm.restart()
    assert fsck(new.farm.hub) == []


def test_only_what_was_restored_can_be_a_copy(site: Site) -> None:
    incarnation.freeze(site.farm.hub, "disk is changed")
    with pytest.raises(Refused, match="not restored"):
        incarnation.as_copy(site.farm.hub)


def test_what_must_never_run_twice_is_held(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    agent = Agent(site.farm, "one")
    site.farm.submit(
        "c1",
        planned("sign", retry="never"),
        planned("zlib"),
        planned("publish", needs=["sign"], retry="never"),
    )
    site.farm.tick()
    agent.start()
    save(site, shelf)
    new, _ = brought_back(site, shelf, tmp_path)
    states = {job.spec.module: job.state for job in new.farm.all(Job)}
    assert states == {"sign": JobState.HELD, "publish": JobState.HELD, "zlib": JobState.RUNNING}
    assert {a.job: a.state for a in new.farm.all(Attempt) if not a.live} == {
        job.id: AttemptState.CANCELLED for job in new.farm.all(Job) if job.spec.module == "sign"
    }
    assert fsck(new.farm.hub) == []


def test_an_end_that_was_recorded_is_not_asked_about_again(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    from farms import passed

    agent = Agent(site.farm, "one")
    site.farm.submit("c1", planned("sign", "test", retry="never"))
    site.farm.tick()
    agent.finish(agent.start()[0], passed())
    save(site, shelf)
    new, _ = brought_back(site, shelf, tmp_path)
    assert {job.state for job in new.farm.all(Job)} <= {JobState.RUNNING, JobState.PASSED}


def test_the_next_backup_copies_only_what_is_new(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    first, second = run_some(site)
    assert save(site, shelf).blobs == 1
    site.farm.submit("c2", planned("libpng"))
    site.farm.run_all(first, second)
    saved = save(site, shelf.again())
    assert (saved.blobs, saved.logs) == (1, 0)
    new, _ = brought_back(site, shelf, tmp_path)
    assert fsck(new.farm.hub, digest_again=True) == []


def test_a_blob_that_is_damaged_or_gone_is_named_and_the_rest_saved(site: Site, shelf: Shelf) -> None:
    agent = Agent(site.farm, "one")
    site.farm.submit("c1", planned("zlib"), planned("libpng"), planned("gd"))
    site.farm.run_all(agent)
    bad, gone, good = sorted(site.farm.blobs.digests())
    site.farm.blobs.damage(bad, b"x" * site.farm.blobs.size(bad))
    site.farm.blobs.delete(gone)
    saved = save(site, shelf)
    assert saved.problems == [f"{bad} is damaged", f"{gone} is not in the blob store"]
    assert list(shelf.place.blobs.digests()) == [good]


def test_a_backup_that_was_broken_off_is_none(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    save(site, shelf)
    (shelf.folder / "first" / SEAL).unlink()
    with pytest.raises(StoreError, match="broken off"):
        brought_back(site, shelf, tmp_path)


def test_a_damaged_backup_leaves_no_farm_behind(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    run_some(site)
    save(site, shelf)
    file = shelf.folder / "first" / "records" / "job.jsonl.gz"
    file.write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(StoreError, match=r"damaged: job\.jsonl\.gz is not what was written"):
        brought_back(site, shelf, tmp_path)


def test_nothing_is_restored_over_a_farm(site: Site, shelf: Shelf) -> None:
    run_some(site)
    save(site, shelf)
    with pytest.raises(Refused, match="not empty"):
        restore(site.farm.hub, site.logs, shelf.place)


def test_a_place_without_a_farm_has_nothing_to_save(site: Site, shelf: Shelf) -> None:
    empty = Hub(
        MemoryStore(),
        MemoryBlobs(),
        site.farm.clock,
        site.farm.hub.entropy,
        site.farm.hub.rules,
        site.farm.bell,
    )
    with pytest.raises(NotFound):
        backup(empty, site.logs, shelf.place, "1.0")


def test_records_of_another_release_are_read(site: Site, shelf: Shelf, tmp_path: Path) -> None:
    """Fields that this release does not know are dropped, those that it adds get their defaults."""
    import hashlib
    import json

    site.farm.store.write(lambda tx: tx.insert(Token(digest="d", user="ada", role=Role.ADMIN)))
    save(site, shelf)
    file = shelf.folder / "first" / "records" / "token.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"digest": "d", "user": "ada", "shoe_size": 38}\n'))
    seal = shelf.folder / "first" / SEAL
    said = json.loads(seal.read_text())
    said["files"]["token"] = hashlib.sha256(file.read_bytes()).hexdigest()
    seal.write_text(json.dumps(said))
    new, _ = brought_back(site, shelf, tmp_path)
    assert new.farm.all(Token) == [Token(digest="d", user="ada")]
