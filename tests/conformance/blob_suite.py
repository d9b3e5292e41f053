"""What every blob store must do. A subclass gives the fixture `blobs`; see test_blobs.py."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.ports import BlobStore, StoreError, Upload

MIB = 1 << 20
WAIT_S = 60
BAD_NAMES = (
    "",
    "tree",
    "/a/tree",
    "a/",
    "a//tree",
    "a/b/tree",
    "../tree",
    "a/..",
    "a/../tree",
    "a/.hidden",
    "a/tree\n",
    "a/tr\0ee",
    "a/tree~" + "0" * 64,
    "a\\tree",
    "a/" + "x" * 129,
    "a/\u00e9",
    "%2e%2e/tree",
)
BAD_DIGESTS = (
    "",
    "sha256:",
    "0" * 64,
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "sha256:" + "0" * 64 + "\n",
    "sha256:../" + "0" * 61,
    "md5:" + "0" * 64,
)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sent(blobs: BlobStore, name: str, *chunks: bytes) -> str:
    """Upload to the end; the digest."""
    upload = blobs.upload(name)
    for chunk in chunks:
        upload.write(chunk)
    return upload.finish()[0]


def stored(blobs: BlobStore, data: bytes, name: str = "a/tree") -> str:
    """Upload and publish; the digest."""
    digest = sent(blobs, name, data)
    blobs.publish(name, digest)
    return digest


class BlobSuite:
    """Uploads, objects, and what lies between them."""

    def test_what_goes_in_comes_out(self, blobs: BlobStore) -> None:
        upload = blobs.upload("a/tree")
        for chunk in (b"hello ", b"", b"world"):
            upload.write(chunk)
        digest, size = upload.finish()
        assert (digest, size) == (digest_of(b"hello world"), 11)
        blobs.publish("a/tree", digest)
        assert b"".join(blobs.read(digest)) == b"hello world"
        assert blobs.size(digest) == 11
        assert blobs.verify(digest)

    @pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 40 * MIB + 7])
    def test_any_size_comes_out_in_chunks_of_a_mebibyte_at_most(self, blobs: BlobStore, size: int) -> None:
        data = bytes(range(256)) * (size // 256 + 1)
        digest = stored(blobs, data[:size])
        chunks = list(blobs.read(digest))
        assert all(type(chunk) is bytes and 0 < len(chunk) <= MIB for chunk in chunks)
        assert len(chunks) <= 2 * (size // MIB + 1)
        assert b"".join(chunks) == data[:size]

    def test_buffers_may_be_used_again_by_the_sender(self, blobs: BlobStore) -> None:
        upload, buffer = blobs.upload("a/tree"), bytearray(b"first.")
        upload.write(buffer)
        buffer[:] = b"second"
        upload.write(buffer)
        digest, _ = upload.finish()
        blobs.publish("a/tree", digest)
        assert b"".join(blobs.read(digest)) == b"first.second"

    # Before it is published

    def test_nobody_reads_what_is_not_published(self, blobs: BlobStore) -> None:
        upload = blobs.upload("a/tree")
        upload.write(b"x" * 20)
        assert list(blobs.digests()) == []
        digest, _ = upload.finish()
        assert list(blobs.digests()) == []
        assert blobs.size(digest) is None
        assert not blobs.verify(digest)
        with pytest.raises(KeyError):
            blobs.read(digest)

    def test_an_unfinished_upload_cannot_be_published(self, blobs: BlobStore) -> None:
        upload = blobs.upload("a/tree")
        upload.write(b"data")
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest_of(b"data"))
        assert upload.finish() == (digest_of(b"data"), 4)
        blobs.publish("a/tree", digest_of(b"data"))

    def test_only_what_was_digested_gets_the_name(self, blobs: BlobStore) -> None:
        digest = sent(blobs, "a/tree", b"mine")
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest_of(b"other"))
        with pytest.raises(KeyError):
            blobs.publish("a/log", digest)
        assert list(blobs.digests()) == []

    def test_another_upload_of_the_name_does_not_slip_in(self, blobs: BlobStore) -> None:
        digest = sent(blobs, "a/tree", b"digested")
        newer = blobs.upload("a/tree")
        newer.write(b"another")
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest)
        other, _ = newer.finish()
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest)
        blobs.publish("a/tree", other)
        assert list(blobs.digests()) == [other]
        assert blobs.verify(other)

    def test_an_older_upload_cannot_finish(self, blobs: BlobStore) -> None:
        older = blobs.upload("a/tree")
        older.write(b"older")
        newer = blobs.upload("a/tree")
        older.write(b"goes on")
        newer.write(b"newer")
        with pytest.raises(StoreError, match="a/tree"):
            older.finish()
        digest, _ = newer.finish()
        blobs.publish("a/tree", digest)
        assert list(blobs.digests()) == [digest_of(b"newer")]
        assert list(blobs.uploads()) == []

    def test_uploads_are_named_until_they_are_published(self, blobs: BlobStore) -> None:
        begun = [blobs.upload(name) for name in ("b/tree", "a/tree", "a/log")]
        begun[0].write(b"x")
        assert list(blobs.uploads()) == ["a/log", "a/tree", "b/tree"]
        digest, _ = begun[0].finish()
        assert list(blobs.uploads()) == ["a/log", "a/tree", "b/tree"]
        blobs.publish("b/tree", digest)
        assert list(blobs.uploads()) == ["a/log", "a/tree"]
        for upload in begun[1:]:
            upload.abandon()
        assert list(blobs.uploads()) == []

    def test_abandoned_uploads_leave_nothing(self, blobs: BlobStore) -> None:
        upload = blobs.upload("a/tree")
        upload.write(b"x" * MIB)
        upload.abandon()
        upload.abandon()
        assert list(blobs.uploads()) == []
        for call in (lambda: upload.write(b"y"), upload.finish):
            with pytest.raises(StoreError):
                call()

    def test_abandoning_after_the_end_takes_nothing_back(self, blobs: BlobStore) -> None:
        upload = blobs.upload("a/tree")
        digest, _ = upload.finish()
        upload.abandon()
        blobs.publish("a/tree", digest)
        assert blobs.size(digest) == 0

    def test_names_that_begin_alike_are_different_uploads(self, blobs: BlobStore) -> None:
        digests = {
            name: sent(blobs, name, name.encode()) for name in ("a/tree", "a/tree2", "a/tre", "a2/tree")
        }
        blobs.discard("a/tree")
        assert list(blobs.uploads()) == ["a/tre", "a/tree2", "a2/tree"]
        for name in ("a/tree2", "a/tre", "a2/tree"):
            blobs.publish(name, digests[name])
        assert len(list(blobs.digests())) == 3

    def test_discarding_removes_finished_and_unfinished(self, blobs: BlobStore) -> None:
        sent(blobs, "a/tree", b"x")
        late = blobs.upload("a/log")
        for name in ("a/tree", "a/log", "a/nothing", "b/nothing"):
            blobs.discard(name)
            blobs.discard(name)
        assert list(blobs.uploads()) == []
        with pytest.raises(StoreError):
            late.finish()

    # Objects

    def test_publishing_again_is_harmless(self, blobs: BlobStore) -> None:
        digest = stored(blobs, b"data")
        blobs.publish("a/tree", digest)
        blobs.publish("never/begun", digest)
        assert stored(blobs, b"data", "b/tree") == digest
        assert list(blobs.digests()) == [digest]
        assert list(blobs.uploads()) == []
        assert blobs.verify(digest)

    def test_what_is_missing_is_said_at_once(self, blobs: BlobStore) -> None:
        digest = digest_of(b"nobody")
        assert blobs.size(digest) is None
        assert not blobs.verify(digest)
        with pytest.raises(KeyError):
            blobs.read(digest)
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest)
        blobs.delete(digest)

    def test_deleted_objects_are_gone_and_can_come_back(self, blobs: BlobStore) -> None:
        digest, other = stored(blobs, b"data"), stored(blobs, b"other")
        blobs.delete(digest)
        blobs.delete(digest)
        assert list(blobs.digests()) == [other]
        with pytest.raises(KeyError):
            blobs.read(digest)
        assert stored(blobs, b"data") == digest
        assert blobs.verify(digest)

    def test_an_object_deleted_while_it_is_read_is_read_to_its_end(self, blobs: BlobStore) -> None:
        data = b"x" * (3 * MIB)
        digest = stored(blobs, data)
        chunks = blobs.read(digest)
        first = next(chunks)
        blobs.delete(digest)
        assert first + b"".join(chunks) == data

    def test_digests_are_listed_in_order(self, blobs: BlobStore) -> None:
        digests = [stored(blobs, b"%d" % number) for number in range(20)]
        assert list(blobs.digests()) == sorted(digests)

    # Names

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_names_are_refused(self, blobs: BlobStore, name: str) -> None:
        for call in (blobs.upload, blobs.discard, lambda name: blobs.publish(name, digest_of(b""))):
            with pytest.raises(ValueError):
                call(name)
        assert list(blobs.uploads()) == []

    @pytest.mark.parametrize("digest", BAD_DIGESTS)
    def test_bad_digests_are_refused(self, blobs: BlobStore, digest: str) -> None:
        sent(blobs, "a/tree", b"x")
        calls = (blobs.size, blobs.read, blobs.delete, blobs.verify, lambda d: blobs.publish("a/tree", d))
        for call in calls:
            with pytest.raises(ValueError):
                call(digest)

    # Tickets

    def test_tickets_are_given_by_those_that_say_so(self, blobs: BlobStore) -> None:
        assert (blobs.ticket("a/tree", 60) is not None) is blobs.direct
        with pytest.raises(KeyError):
            blobs.receive("a/tree")
        for name in BAD_NAMES:
            with pytest.raises(ValueError):
                blobs.ticket(name, 60)
            with pytest.raises(ValueError):
                blobs.receive(name)

    def test_an_upload_by_hand_is_not_received(self, blobs: BlobStore) -> None:
        digest = sent(blobs, "a/tree", b"mine")
        with pytest.raises(KeyError):
            blobs.receive("a/tree")
        blobs.publish("a/tree", digest)

    # Several at once

    def test_many_senders_of_one_content(self, blobs: BlobStore) -> None:
        begin = threading.Barrier(8)

        def send(number: int) -> str:
            begin.wait(WAIT_S)
            return stored(blobs, b"the same" * 1000, f"attempt{number}/tree")

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(send, range(8))) == {digest_of(b"the same" * 1000)}
        assert list(blobs.digests()) == [digest_of(b"the same" * 1000)]
        assert list(blobs.uploads()) == []
        assert blobs.verify(digest_of(b"the same" * 1000))

    def test_many_outputs_of_one_attempt(self, blobs: BlobStore) -> None:
        begin = threading.Barrier(8)

        def send(number: int) -> str:
            begin.wait(WAIT_S)
            for turn in range(5):
                digest = stored(blobs, b"%d %d" % (number, turn), f"a/out{number}")
            return digest

        with ThreadPoolExecutor(8) as threads:
            digests = list(threads.map(send, range(8)))
        assert len(list(blobs.digests())) == 40
        assert all(blobs.verify(digest) for digest in digests)

    def test_one_of_many_uploads_of_one_name_wins(self, blobs: BlobStore) -> None:
        uploads: list[Upload] = [blobs.upload("a/tree") for _ in range(4)]
        for number, upload in enumerate(uploads):
            upload.write(b"%d" % number)
        ended = []
        for upload in uploads:
            try:
                ended.append(upload.finish()[0])
            except StoreError:
                continue
        assert ended == [digest_of(b"3")]

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(chunks=st.lists(st.binary(max_size=300), max_size=8))
    def test_the_digest_does_not_depend_on_the_chunks(self, blobs: BlobStore, chunks: list[bytes]) -> None:
        whole = b"".join(chunks)
        assert sent(blobs, "a/tree", *chunks) == digest_of(whole)
        blobs.publish("a/tree", digest_of(whole))
        assert b"".join(blobs.read(digest_of(whole))) == whole

    def test_two_may_publish_one_upload(self, blobs: BlobStore) -> None:
        begin = threading.Barrier(4)
        digest = sent(blobs, "a/tree", b"data")

        def publish(_number: int) -> None:
            begin.wait(WAIT_S)
            blobs.publish("a/tree", digest)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(publish, range(4)))
        assert list(blobs.digests()) == [digest]
        assert list(blobs.uploads()) == []
