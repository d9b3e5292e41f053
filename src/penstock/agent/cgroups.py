"""Control groups: limits on memory and processes, and honest figures of what an attempt used.

Version 1 has a hierarchy per controller, version 2 one for all; each controller is used where it can be written, and
what cannot be had is simply missing (then usage.py looks at /proc). Memory is never limited by RLIMIT_AS: that aborts
every program built with an address sanitizer.

To move a process between groups stops every fork of the machine for a moment. So on version 1, whose counters can be set
to zero, a slot keeps its group and its keeper stays in it. On version 2 every attempt gets a group of its own.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_REMOVE_TRIES = 50
_ASIDE = "agent"
_LITTLE = 4 << 20
_CONTROLLERS = {1: ("memory", "pids", "cpuacct"), 2: ("memory", "pids", "cpu")}


class Group:
    """The groups of one attempt. `joins`: the files into which a process writes 0 to enter them, `leaves`: to go back
    to where the agent is; none where it may stay."""

    def __init__(self, folders: dict[str, Path], version: int, home: list[Path]) -> None:
        self._folders = folders
        self._oom_before = 0
        self._limits: tuple[int | None, int] | None = None
        self._files: dict[tuple[str, str], int] = {}
        self.measured_by = f"cgroup v{version}"
        self.joins = sorted({f"{folder}/cgroup.procs" for folder in folders.values()})
        self.leaves = [str(folder / "cgroup.procs") for folder in home]

    @property
    def limits_processes(self) -> bool:
        """Whether the number of processes is bounded here."""
        return "pids" in self._folders

    def limit(self, memory_mb: int | None, pids_max: int) -> None:
        """Set the limits; no memory means no limit of it."""
        if self._limits == (memory_mb, pids_max):
            return
        self._limits = (memory_mb, pids_max)
        if "memory" in self._folders:
            _limit_memory(self._folders["memory"], memory_mb)
        if "pids" in self._folders:
            _write(self._folders["pids"] / "pids.max", pids_max)

    def reset(self) -> None:
        """Forget what earlier attempts used (version 1). What they left in the page cache is given back."""
        if "memory" in self._folders:
            if (self._number("memory", "memory.usage_in_bytes") or 0) > _LITTLE:
                _write(self._folders["memory"] / "memory.force_empty", 0)
            self._zero("memory", "memory.max_usage_in_bytes")
            self._oom_before = self._oom_kills()
        if "cpuacct" in self._folders:
            self._zero("cpuacct", "cpuacct.usage")

    def cpu_ms(self) -> int | None:
        """CPU time of all that ran in the group, and of the keeper while it did."""
        if "cpuacct" in self._folders:
            used = self._number("cpuacct", "cpuacct.usage")
            return None if used is None else used // 1_000_000
        used = self._field("cpu", "cpu.stat", "usage_usec")
        return None if used is None else used // 1000

    def memory_peak_mb(self) -> int | None:
        """Most memory held at once, page cache included."""
        name = "memory.max_usage_in_bytes" if self.leaves == [] else "memory.peak"
        peak = self._number("memory", name)
        return None if peak is None else -(-peak // (1 << 20))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something here for memory."""
        return self._oom_kills() > self._oom_before

    def remove(self) -> None:
        """Remove the groups; a process that is just ending still counts for a moment."""
        while self._files:
            os.close(self._files.popitem()[1])
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

    def _oom_kills(self) -> int:
        name = "memory.oom_control" if self.leaves == [] else "memory.events"
        return self._field("memory", name, "oom_kill") or 0

    def _file(self, controller: str, name: str) -> int:
        """A file of a group, kept open: it is read for every attempt. Raises OSError."""
        found = self._files.get((controller, name))
        if found is None:
            path = self._folders[controller] / name
            mode = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
            found = self._files[controller, name] = os.open(path, mode | os.O_CLOEXEC)
        return found

    def _zero(self, controller: str, name: str) -> None:
        try:
            os.pwrite(self._file(controller, name), b"0", 0)
        except OSError:
            # Then the figure is the most of all attempts since.
            return

    def _read(self, controller: str, name: str) -> str:
        if controller not in self._folders:
            return ""
        try:
            return os.pread(self._file(controller, name), 4096, 0).decode()
        except OSError:
            return ""

    def _number(self, controller: str, name: str) -> int | None:
        text = self._read(controller, name).strip()
        return int(text) if text.isdigit() else None

    def _field(self, controller: str, name: str, field: str) -> int | None:
        for line in self._read(controller, name).splitlines():
            key, _, value = line.partition(" ")
            if key == field and value.isdigit():
                return int(value)
        return None


class Groups:
    """Where this agent may make groups, found once: on version 2 it moves itself aside, and must do so only once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        own = _own_groups()
        found = {c: ROOT / c / own[c].lstrip("/") for c in _CONTROLLERS[1] if c in own}
        self._v1 = {c: folder for c, folder in found.items() if os.access(folder, os.W_OK)}
        self._v2 = None if self._v1 else _aside(own.get(""))
        self._sweep()

    def slot(self, name: str) -> SlotGroups:
        """The groups of one slot."""
        return SlotGroups(self, self._prefix + name)

    def create(self, name: str) -> Group | None:
        """A new group; None where no controller can be used."""
        return self._make_v1(name) if self._v1 else self._make_v2(name)

    @property
    def kept(self) -> bool:
        """Whether a group may serve one attempt after another."""
        return bool(self._v1)

    def _make_v1(self, name: str) -> Group | None:
        folders = {}
        for controller, above in self._v1.items():
            try:
                (above / name).mkdir(exist_ok=True)
            except OSError:
                continue
            folders[controller] = above / name
        return Group(folders, 1, []) if folders else None

    def _make_v2(self, name: str) -> Group | None:
        if self._v2 is None:
            return None
        folder = self._v2 / name
        try:
            folder.mkdir()
            present = (folder / "cgroup.controllers").read_text().split()
        except OSError:
            return None
        folders = {c: folder for c in _CONTROLLERS[2] if c in present}
        return Group(folders, 2, [self._v2 / _ASIDE]) if folders else None

    def _sweep(self) -> None:
        """Remove groups that an earlier agent left, if nothing lives in them."""
        for place in {*self._v1.values(), *([self._v2] if self._v2 else [])}:
            for folder in place.glob(self._prefix + "*"):
                try:
                    folder.rmdir()
                except OSError:
                    continue


class SlotGroups:
    """Gives each attempt of a slot its group."""

    def __init__(self, groups: Groups, name: str) -> None:
        self._groups = groups
        self._name = name
        self._number = 0
        self._group: Group | None = None

    def begin(self, memory_mb: int | None, pids_max: int) -> Group | None:
        """A group with these limits whose counters start at zero; None where there is none to be had."""
        if self._group is None:
            self._number += 1
            self._group = self._groups.create(f"{self._name}-{self._number}")
        elif self._groups.kept:
            self._group.reset()
        if self._group:
            self._group.limit(memory_mb, pids_max)
        return self._group

    def end(self) -> None:
        """The attempt has ended, its figures were read."""
        if not self._groups.kept:
            self.close()

    def close(self) -> None:
        """Nothing runs here any more."""
        group, self._group = self._group, None
        if group:
            group.remove()


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


def _aside(path: str | None) -> Path | None:
    """Our own group of version 2, if it was delegated to us, made ready to hold others.

    We move aside first: a group holds processes or groups. Keepers, which we start later, are born there.
    """
    if path is None:
        return None
    for above in (ROOT / path.lstrip("/"), ROOT / "unified" / path.lstrip("/")):
        if not (above / "cgroup.controllers").exists() or not os.access(above, os.W_OK):
            continue
        try:
            (above / _ASIDE).mkdir(exist_ok=True)
        except OSError:
            continue
        _write(above / _ASIDE / "cgroup.procs", os.getpid())
        for controller in _CONTROLLERS[2]:
            _write(above / "cgroup.subtree_control", "+" + controller)
        return above
    return None


def _limit_memory(folder: Path, memory_mb: int | None) -> None:
    if (folder / "memory.max").exists():
        _write(folder / "memory.max", memory_mb << 20 if memory_mb else "max")
        _write(folder / "memory.swap.max", 0 if memory_mb else "max")
        return
    size = memory_mb << 20 if memory_mb else -1
    # With swap it must never be less than without, on the way up or down.
    for name, value in (("memsw.limit", -1), ("limit", size), ("memsw.limit", size)):
        _write(folder / f"memory.{name}_in_bytes", value)


def _write(path: Path, value: object) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(handle, str(value).encode())
        finally:
            os.close(handle)
    except OSError:
        # Without this controller the attempt still runs; usage then comes from elsewhere.
        return
