"""Names of uploads and objects, checked before they come near a file system or a bucket."""

import re
from collections.abc import Iterator

CHUNK = 1 << 20
"""Bytes that are read and handed on at once."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_UPLOAD = re.compile(f"({_PART})/({_PART})")


def digest_hex(digest: str) -> str:
    """The 64 digits of "sha256:<hex>". Raises ValueError for anything else."""
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise ValueError(f"not a digest: {digest!r}")
    return found[1]


def is_hex(name: str) -> bool:
    """True for the bare digits of a digest."""
    return _DIGEST.fullmatch(f"sha256:{name}") is not None


def upload_parts(name: str) -> tuple[str, str]:
    """The two parts of "attempt/output". Raises ValueError for other names, so none leads out of its folder."""
    found = _UPLOAD.fullmatch(name)
    if found is None:
        raise ValueError(
            f"not a name for an upload: {name!r}: write ATTEMPT/OUTPUT in letters, digits, '.', '_', '-'"
        )
    return found[1], found[2]


def in_pieces(chunks: Iterator[memoryview | bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of CHUNK at most: one answer for every backend."""
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), CHUNK):
            yield bytes(view[start : start + CHUNK])
