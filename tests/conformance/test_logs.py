"""The log stores that there are, each through the whole suite."""

from pathlib import Path

import pytest
from conformance.log_suite import LogSuite, Opening
from obstore.store import MemoryStore
from radosgw import Bucket

from penstock.store.logs import open_logs
from penstock.store.objectlogs import ObjectLogs
from penstock.store.objects import Objects


class TestFolder(LogSuite):
    @pytest.fixture
    def open_again(self, tmp_path: Path) -> Opening:
        return lambda: open_logs("file:blobs", tmp_path / "logs")


class TestObjectsInMemory(LogSuite):
    bounded = False

    @pytest.fixture
    def open_again(self) -> Opening:
        objects = Objects(MemoryStore())
        return lambda: ObjectLogs(objects, many=4)


@pytest.mark.real
@pytest.mark.needs("radosgw")
class TestS3(LogSuite):
    @pytest.fixture
    def open_again(self, s3: Bucket, tmp_path: Path) -> Opening:
        return lambda: open_logs(s3.url, tmp_path)
