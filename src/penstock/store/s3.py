"""S3 and its like by address: s3://BUCKET/PREFIX, the rest from the environment, as other programs read it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError

from penstock.ports import Away, StoreError
from penstock.store.objects import Objects

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_LOOKS = 3
_SAID = {
    "NoSuchBucket": "there is no such bucket; make it first",
    "InvalidAccessKeyId": "the store does not know the key in AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
    "AccessDenied": "the key in AWS_ACCESS_KEY_ID may not list it",
}


@dataclass(frozen=True)
class Limits:
    """How long one call may take before it is a StoreError, and the hub does something else first.

    `connect_s`: to be connected; `silent_s`: without a byte of an answer; `retries` of what may be repeated, as long
    as less than `retry_s` has passed. A whole object may take as long as its bytes keep coming.
    """

    connect_s: float = 5.0
    silent_s: float = 60.0
    retries: int = 4
    retry_s: float = 20.0


def open_s3(url: str, environment: Mapping[str, str], limits: Limits = Limits()) -> Objects:
    """The objects below s3://BUCKET/PREFIX, after one look at the bucket. Raises StoreError with one line.

    Key, secret, region and endpoint are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), AWS_REGION
    and AWS_ENDPOINT_URL; AWS_CA_BUNDLE names certificates to trust beside the usual ones. Plain http goes to this
    machine only, unless AWS_ALLOW_HTTP is "true".
    """
    bucket, prefix = _named(url)
    missing = [name for name in _KEYS if not environment.get(name)]
    if missing:
        raise StoreError(f"{url}: {' and '.join(missing)} must be in the environment")
    endpoint = _first(environment, _ENDPOINTS)
    plain = _plain(url, endpoint, environment)
    try:
        store = _store(bucket, prefix, endpoint, (environment, limits, plain))
    except (ValueError, BaseError) as wrong:
        # obstore reads more of the environment than we name.
        said = str(wrong).partition("\n")[0][:200]
        raise StoreError(f"{url}: a setting in the environment (AWS_...) is not understood: {said}") from None
    objects = Objects(store, url, "<Code>NoSuchKey</Code>", signs=True)
    _look(url, objects)
    return objects


def _named(url: str) -> tuple[str, str]:
    """Bucket and prefix of an address."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/")
    parts = prefix.split("/") if prefix else []
    if not _BUCKET.fullmatch(bucket) or not all(_PART.fullmatch(part) for part in parts):
        raise StoreError(
            f"{url!r} is no bucket: write s3://BUCKET/PREFIX in letters, digits, '.', '_' and '-'"
        )
    return bucket, prefix


def _plain(url: str, endpoint: str, environment: Mapping[str, str]) -> bool:
    """Whether the endpoint is plain http, and may be."""
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise StoreError(f"{url}: AWS_ENDPOINT_URL is no address: write https://HOST or https://HOST:PORT")
    if parts.scheme != "http":
        return False
    host = parts.hostname or ""
    here = host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
    if not here and environment.get("AWS_ALLOW_HTTP", "").lower() != "true":
        raise StoreError(
            f"{url}: plain http to {host} shows everybody what is built; use https, or set AWS_ALLOW_HTTP=true"
        )
    return True


def _store(bucket: str, prefix: str, endpoint: str, how: tuple[Mapping[str, str], Limits, bool]) -> Any:
    """The store as obstore has it; what is not given here it reads from the environment itself."""
    from obstore.store import S3Store

    environment, limits, plain = how
    options: Any = {
        "allow_http": plain,
        "connect_timeout": timedelta(seconds=limits.connect_s),
        "read_timeout": timedelta(seconds=limits.silent_s),
        # The limit on a whole answer, 30 s by default, would end the reading of large objects.
        "timeout": timedelta(days=1),
    }
    bundle = environment.get("AWS_CA_BUNDLE")
    if bundle and not plain:
        options["root_certificate"] = _certificates(bundle)
    config: Any = {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint} if endpoint else {}
    if token := environment.get("AWS_SESSION_TOKEN"):
        config["session_token"] = token
    return S3Store(
        bucket,
        prefix=prefix or None,
        access_key_id=environment[_KEYS[0]],
        secret_access_key=environment[_KEYS[1]],
        region=_first(environment, _REGIONS) or "us-east-1",
        virtual_hosted_style_request=False,
        client_options=options,
        retry_config={"max_retries": limits.retries, "retry_timeout": timedelta(seconds=limits.retry_s)},
        **config,
    )


def _certificates(path: str) -> bytes:
    try:
        found = Path(path).read_bytes()
    except OSError as wrong:
        raise StoreError(f"AWS_CA_BUNDLE: {path}: {wrong.strerror}") from None
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise StoreError(f"AWS_CA_BUNDLE: {path}: there is no certificate in it (PEM)")
    return found


def _look(url: str, objects: Objects) -> None:
    """Ask for a folder that is always empty: what is wrong with the bucket or the key is said at the start."""
    for turn in range(_LOOKS):
        try:
            objects.below("nothing")
            return
        except Away:
            if turn + 1 == _LOOKS:
                raise
        except StoreError as wrong:
            meaning = next((told for code, told in _SAID.items() if code in str(wrong)), "")
            raise StoreError(f"{url}: {meaning}") if meaning else wrong from None


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((found for name in names if (found := environment.get(name))), "")
