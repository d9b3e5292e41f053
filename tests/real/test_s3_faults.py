"""S3 behind a proxy that fails: nothing wrong is ever published, and what was not done can be done again."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from radosgw import Bucket
from real.faultproxy import Fault, FaultProxy

from penstock.ports import StoreError
from penstock.store.objectblobs import ObjectBlobs
from penstock.store.objectlogs import ObjectLogs
from penstock.store.objects import PART_BYTES, Objects
from penstock.store.s3 import Limits, open_s3

pytestmark = pytest.mark.needs("radosgw")
ONCE = Limits(connect_s=2, silent_s=0.4, retries=0, retry_s=1)
"""No retries: every fault is met by our own code."""
AGAIN = Limits(connect_s=2, silent_s=1, retries=3, retry_s=5)
CUT = Fault(answer_bytes=0)
FAULTS = {
    "late": Fault(wait_s=0.03),
    "too late": Fault(wait_s=0.6),
    "refused": Fault(status=503),
    "internal": Fault(status=500, body=b"<Error><Code>InternalError</Code></Error>"),
    "not found by a proxy": Fault(status=404, body=b"<html>no such page</html>"),
    "half a request": Fault(request_bytes=100),
    "half an answer": Fault(answer_bytes=50),
    "no body": CUT,
    "lost": Fault(lost=True),
    "reset": Fault(reset=True),
    "slow": Fault(bytes_per_s=20_000),
}
DATA = bytes(range(256)) * 40


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Site:
    """A bucket with the proxy before it: `far` goes through the proxy, `near` does not."""

    def __init__(self, bucket: Bucket, proxy: FaultProxy) -> None:
        self.bucket, self.proxy = bucket, proxy
        self.near = ObjectBlobs(self.objects(bucket))

    def objects(self, bucket: Bucket, limits: Limits = ONCE) -> Objects:
        return open_s3(bucket.url, bucket.environment, limits)

    def beyond(self, limits: Limits = ONCE) -> Objects:
        return self.objects(replace(self.bucket, endpoint=self.proxy.url), limits)

    def far(self, limits: Limits = ONCE) -> ObjectBlobs:
        return ObjectBlobs(self.beyond(limits))

    def nothing_wrong_is_there(self) -> None:
        assert all(self.near.verify(digest) for digest in self.near.digests())


@pytest.fixture
def site(s3: Bucket) -> Iterator[Site]:
    with FaultProxy(s3.endpoint, seed=1) as proxy:
        yield Site(s3, proxy)


def whole_upload(blobs: ObjectBlobs, data: bytes, name: str = "a/tree") -> str:
    upload = blobs.upload(name)
    for start in range(0, len(data), 1 << 20):
        upload.write(data[start : start + (1 << 20)])
    return upload.finish()[0]


def until_done(operation: Callable[[], object], turns: int = 40) -> int:
    """Do it as the hub does: again on the next pass. Returns how often it failed first."""
    for turn in range(turns):
        try:
            operation()
            return turn
        except StoreError:
            continue
    raise AssertionError("never done")


@pytest.mark.parametrize("name", FAULTS)
def test_uploads_and_publishing_meet_a_fault_at_every_call(site: Site, name: str) -> None:
    far, failed = site.far(), 0
    # The n-th call is hit, for every n until a whole round goes through without meeting one.
    for number in range(30):
        data, attempt = DATA + b"%d" % number, f"a{number}/tree"
        site.proxy.heal()
        rule = site.proxy.add(FAULTS[name], skip=number, times=1)
        failed += until_done(lambda data=data, attempt=attempt: whole_upload(far, data, attempt))
        failed += until_done(lambda data=data, attempt=attempt: far.publish(attempt, digest_of(data)))
        assert b"".join(site.near.read(digest_of(data))) == data
        if rule.times:
            break
    assert number > 5
    assert failed or name in ("late", "slow", "half an answer", "no body")
    site.nothing_wrong_is_there()
    assert list(site.near.digests()) == sorted(digest_of(DATA + b"%d" % done) for done in range(number + 1))


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_read_is_whole_or_an_error(site: Site, name: str) -> None:
    far, digest = site.far(), whole_upload(site.near, DATA)
    site.near.publish("a/tree", digest)
    for operation in (
        lambda: b"".join(far.read(digest)),
        lambda: far.verify(digest),
        lambda: far.size(digest),
    ):
        site.proxy.heal()
        site.proxy.add(FAULTS[name], times=1)
        try:
            assert operation() in (DATA, True, len(DATA))
        except StoreError:
            assert operation() in (DATA, True, len(DATA))


def test_an_answer_that_ends_early_is_never_taken_for_whole(site: Site) -> None:
    data = DATA * 400
    far, digest = site.far(), whole_upload(site.near, data)
    site.near.publish("a/tree", digest)
    site.proxy.add(Fault(answer_bytes=3 << 20), "GET .*sha256")
    for _ in range(3):
        with pytest.raises(StoreError):
            b"".join(far.read(digest))
        with pytest.raises(StoreError):
            far.verify(digest)


@pytest.mark.parametrize("name", ["refused", "half a request", "lost", "reset", "no body"])
def test_uploads_in_parts_meet_a_fault_at_every_call(site: Site, name: str) -> None:
    far, data = site.far(), random.Random(5).randbytes(2 * PART_BYTES + 5)
    for number in range(20):
        site.proxy.heal()
        rule = site.proxy.add(FAULTS[name], "[?&](uploads|uploadId|partNumber)", skip=number, times=1)
        until_done(lambda: whole_upload(far, data))
        if rule.times:
            break
    assert number == 5, "begin, three parts, and the end"
    far.publish("a/tree", digest_of(data))
    assert site.near.verify(digest_of(data))


@pytest.mark.parametrize("name", ["refused", "internal", "half a request", "lost"])
def test_repeats_of_the_library_hide_what_passes(site: Site, name: str) -> None:
    far = site.far(AGAIN)
    for number in range(8):
        site.proxy.heal()
        site.proxy.add(FAULTS[name], skip=number, times=1)
        assert until_done(lambda number=number: whole_upload(far, DATA, f"a{number}/tree")) == 0
        assert until_done(lambda number=number: far.publish(f"a{number}/tree", digest_of(DATA))) == 0
    site.nothing_wrong_is_there()


def test_lost_answers_to_copies_and_deletes_are_harmless(site: Site) -> None:
    far, digest = site.far(), whole_upload(site.near, DATA)
    site.proxy.add(FAULTS["lost"], "^PUT .*/sha256/", times=2)
    with pytest.raises(StoreError):
        far.publish("a/tree", digest)
    assert site.near.verify(digest)
    far.publish("a/tree", digest)
    assert list(site.near.uploads()) == []
    site.proxy.add(FAULTS["lost"], "^(DELETE|POST)", times=1)
    site.proxy.rules[0].times = 0
    with pytest.raises(StoreError):
        far.delete(digest)
    far.delete(digest)
    assert site.near.size(digest) is None


def test_a_copy_that_says_200_and_fails_is_no_copy(site: Site) -> None:
    """S3 begins to answer a copy before it is done: the error is in the body."""
    far, digest = site.far(), whole_upload(site.near, DATA)
    error = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'
    site.proxy.add(Fault(status=200, body=error), "^PUT .*/sha256/", times=1)
    with pytest.raises(StoreError):
        far.publish("a/tree", digest)
    assert site.near.size(digest) is None
    far.publish("a/tree", digest)
    assert site.near.verify(digest)


@pytest.mark.parametrize("name", FAULTS)
def test_logs_meet_a_fault_at_every_call(site: Site, name: str) -> None:
    logs, text = ObjectLogs(site.beyond(), many=4), random.Random(6).randbytes(3000)
    for number in range(8):
        site.proxy.heal()
        site.proxy.add(FAULTS[name], skip=number, times=1)
        attempt, offset = f"a{number}", 0
        for _ in range(100):
            try:
                offset = logs.append(attempt, offset, text[offset : offset + 300])
            except StoreError:
                continue
            if offset == len(text):
                break
        until_done(lambda attempt=attempt: logs.read(attempt, 0, 5000) == text or pytest.fail("wrong bytes"))
        near = ObjectLogs(site.objects(site.bucket))
        assert near.read(attempt, 0, 5000) == text
        assert near.size(attempt) == len(text)


class Chance:
    """A few hundred operations on blobs, chosen and disturbed by seeded dice, beside what must be true of them."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.dice = site, random.Random(seed)
        self.far = site.far(Limits(connect_s=2, silent_s=1, retries=1, retry_s=1))
        self.ready: dict[str, bytes] = {}
        self.published: dict[str, bytes] = {}
        self.tried: set[str] = set()
        self.failed = 0

    def step(self) -> None:
        operation = self.dice.choice(
            [self.upload, self.upload, self.publish, self.publish, self.read, self.delete]
        )
        try:
            operation()
        except StoreError:
            self.failed += 1

    def upload(self) -> None:
        name = f"a{self.dice.randrange(8)}/tree"
        data = self.dice.randbytes(self.dice.choice([0, 10, 5000, 70_000]))
        self.ready.pop(name, None)
        whole_upload(self.far, data, name)
        self.ready[name] = data

    def publish(self) -> None:
        if self.ready:
            name = self.dice.choice(sorted(self.ready))
            data = self.ready[name]
            self.tried.add(digest_of(data))
            self.far.publish(name, digest_of(data))
            self.published[digest_of(data)] = data
            del self.ready[name]

    def read(self) -> None:
        if self.published:
            digest = self.dice.choice(sorted(self.published))
            assert b"".join(self.far.read(digest)) == self.published[digest]

    def delete(self) -> None:
        if self.published and self.dice.random() < 0.3:
            digest = self.dice.choice(sorted(self.published))
            del self.published[digest]
            self.far.delete(digest)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_few_hundred_operations_among_faults(site: Site, seed: int) -> None:
    run = Chance(site, seed)
    for name in ("refused", "half a request", "half an answer", "lost", "reset", "internal", "late"):
        site.proxy.add(FAULTS[name], chance=0.03)
    for _ in range(100):
        run.step()
    site.proxy.heal()
    site.nothing_wrong_is_there()
    for name, data in run.ready.items():
        run.far.publish(name, digest_of(data))
        run.published[digest_of(data)] = data
    there = set(site.near.digests())
    assert set(run.published) <= there
    # What a lost answer published, or a lost request did not delete, is there, but nothing that nobody asked for.
    assert there - set(run.published) <= run.tried
    assert len(run.published) > 5
    assert len(site.proxy.seen) > 30
    assert run.failed > 1
