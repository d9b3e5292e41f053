"""Since when another system, whose queue pools of ours serve, has not answered: as the leader last saw it, for everybody who
asks. Inside transactions.
"""

from collections.abc import Mapping

import msgspec

from penstock.hub.steps import Step
from penstock.model.decision import Memory
from penstock.model.rules import Pool
from penstock.ports import Tx

WORDS = 200
"""So much of what went wrong is kept."""


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """`since_ms`: farm time of the first look without an answer, 0 = it answers."""

    since_ms: int = 0
    why: str = ""


def absent(tx: Tx, url: str) -> Absence:
    """How one system stands."""
    known = tx.get(Memory, _name(url))
    return msgspec.json.decode(known.content, type=Absence) if known else Absence()


def note(step: Step, url: str, absence: Absence) -> None:
    """From now on it stands so."""
    known, content = step.tx.get(Memory, _name(url)), msgspec.json.encode(absence)
    fresh = Memory(id=_name(url), at_ms=step.now_ms, content=content)
    if known is None:
        step.tx.insert(fresh)
    elif known.content != content:
        step.put(msgspec.structs.replace(fresh, version=known.version))


def absences(tx: Tx, pools: tuple[Pool, ...]) -> Mapping[str, Absence]:
    """Of pools whose system does not answer, by their names."""
    found = {pool.name: absent(tx, pool.serves.url) for pool in pools if pool.serves}
    return {name: one for name, one in found.items() if one.since_ms}


def _name(url: str) -> str:
    return f"absent {url}"
