"""What a tree of processes uses, looked up in /proc now and then: for machines without usable control groups.

CPU time of a process that ended is counted by its parent once that has waited for it, so the sum over the living, with
what they waited for, misses only what ended since the last look.
"""

from __future__ import annotations

import os

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Looks at a process and all below it; remembers the most it saw."""

    measured_by = "proc samples"

    def __init__(self, root: int) -> None:
        self._root = root
        self._cpu_ticks = 0
        self._peak_pages = 0

    def look(self) -> None:
        """Take one sample."""
        tree = descendants(self._root)
        self._cpu_ticks = max(self._cpu_ticks, sum(tree[pid].cpu_ticks for pid in tree))
        self._peak_pages = max(self._peak_pages, sum(tree[pid].pages for pid in tree))

    def cpu_ms(self) -> int | None:
        """CPU time seen."""
        return self._cpu_ticks * 1000 // _TICKS

    def memory_peak_mb(self) -> int | None:
        """Most memory seen at once (shared pages counted by each that maps them); None if nothing was seen."""
        size = self._peak_pages * _PAGE
        return -(-size // (1 << 20)) or None


class Process:
    """One line of /proc/PID/stat."""

    def __init__(self, parent: int, cpu_ticks: int, pages: int) -> None:
        self.parent = parent
        self.cpu_ticks = cpu_ticks
        self.pages = pages


def descendants(root: int) -> dict[int, Process]:
    """A process and all below it, by pid."""
    every = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = _read(int(name))
            if found is not None:
                every[int(name)] = found
    below: dict[int, list[int]] = {}
    for pid, process in every.items():
        below.setdefault(process.parent, []).append(pid)
    tree, pending = {}, [root]
    while pending:
        pid = pending.pop()
        if pid in every and pid not in tree:
            tree[pid] = every[pid]
            pending.extend(below.get(pid, ()))
    return tree


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        # utime, stime and the same of children that were waited for; proc(5), fields 14 to 17.
        return Process(int(fields[1]), sum(int(field) for field in fields[11:15]), int(fields[21]))
    except (OSError, ValueError, IndexError):
        return None
