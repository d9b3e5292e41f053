"""`penstock agent` that kills itself with SIGKILL at one point: `dyingagent.py POINT NUMBER WORDS...`.

Points: call (before the n-th call to the hub), answer (after the hub has answered it, before anybody here knows),
begin (when the n-th attempt is handed to its slot), end (when one has ended, before that is on disk), kept (after it is
on disk, before it is sent), upload (before the n-th upload).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from real.dying import Fate

from penstock.agent.__main__ import main
from penstock.agent.finishes import Finishes
from penstock.agent.slots import Slot
from penstock.wire.client import Client

POINTS = ("call", "answer", "begin", "end", "kept", "upload")


def dying(owner: type, name: str, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Have a method say when it is entered and left."""
    inside = getattr(owner, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        before()
        result = inside(*arguments, **named)
        after()
        return result

    setattr(owner, name, watched)


def run(point: str, number: int, words: list[str]) -> int:
    fate = Fate(point, number)

    def at(name: str) -> Callable[[], object]:
        return lambda: fate.passes(name)

    dying(Client, "call", at("call"), at("answer"))
    dying(Client, "upload", at("upload"), at(""))
    dying(Slot, "begin", at("begin"), at(""))
    dying(Finishes, "_append", at("end"), at("kept"))
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
