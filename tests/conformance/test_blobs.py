"""The blob stores that there are, each through the whole suite."""

from pathlib import Path

import pytest
from conformance.blob_suite import BlobSuite
from obstore.store import LocalStore
from radosgw import Bucket

from penstock.ports import BlobStore
from penstock.store.blobs import open_blobs
from penstock.store.objectblobs import ObjectBlobs
from penstock.store.objects import Objects


class TestFolder(BlobSuite):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return open_blobs("file:blobs", tmp_path)


class TestMemory(BlobSuite):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return open_blobs("memory:", tmp_path)


class TestObjectsOnDisk(BlobSuite):
    """Not offered (it forces nothing to disk), but it uploads in parts, as S3 does and memory does not."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return ObjectBlobs(Objects(LocalStore(tmp_path)))


@pytest.mark.real
@pytest.mark.needs("radosgw")
class TestS3(BlobSuite):
    """A bucket of Ceph's radosgw, found as a hub finds it: by its address and the environment."""

    @pytest.fixture
    def blobs(self, s3: Bucket, tmp_path: Path) -> BlobStore:
        return open_blobs(s3.url, tmp_path)
