"""What a tree of processes uses, looked up in /proc now and then: for machines without usable control groups."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Looks at all below a process; remembers the most memory that it saw."""

    measured_by = "proc samples"

    def __init__(self, root: int) -> None:
        self._root = root
        self._peak_pages = 0

    def look(self) -> None:
        """Take one sample."""
        tree = descendants(self._root)
        pages = sum(process.pages for pid, process in tree.items() if pid != self._root)
        self._peak_pages = max(self._peak_pages, pages)

    def memory_peak_mb(self) -> int | None:
        """Most memory seen at once (shared pages counted by each that maps them); None if nothing was seen."""
        size = self._peak_pages * _PAGE
        return -(-size // (1 << 20)) or None


class Process:
    """One line of /proc/PID/stat."""

    def __init__(self, parent: int, pages: int) -> None:
        self.parent = parent
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
        return Process(int(fields[1]), int(fields[21]))
    except (OSError, ValueError, IndexError):
        return None
