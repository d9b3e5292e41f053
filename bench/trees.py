"""How fast an installed tree of 500 MB is packed and unpacked, beside GNU tar doing the same. Medians of five."""

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from penstock.wire.trees import pack
from penstock.wire.untar import unpack

FILES = 10_000
MEGABYTE = 1_000_000
RUNS = 5
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
SAME = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]


def mixed(folder: Path) -> None:
    """About 500 MB: many small files, some large ones, as an installed C++ library has them."""
    block = hashlib.shake_256(b"penstock").digest(MEGABYTE)
    for number in range(FILES):
        size = 20 * MEGABYTE if number % 600 == 0 else 200 + number * 7919 % 33000
        place = folder / f"d{number % 40}" / f"e{number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"f{number}").write_bytes((block * (size // MEGABYTE + 1))[:size])


def seconds(operation: Callable[[], object]) -> float:
    """The median of five runs."""
    spans = []
    for _ in range(RUNS):
        began = time.perf_counter()
        operation()
        spans.append(time.perf_counter() - began)
    return statistics.median(spans)


def tar_and_digest(folder: Path) -> None:
    """The peer of packing: GNU tar with the options that make it deterministic, its stream digested."""
    with subprocess.Popen(["tar", *SAME, "-cf", "-", "-C", folder, "."], stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        digest = hashlib.sha256()
        while chunk := peer.stdout.read(1 << 20):
            digest.update(chunk)


def unpack_file(stream: Path, target: Path) -> None:
    """Unpack into an empty folder."""
    with stream.open("rb") as packed:
        unpack(packed.read, target)


def untar_file(stream: Path, target: Path) -> None:
    """The peer of unpacking: GNU tar, which trusts what it is given."""
    subprocess.run(["tar", "-xf", stream, "-C", target], check=True)


def unpacking(operation: Callable[[Path, Path], None], stream: Path, above: Path) -> float:
    """The median of five runs into new folders below `above`, their removal not counted."""
    spans = []
    for _ in range(RUNS):
        target = Path(tempfile.mkdtemp(dir=above))
        began = time.perf_counter()
        operation(stream, target)
        spans.append(time.perf_counter() - began)
        shutil.rmtree(target)
    return statistics.median(spans)


def run() -> dict[str, object]:
    """Figures in MB/s of tar stream; on the disk of the temporary folder, and in memory where there is /dev/shm."""
    with tempfile.TemporaryDirectory() as above, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        folder, stream = Path(memory, "tree"), Path(memory, "stream.tar")
        mixed(folder)
        with stream.open("wb") as packed:
            _, size = pack(folder, packed.write)
        rate = size / MEGABYTE
        figures = {
            "stream, MB": round(rate),
            "pack and digest, MB/s": round(rate / seconds(lambda: pack(folder))),
            "GNU tar and sha256, MB/s": round(rate / seconds(lambda: tar_and_digest(folder))),
            "unpack in memory, MB/s": round(rate / unpacking(unpack_file, stream, Path(memory))),
            "GNU tar -x in memory, MB/s": round(rate / unpacking(untar_file, stream, Path(memory))),
            "unpack on disk, MB/s": round(rate / unpacking(unpack_file, stream, Path(above))),
            "GNU tar -x on disk, MB/s": round(rate / unpacking(untar_file, stream, Path(above))),
        }
        both = [sys.executable, "-m", "bench.trees", str(folder), str(stream), tempfile.mkdtemp(dir=memory)]
        peak = subprocess.run(both, check=True, capture_output=True, text=True).stdout
        return {**figures, "peak memory of a process that does both, MB": int(peak), "cores": os.cpu_count()}


def peak_mb() -> int:
    """The most memory that this program held; getrusage would count its parent's before exec, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
    unpack_file(Path(sys.argv[2]), Path(sys.argv[3]))
    print(peak_mb())
