"""The blob stores that there are, each through the whole suite."""

from pathlib import Path

import pytest
from conformance.blob_suite import BlobSuite
from obstore.store import LocalStore

from penstock.ports import BlobStore
from penstock.store.blobs import open_blobs
from penstock.store.objectblobs import ObjectBlobs


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
        return ObjectBlobs(LocalStore(tmp_path))
