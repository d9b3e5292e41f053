"""What became of every record: kept, or dropped and why; what was mended in those that were kept."""

from collections import Counter
from typing import Any


class Unreadable(Exception):
    """A file that cannot be read at all: one line that says where, what, and what to write instead."""

    def __init__(self, file: str, line: int | None, what: str, instead: str = "") -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {what}; {instead}" if instead else f"{place}: {what}")


class Dropped(Exception):
    """A record that is no run of a job; `reason` is counted, `detail` (text from outside) is shown once."""

    def __init__(self, reason: str, detail: object = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Report:
    """Counts. Always `read == kept + the sum of dropped`; a kept record may have been mended in several ways.

    Reasons are fixed sentences: their number does not grow with the data. `examples` has the first record of each.
    """

    def __init__(self) -> None:
        self.read = 0
        self.kept = 0
        self.dropped: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.file = ""
        self.line: int | None = None
        self._mended_here: list[str] = []

    def at(self, line: int | None) -> None:
        """A record begins: one more is read. `line` counts from 1; a record's number where there are no lines."""
        self.line = line
        self.read += 1
        self._mended_here.clear()

    def drop(self, reason: str, detail: object = "") -> None:
        """The record that was read last is left out, and with it what was mended in it."""
        self.dropped[reason] += 1
        self.mended.subtract(self._mended_here)
        self._mended_here.clear()
        self._example(reason, detail)

    def mend(self, what: str, detail: object = "") -> None:
        """A value of the record that was read last is not what was written there."""
        self.mended[what] += 1
        self._mended_here.append(what)
        self._example(what, detail)

    def _example(self, reason: str, detail: object) -> None:
        if reason in self.examples:
            return
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        self.examples[reason] = f"{place}: {_short(detail)}" if detail != "" else place

    def document(self) -> dict[str, Any]:
        """As --json prints it: {"read", "kept", "dropped": {reason: count}, "mended": {..}, "examples": {..}}."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": dict(self.dropped.most_common()),
            "mended": {what: times for what, times in self.mended.most_common() if times},
            "examples": {
                why: where for why, where in self.examples.items() if why in self.dropped or self.mended[why]
            },
        }


def _short(detail: object) -> str:
    """A value as a person sees it, 60 characters at most."""
    text = repr(detail)
    return text if len(text) <= 60 else text[:57] + "..."
