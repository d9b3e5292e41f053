"""A policy of one's own from a TOML file: a preset, the numbers that are otherwise, and what it reckons waiting with.

    preset = "gitlab"
    idle_count = 20
    [waiting]
    price_per_hour = 5

The numbers and their units: policy/capacity/preset_numbers.py; docs/reference/policies.md explains them.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from penstock.config.farm_fields import WAITING
from penstock.config.files import read_text
from penstock.config.items import Desk, Field, Fields, Item, Read, Refused, read_table, shown
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

SPANS = {"never": NEVER_MS, "break-even": BREAK_EVEN}
SHARE_MOST = 1000
COUNT_MOST = 1_000_000
SECONDS_MOST = 10 * 366 * 86_400
"""No share, count or span in a policy is larger: sums of them stay far below 64 bits."""


def standard(preset: str) -> dict[str, int]:
    """All numbers of a preset, in their order; the policy itself has none."""
    return {option: value for option, value, _ in PRESET_NUMBERS.get(preset, ())}


def read_policy(path: Path) -> Policy:
    """A policy of one's own, called like its file. Raises Mistakes, one for each thing that is wrong."""
    desk = Desk(str(path))
    item = read_toml(read_text(path), str(path))
    found: dict[str, Any] = read_table(desk, item, "a policy", FIELDS)
    preset = found.pop("preset", PRESETS[0])
    waiting = found.pop("waiting", {})
    waiting.update(waiting.pop("target", {}))
    numbers = standard(preset) | found
    if not desk.found:
        _across(desk, item, preset, numbers)
    desk.finish()
    return Policy(name=path.stem, preset=preset, numbers=numbers, waiting=waiting)


def _across(desk: Desk, item: Item, preset: str, numbers: Mapping[str, int]) -> None:
    """What can only be seen across numbers."""
    own = [option for option in item.value if option not in ("preset", "waiting")]
    if preset == PRESETS[0]:
        for option in own:
            instead = "it derives them from prices; name another preset for these"
            desk.wrong(item.value[option].line, f"the policy `{preset}` has no numbers to set", instead)
    elif 0 < numbers["paid_s"] <= numbers["edge_s"]:
        line = item.value[next(option for option in own if option in ("edge_s", "paid_s"))].line
        desk.wrong(line, "`edge_s` is not below `paid_s`", "write an edge within the paid period")


def _seconds(desk: Desk, item: Item, where: str) -> int:
    found: int = seconds(desk, item, where)
    if found > SECONDS_MOST * 1000:
        raise Refused(f"{where} is {shown(item.value)}", "write at most ten years")
    return found


def _span(desk: Desk, item: Item, where: str) -> int:
    """Seconds, or a word for a span that has no number."""
    if isinstance(item.value, str):
        if item.value not in SPANS:
            raise Refused(f"{where} is {shown(item.value)}", 'write seconds, "never" or "break-even"')
        return SPANS[item.value]
    return _seconds(desk, item, where)


def _share(desk: Desk, item: Item, where: str) -> int:
    """A share as millionths."""
    exact: Decimal = number(item, where)
    if exact > SHARE_MOST:
        raise Refused(f"{where} is {shown(item.value)}", f"write at most {SHARE_MOST}")
    return int((exact * MILLION).to_integral_value(ROUND_HALF_UP))


def _count(desk: Desk, item: Item, where: str) -> int:
    found: int = count()(desk, item, where)
    if found > COUNT_MOST:
        raise Refused(f"{where} is {shown(item.value)}", f"write at most {COUNT_MOST}")
    return found


def _switch(desk: Desk, item: Item, where: str) -> int:
    if not isinstance(item.value, bool):
        raise Refused(f"{where} is {shown(item.value)}", "write true or false")
    return int(item.value)


def _word(desk: Desk, item: Item, where: str) -> int:
    found: str = choice(*SUSPENDS)(desk, item, where)
    return SUSPENDS.index(found)


def _waiting(desk: Desk, item: Item, where: str) -> dict[str, Any]:
    return read_table(desk, item, where, WAITING)


UNITS: Mapping[str, Read] = {
    "s": _seconds,
    "span": _span,
    "share": _share,
    "count": _count,
    "switch": _switch,
    "word": _word,
}
FIELDS: Fields = {
    "preset": Field(read=choice(*PRESETS), required=True, about="whose rules they are"),
    "waiting": Field(
        read=_waiting, inner=WAITING, about="what it reckons waiting with, where not as farm.toml"
    ),
    **{one.option: Field(read=UNITS[one.unit], about=one.about) for one in NUMBERS},
}
"""What a policy file may say."""
