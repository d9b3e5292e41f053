"""Policies by name or from a file: a preset, with numbers of one's own.

A file is TOML: `preset = "gitlab"` and below it numbers of that preset by their names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.cli.output import refuse
from penstock.config.files import read_text
from penstock.config.items import Desk, Field, Fields, Item, Refused, each, read_table
from penstock.config.toml_lines import read_toml
from penstock.config.values import choice, count
from penstock.policy.capacity.setting import Choice

ALL = "all"
DEFAULT = ("penstock",)
NUMBERS_MOST = 8


class Policy(NamedTuple):
    """A policy to replay, and what it is called in results."""

    name: str
    choice: Choice


def policies_of(asked: Sequence[str]) -> tuple[Policy, ...]:
    """The policies named on the command line, each once; `penstock` when none is."""
    from penstock.policy.capacity.presets import PRESETS

    names = [name for one in asked or DEFAULT for name in (PRESETS if one == ALL else (one,))]
    found: dict[str, Policy] = {}
    for name in dict.fromkeys(names):
        policy = _policy(name, PRESETS)
        if policy.name in found:
            refuse(f"--policy {name}: a second policy is called {policy.name}; give the file another name")
        found[policy.name] = policy
    return tuple(found.values())


def _policy(name: str, presets: Sequence[str]) -> Policy:
    if name in presets:
        return Policy(name, Choice(presets.index(name)))
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        known = ", ".join((*presets, ALL))
        refuse(f"--policy: there is no {name!r}; write one of {known}, or a file such as ours.toml")
    return from_file(path, presets)


def from_file(path: Path, presets: Sequence[str]) -> Policy:
    """A policy of one's own, called like its file. Raises Mistakes, one for each thing that is wrong."""
    desk = Desk(str(path))
    found = read_table(desk, read_toml(read_text(path), str(path)), "a policy", _fields(presets))
    desk.finish()
    return Policy(path.stem, Choice(presets.index(found["preset"]), found.get("numbers", ())))


def _fields(presets: Sequence[str]) -> Fields:
    return {
        "preset": Field(read=choice(*presets), required=True, about="whose rules they are"),
        "numbers": Field(read=_numbers, about="the numbers of the preset, in their order"),
    }


def _numbers(desk: Desk, item: Item, where: str) -> tuple[int, ...]:
    found = each(count())(desk, item, where)
    if len(found) > NUMBERS_MOST:
        raise Refused(f"{where} has {len(found)} numbers", f"write at most {NUMBERS_MOST}")
    return found
