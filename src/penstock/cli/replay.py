"""`penstock replay`: makes recorded decisions of the capacity policy once more, and holds them to what was decided then."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.output import Leave, print_json, refuse
from penstock.cli.queries import AnyFarm, opened
from penstock.policy.capacity import view
from penstock.policy.capacity.journal import Made, Reader
from penstock.reports.builds import EXIT_FARM

Document = dict[str, Any]
SHOWN = 20


class Replayed(msgspec.Struct):
    """What came of it: how often the policy was called, what it decided that was acted upon, and where it differs."""

    calls: int = 0
    decisions: int = 0
    journals: int = 0
    lost: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    different: list[Document] = []

    def document(self) -> Document:
        """As --json prints it. Times in farm time."""
        return {"schema": 1, **msgspec.to_builtins(self), "agrees": not self.different}


def show_replay(farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock replay`: exit 3 where a decision comes out otherwise than it did then."""
    with opened(farm, state, hub) as found:
        done = replayed(_rows(found))
    if not done.decisions and not done.calls:
        refuse("there is no decision to be made again: a farm keeps them while it has pools to rent from")
    if as_json:
        print_json(done.document())
    else:
        _print(done)
    raise Leave(EXIT_FARM if done.different else 0)


def _rows(farm: AnyFarm) -> Iterator[Document]:
    after: int | None = 0
    while after is not None:
        page = farm.decisions(after)
        yield from page["rows"]
        after = page["next"]


def replayed(rows: Iterator[Document]) -> Replayed:
    """Decide again, row by row. What stands before the first beginning cannot be, and is counted as lost."""
    done, reader = Replayed(), None
    for row in rows:
        content = b64decode(row["content"])
        if row["begins"]:
            reader = Reader(content)
            done.journals += 1
        elif reader is None:
            done.lost += 1
        else:
            _compare(done, list(reader.again(content)), row["decided"])
    return done


def _compare(done: Replayed, again: list[Made], then: Document | None) -> None:
    """Only the last call of a row was acted upon, if any."""
    done.calls += len(again)
    done.first_ms = again[0].seen.now_ms if done.first_ms is None else done.first_ms
    done.last_ms = again[-1].seen.now_ms
    acted = [made for made in again if made.decision.places or made.decision.power]
    if then is None and not acted:
        return
    done.decisions += 1
    wrong = _differences(again[-1], then) if acted == again[-1:] else ["acts"]
    if wrong:
        done.different.append(
            {"decision": then["seq"] if then else None, "at_ms": done.last_ms, "what": wrong}
        )


def _differences(made: Made, then: Document | None) -> list[str]:
    """Which parts are not what they were, byte by byte."""
    if then is None:
        return []
    acts = msgspec.json.encode((made.decision.places, made.decision.power)).decode()
    now = {"view": view.digest(made.seen), "acts": acts, "memory": made.memory}
    return [name for name, value in now.items() if value != then[name]]


def _print(done: Replayed) -> None:
    span_s = ((done.last_ms or 0) - (done.first_ms or 0)) / 1000
    print(
        f"{done.decisions} decisions of {done.calls} calls over {span_s:.0f} s of farm time, made once more"
    )
    if done.lost:
        print(f"{done.lost} rows before the first beginning that is kept were left out")
    for one in done.different[:SHOWN]:
        print(f"decision {one['decision']} at {one['at_ms'] / 1000:.0f} s differs: {', '.join(one['what'])}")
    print(f"{len(done.different)} differ" if done.different else "all agree, to the byte")
