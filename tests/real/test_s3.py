"""S3 by address and environment: what is wrong is said in one line, and what S3 does not copy is published all the same."""

import re
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import obstore
import pytest
from radosgw import Bucket
from real.faultproxy import FaultProxy

from penstock.ports import StoreError
from penstock.store.blobs import open_blobs
from penstock.store.objectblobs import ObjectBlobs
from penstock.store.objects import PART_BYTES
from penstock.store.s3 import Limits, open_s3

pytestmark = pytest.mark.needs("radosgw")
QUICK = Limits(connect_s=2, silent_s=5, retries=1, retry_s=2)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": None}, "AWS_ACCESS_KEY_ID must be in the environment"),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": ""},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be in the environment",
        ),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "the store does not know the key in AWS_ACCESS_KEY_ID"),
        (
            {"AWS_SECRET_ACCESS_KEY": "very-wrong"},
            "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
        ),
        ({"AWS_ENDPOINT_URL": "http://s3.example"}, "plain http to s3.example shows everybody"),
        ({"AWS_ENDPOINT_URL": "s3.example"}, "AWS_ENDPOINT_URL is no address"),
        ({"AWS_ENDPOINT_URL": "http://me:word@127.0.0.1"}, "AWS_ENDPOINT_URL is no address"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "GET failed"),
        ({"AWS_ENDPOINT_URL": "https://127.0.0.1:9", "AWS_CA_BUNDLE": "/no/such/file"}, "AWS_CA_BUNDLE"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(s3: Bucket, changed: dict[str, str | None], said: str) -> None:
    environment = {name: value for name, value in (s3.environment | changed).items() if value is not None}
    with pytest.raises(StoreError, match=re.escape(said)) as wrong:
        open_s3(s3.url, environment, QUICK)
    text = str(wrong.value)
    assert "\n" not in text
    assert len(text) < 200
    assert not any(secret in text for secret in (s3.secret, s3.key, "very-wrong", "word"))


@pytest.mark.parametrize(
    "url", ["s3://", "s3://ab", "s3:///farm", "s3://Upper", "s3://bucket//farm", "s3://bucket/../farm"]
)
def test_addresses_that_are_none(s3: Bucket, url: str) -> None:
    with pytest.raises(StoreError, match="write s3://BUCKET/PREFIX"):
        open_s3(url, s3.environment)


def test_a_bucket_that_is_missing(s3: Bucket, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="s3://no-such-bucket/farm: there is no such bucket; make it first"):
        open_blobs("s3://no-such-bucket/farm", tmp_path)


def test_plain_http_to_others_is_for_those_who_ask(s3: Bucket) -> None:
    asked = s3.environment | {"AWS_ENDPOINT_URL": "http://s3.invalid", "AWS_ALLOW_HTTP": "true"}
    with pytest.raises(StoreError, match="GET failed"):
        open_s3(s3.url, asked, QUICK)


def test_settings_that_only_the_library_reads(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "rot13")
    with pytest.raises(StoreError, match="a setting in the environment") as wrong:
        open_s3(s3.url, s3.environment)
    assert "\n" not in str(wrong.value)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A certificate of our own for 127.0.0.1; the file is own.pem."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", str(tmp_path / "own.key"), "-out", str(tmp_path / "own.pem")),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")
    return context


@pytest.mark.needs("openssl")
def test_https_needs_a_certificate_that_is_trusted(s3: Bucket, tls: ssl.SSLContext, tmp_path: Path) -> None:
    with FaultProxy(s3.endpoint, tls=tls) as proxy:
        environment = s3.environment | {"AWS_ENDPOINT_URL": proxy.url}
        with pytest.raises(StoreError, match="GET failed"):
            open_s3(s3.url, environment, QUICK)
        blobs = ObjectBlobs(
            open_s3(s3.url, environment | {"AWS_CA_BUNDLE": str(tmp_path / "own.pem")}, QUICK)
        )
        digest, _ = blobs.upload("a/tree").finish()
        blobs.publish("a/tree", digest)
        assert blobs.verify(digest)
        (tmp_path / "bad.pem").write_text("no certificate")
        with pytest.raises(StoreError, match=r"AWS_CA_BUNDLE: .*there is no certificate"):
            open_s3(s3.url, environment | {"AWS_CA_BUNDLE": str(tmp_path / "bad.pem")}, QUICK)


def test_a_bucket_that_is_lost_is_not_a_missing_object(s3: Bucket) -> None:
    blobs = ObjectBlobs(open_s3(s3.url, s3.environment))
    upload = blobs.upload("a/tree")
    digest, _ = upload.finish()
    blobs.discard("a/tree")
    gone = obstore.sign(s3.store(""), "DELETE", "", timedelta(seconds=60))
    with urlopen(Request(gone, method="DELETE"), timeout=30) as answer:
        assert answer.status == 204
    publish, upload_again = (lambda d: blobs.publish("a/tree", d)), (lambda _: blobs.upload("a/tree"))
    for call in (blobs.size, blobs.read, blobs.verify, blobs.delete, publish, upload_again):
        with pytest.raises(StoreError, match="404 NoSuchBucket"):
            call(digest)


def test_farms_share_a_bucket_under_prefixes_of_their_own(s3: Bucket) -> None:
    one, other = (ObjectBlobs(open_s3(f"s3://{s3.name}{prefix}", s3.environment)) for prefix in ("/one", ""))
    digest, _ = one.upload("a/tree").finish()
    one.publish("a/tree", digest)
    assert list(other.digests()) == []
    assert other.size(digest) is None
    assert list(one.digests()) == [digest]


@pytest.mark.parametrize("size", [1, 3 * PART_BYTES + 5])
def test_what_s3_does_not_copy_is_published_through_us(s3: Bucket, size: int) -> None:
    blobs = ObjectBlobs(open_s3(s3.url, s3.environment), copy_most_bytes=0)
    upload = blobs.upload("a/tree")
    upload.write(b"x" * size)
    digest, _ = upload.finish()
    blobs.publish("a/tree", digest)
    assert blobs.size(digest) == size
    assert blobs.verify(digest)
    assert list(blobs.uploads()) == []


@pytest.mark.parametrize("size", [5, 3 * PART_BYTES])
def test_what_is_no_longer_what_was_digested_is_not_published(s3: Bucket, size: int) -> None:
    blobs = ObjectBlobs(open_s3(s3.url, s3.environment), copy_most_bytes=0)
    upload = blobs.upload("a/tree")
    upload.write(b"x" * size)
    digest, _ = upload.finish()
    behind = s3.store()
    (path,) = [str(found["path"]) for page in obstore.list(behind) for found in page if found["size"] == size]
    obstore.put(behind, path, b"y" * size)
    with pytest.raises(StoreError, match="is not what was digested"):
        blobs.publish("a/tree", digest)
    assert blobs.size(digest) is None
