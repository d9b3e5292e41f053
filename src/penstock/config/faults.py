"""What goes wrong in a simulated run, from a TOML file. Moments are seconds since the first submission of the history.

notice_s = 120
[[fault]]
kind = "reclaim"
pool = "burst"
from_s = 86400
share = 0.5
"""

from pathlib import Path
from typing import Any

from penstock.config.files import read_text
from penstock.config.items import Desk, Field, Fields, Item, Refused, read_table, record, shown
from penstock.config.toml_lines import read_toml
from penstock.config.values import choice, count, number, seconds, text
from penstock.model.trial import Fault, Faults
from penstock.model.units import NEVER_MS
from penstock.sim.engine.world import FAULT_KINDS


def read_faults(path: Path) -> Faults:
    """The faults of a file. Raises Mistakes, one for each thing that is wrong."""
    desk = Desk(str(path))
    found: dict[str, Any] = read_table(
        desk, read_toml(read_text(path), str(path)), "a file of faults", FIELDS
    )
    desk.finish()
    return Faults(**found)


def _share(desk: Desk, item: Item, where: str) -> float:
    exact = number(item, where)
    if exact > 1:
        raise Refused(f"{where} is {shown(item.value)}", "write a share from 0 to 1")
    return float(exact)


def _fault(**found: Any) -> Fault:
    fault = Fault(**found)
    if fault.until_ms < fault.begin_ms:
        raise Refused("a fault ends before it begins", "write until_s at least from_s")
    if fault.kind == "hub_away" and fault.until_ms >= NEVER_MS:
        raise Refused("the hub would be away for ever", "write until_s")
    return fault


def _faults(desk: Desk, item: Item, where: str) -> tuple[Fault, ...]:
    if not isinstance(item.value, list):
        raise Refused(f"`fault` is {shown(item.value)}", "write [[fault]] with two brackets")
    return tuple(_one(desk, element) for element in item.value)


def _one(desk: Desk, element: Item) -> Fault:
    try:
        return record(_fault, FAULT)(desk, element, "[[fault]]") or Fault(kind=FAULT_KINDS[0])
    except Refused as wrong:
        raise Refused(wrong.what, wrong.instead, element.line) from None


FAULT: Fields = {
    "kind": Field(read=choice(*FAULT_KINDS), required=True, about="what happens"),
    "pool": Field(read=text, about="the pool that it befalls; without it all of them"),
    "from_s": Field(
        read=seconds, into="begin_ms", about="when it begins, in seconds since the first submission"
    ),
    "until_s": Field(read=seconds, into="until_ms", about="when it ends; without it, it lasts to the end"),
    "share": Field(read=_share, about="of the machines that it befalls, 0 to 1"),
    "limit": Field(read=count(), about="quota: how many machines there may be"),
}
FIELDS: Fields = {
    "notice_s": Field(
        read=seconds, into="notice_ms", about="how long before a machine is taken back that is said"
    ),
    "fault": Field(read=_faults, into="faults", inner=FAULT, about="something that goes wrong"),
}
"""What a file of faults may say."""
