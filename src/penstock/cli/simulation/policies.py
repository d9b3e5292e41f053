"""Policies by name or from a file: a preset, with numbers of one's own.

A file is TOML: `preset = "gitlab"` and below it what is to be otherwise, such as `idle_count = 20`. The numbers and
their units are those of policy/capacity/preset_numbers.py; docs/reference/policies.md explains them.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from penstock.cli.output import refuse
from penstock.config.files import read_text
from penstock.config.items import Desk, Field, Fields, Item, Refused, near, read_table, shown
from penstock.config.toml_lines import read_toml
from penstock.config.values import choice, count, number, seconds
from penstock.model.trial import Policy
from penstock.policy.capacity.columns import NEVER_MS
from penstock.policy.capacity.preset_numbers import (
    BREAK_EVEN,
    MILLION,
    NUMBERS,
    PRESET_NUMBERS,
    PRESETS,
    SUSPENDS,
)

ALL = "all"
DEFAULT = PRESETS[:1]
SPANS = {"never": NEVER_MS, "break-even": BREAK_EVEN}


def policies_of(asked: Sequence[str]) -> tuple[Policy, ...]:
    """The policies named on the command line, each once; `penstock` when none is."""
    names = [name for one in asked or DEFAULT for name in (PRESETS if one == ALL else (one,))]
    found: dict[str, Policy] = {}
    for name in dict.fromkeys(names):
        policy = policy_of(name)
        if policy.name in found:
            refuse(f"--policy {name}: a second policy is called {policy.name}; give the file another name")
        found[policy.name] = policy
    return tuple(found.values())


def policy_of(name: str) -> Policy:
    """A preset by its name, or a policy from a file."""
    if name in PRESETS:
        return Policy(name=name, preset=name, numbers=standard(name))
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        refuse(f"--policy: there is no {name!r}; {near(name, [*PRESETS, ALL])} A file is called NAME.toml")
    return from_file(path)


def standard(preset: str) -> dict[str, int]:
    """All numbers of a preset, in their order; the policy itself has none."""
    return {option: value for option, value, _ in PRESET_NUMBERS.get(preset, ())}


def from_file(path: Path) -> Policy:
    """A policy of one's own, called like its file. Raises Mistakes, one for each thing that is wrong."""
    desk = Desk(str(path))
    item = read_toml(read_text(path), str(path))
    found: dict[str, Any] = read_table(desk, item, "a policy", FIELDS)
    preset = found.pop("preset", PRESETS[0])
    if preset == PRESETS[0] and not desk.found:
        for option in found:
            instead = "it derives them from prices; name another preset for these"
            desk.wrong(item.value[option].line, f"the policy `{preset}` has no numbers to set", instead)
    desk.finish()
    return Policy(name=path.stem, preset=preset, numbers=standard(preset) | found)


def _span(desk: Desk, item: Item, where: str) -> int:
    """Seconds, or a word for a span that has no number."""
    if isinstance(item.value, str):
        if item.value not in SPANS:
            raise Refused(f"{where} is {shown(item.value)}", 'write seconds, "never" or "break-even"')
        return SPANS[item.value]
    return seconds(desk, item, where)


def _share(desk: Desk, item: Item, where: str) -> int:
    """A share as millionths."""
    exact: Decimal = number(item, where) * MILLION
    return int(exact.to_integral_value(ROUND_HALF_UP))


def _switch(desk: Desk, item: Item, where: str) -> int:
    if not isinstance(item.value, bool):
        raise Refused(f"{where} is {shown(item.value)}", "write true or false")
    return int(item.value)


def _word(desk: Desk, item: Item, where: str) -> int:
    found: str = choice(*SUSPENDS)(desk, item, where)
    return SUSPENDS.index(found)


UNITS: Mapping[str, Any] = {
    "s": seconds,
    "span": _span,
    "share": _share,
    "count": count(),
    "switch": _switch,
    "word": _word,
}
FIELDS: Fields = {
    "preset": Field(read=choice(*PRESETS), required=True, about="whose rules they are"),
    **{one.option: Field(read=UNITS[one.unit], about=one.about) for one in NUMBERS},
}
"""What a policy file may say."""
