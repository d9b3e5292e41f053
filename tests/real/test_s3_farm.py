"""A whole farm that keeps its blobs and logs in S3, and what it does while S3 fails."""

from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from radosgw import Bucket
from real.faultproxy import Fault, FaultProxy
from real.killing import FARM, Ended, Place

pytestmark = pytest.mark.needs("bwrap", "git", "radosgw")
MANIFEST = """
version: 1
modules:
  a:
    platforms: [p]
    build:
      - mkdir -p $DESTDIR$PREFIX/share
      - head -c 3000000 /dev/urandom > $DESTDIR$PREFIX/share/a.bin
      - echo made it
    test: ["test -f $PREFIX/share/a.bin"]
  b:
    platforms: [p]
    needs: [a]
    build: ["mkdir -p $DESTDIR$PREFIX/share", "cp $PREFIX/share/a.bin $DESTDIR$PREFIX/share/b.bin"]
"""
PASSED = {"a build": "passed", "a test": "passed", "b build": "passed"}


@pytest.fixture
def farm(s3: Bucket, tmp_path: Path) -> Callable[[str], Place]:
    def make(endpoint: str) -> Place:
        text = FARM.replace("[farm]", f'[farm]\nblobs = "{s3.url}"')
        return Place(tmp_path, {".penstock.yml": MANIFEST}, text, {"AWS_ENDPOINT_URL": endpoint})

    return make


def command(place: Place, *words: str) -> Ended:
    ended = place.start(*words, "--farm", "farm.toml", "--json").wait()
    assert ended.left == [], ended.left
    return ended


def paths(s3: Bucket, folder: str) -> list[str]:
    return [str(found["path"]) for page in obstore.list(s3.store(), folder) for found in page]


def test_blobs_and_logs_lie_in_the_bucket(farm: Callable[[str], Place], s3: Bucket, tmp_path: Path) -> None:
    with FaultProxy(s3.endpoint) as proxy:
        place = farm(proxy.url)
        first = command(place, "build", "repository")
        assert first.status == 0, first.err
        assert first.results() == PASSED
        past_hub = [call for call in proxy.calls if call.startswith("PUT ") and ".sent?" in call]
        assert len(past_hub) == 2, "the two large trees went past the hub"
        again = command(place, "build", "repository")
    assert set(again.results().values()) == {"reused"}
    assert len(paths(s3, "sha256")) == 2
    assert paths(s3, "uploads") == []
    logs = {path.split("/")[1] for path in paths(s3, "logs")}
    assert len(logs) == 3
    assert not list(tmp_path.glob("**/*.log")) or not any(
        path.stem in logs for path in tmp_path.glob("**/*.log")
    )
    assert s3.secret not in first.err + first.out


def test_a_build_goes_on_while_s3_fails_now_and_then(farm: Callable[[str], Place], s3: Bucket) -> None:
    with FaultProxy(s3.endpoint, seed=3) as proxy:
        place = farm(proxy.url)
        for fault in (Fault(status=503), Fault(lost=True), Fault(reset=True), Fault(answer_bytes=20)):
            proxy.add(fault, chance=0.07)
        ended = command(place, "build", "repository")
        assert len(proxy.seen) > 3
    assert ended.status == 0, ended.err
    assert ended.results() == PASSED


def test_a_wrong_secret_is_one_line_and_exit_status_2_or_3(farm: Callable[[str], Place], s3: Bucket) -> None:
    place = farm(s3.endpoint)
    place.environment["AWS_SECRET_ACCESS_KEY"] = "wrong-secret"
    ended = command(place, "build", "repository")
    assert ended.status in (2, 3)
    assert (
        ended.err.strip()
        .splitlines()[-1]
        .endswith("AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID")
    )
    assert "Traceback" not in ended.err
    assert "wrong-secret" not in ended.err
