"""How fast a tree is packed and unpacked, beside GNU tar with a digest of the same bytes."""

import hashlib
import io
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from penstock.wire.trees import pack
from penstock.wire.untar import unpack

FILES = 6000
MEGABYTE = 1_000_000


def mixed(folder: Path) -> None:
    """About 300 MB: many small files, some large ones, as an installed C++ library has them."""
    block = hashlib.shake_256(b"penstock").digest(MEGABYTE)
    for number in range(FILES):
        size = 20 * MEGABYTE if number % 600 == 0 else 200 + number * 7919 % 33000
        place = folder / f"d{number % 40}" / f"e{number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"f{number}").write_bytes((block * (size // MEGABYTE + 1))[:size])


def best_of(count: int, operation: Callable[[], object]) -> float:
    """The shortest of some runs, in seconds."""
    spans = []
    for _ in range(count):
        began = time.perf_counter()
        operation()
        spans.append(time.perf_counter() - began)
    return min(spans)


def tar_and_digest(folder: Path) -> None:
    """The peer: GNU tar with the options that make it deterministic."""
    options = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    with subprocess.Popen(["tar", *options, "-cf", "-", "-C", folder, "."], stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        digest = hashlib.sha256()
        while chunk := peer.stdout.read(1 << 20):
            digest.update(chunk)


def run() -> dict[str, object]:
    """Figures in MB/s of tar stream."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above, "tree")
        folder.mkdir()
        mixed(folder)
        stream = io.BytesIO()
        _, size = pack(folder, stream.write)

        def unpack_once() -> None:
            stream.seek(0)
            unpack(stream.read, tempfile.mkdtemp(dir=above))

        rate = size / MEGABYTE
        return {
            "cores": os.cpu_count(),
            "stream_mb": round(rate),
            "pack_mb_per_s": round(rate / best_of(3, lambda: pack(folder))),
            "gnu_tar_and_digest_mb_per_s": round(rate / best_of(3, lambda: tar_and_digest(folder))),
            "unpack_mb_per_s": round(rate / best_of(3, unpack_once)),
        }
