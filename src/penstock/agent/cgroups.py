"""Control groups: limits on memory and processes, and honest figures of what an attempt used.

Version 1 has a hierarchy per controller, version 2 one for all; each controller is used where it can be written, and
what cannot be had is simply missing (then usage.py looks at /proc). Memory is never limited by RLIMIT_AS: that aborts
every program built with an address sanitizer.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_REMOVE_TRIES = 50


class Group:
    """The groups of one attempt. `joins`: the files into which its first process writes 0 to enter them."""

    def __init__(self, folders: dict[str, Path], version: int) -> None:
        self._folders = folders
        self.measured_by = f"cgroup v{version}"
        self.joins = sorted({str(folder / "cgroup.procs") for folder in folders.values()})

    @property
    def limits_processes(self) -> bool:
        """Whether the number of processes is bounded here."""
        return "pids" in self._folders

    def cpu_ms(self) -> int | None:
        """CPU time of all that ever ran in the group."""
        folder = self._folders.get("cpuacct")
        if folder is not None:
            used = _number(folder / "cpuacct.usage")
            return None if used is None else used // 1_000_000
        folder = self._folders.get("cpu")
        used = None if folder is None else _field(folder / "cpu.stat", "usage_usec")
        return None if used is None else used // 1000

    def memory_peak_mb(self) -> int | None:
        """Most memory held at once, page cache included."""
        folder = self._folders.get("memory")
        if folder is None:
            return None
        peak = _number(folder / "memory.max_usage_in_bytes") or _number(folder / "memory.peak")
        return None if peak is None else -(-peak // (1 << 20))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something here for memory."""
        folder = self._folders.get("memory")
        if folder is None:
            return False
        killed = _field(folder / "memory.oom_control", "oom_kill") or _field(
            folder / "memory.events", "oom_kill"
        )
        return bool(killed)

    def remove(self) -> None:
        """Remove the groups; a process that is just ending still counts for a moment."""
        for folder in set(self._folders.values()):
            for _ in range(_REMOVE_TRIES):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)
                else:
                    break


def create(name: str, memory_mb: int | None, pids_max: int) -> Group | None:
    """A new group with these limits; None where no controller can be used."""
    own = _own_groups()
    folders = {
        c: f for c, f in ((c, _make_v1(c, own.get(c), name)) for c in ("memory", "pids", "cpuacct")) if f
    }
    if folders:
        version = 1
    else:
        version, folders = 2, _make_v2(own.get(""), name)
    if not folders:
        return None
    if "memory" in folders and memory_mb:
        _limit_memory(folders["memory"], memory_mb << 20)
    if "pids" in folders:
        _write(folders["pids"] / "pids.max", pids_max)
    return Group(folders, version)


def sweep(prefix: str) -> None:
    """Remove groups that an earlier agent left, if nothing lives in them."""
    own = _own_groups()
    places = [ROOT / c / path.lstrip("/") for c, path in own.items() if c] + _v2_places(own.get(""))
    for place in places:
        for folder in place.glob(prefix + "*"):
            try:
                folder.rmdir()
            except OSError:
                continue


def _own_groups() -> dict[str, str]:
    """Controller -> path of the group that this process is in; "" is version 2."""
    found = {}
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _make_v1(controller: str, path: str | None, name: str) -> Path | None:
    if path is None:
        return None
    folder = ROOT / controller / path.lstrip("/") / name
    try:
        folder.mkdir()
    except OSError:
        return None
    return folder


def _v2_places(path: str | None) -> list[Path]:
    if path is None:
        return []
    return [ROOT / path.lstrip("/"), ROOT / "unified" / path.lstrip("/")]


def _make_v2(path: str | None, name: str) -> dict[str, Path]:
    """A group below our own, if that was delegated to us. We move aside first: a group holds processes or groups."""
    for above in _v2_places(path):
        if not (above / "cgroup.controllers").exists() or not os.access(above, os.W_OK):
            continue
        try:
            aside = above / "agent"
            aside.mkdir(exist_ok=True)
            _write(aside / "cgroup.procs", os.getpid())
            for controller in ("memory", "pids", "cpu"):
                _write(above / "cgroup.subtree_control", "+" + controller)
            folder = above / name
            folder.mkdir()
        except OSError:
            continue
        present = (folder / "cgroup.controllers").read_text().split()
        return {controller: folder for controller in ("memory", "pids", "cpu") if controller in present}
    return {}


def _limit_memory(folder: Path, size: int) -> None:
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max"):
        if (folder / name).exists():
            _write(folder / name, size)
    if (folder / "memory.swap.max").exists():
        _write(folder / "memory.swap.max", 0)


def _write(path: Path, value: object) -> None:
    try:
        path.write_text(str(value))
    except OSError:
        # Without this controller the attempt still runs; usage then comes from elsewhere.
        return


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int | None:
    try:
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        return None
    return None
