"""How `[[pool.control]]` is read, and what is wrong between one switch and another."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Refused, record, shown
from penstock.config.values import flag, text
from penstock.model.pool_power import LOOPBACK, REDFISH, WAKE, Control, place_of


def _address(desk: Desk, item: Item, where: str) -> str:
    """The address of a switch; a password has no place in it."""
    value = text(desk, item, where)
    if "@" in value:
        raise Refused(f"{where} names a user", "write user and password_file beside it")
    try:
        place_of(value)
    except ValueError as wrong:
        raise Refused(f"{where} is {shown(value)}", str(wrong)) from None
    return value


def _file(desk: Desk, item: Item, where: str) -> str:
    """A file on the hub's machine, beside farm.toml where it does not begin with a slash."""
    return str(Path(desk.file).resolve().parent / text(desk, item, where))


def _user(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if ":" in value or not value.isprintable():
        raise Refused(f"{where} is {shown(value)}", "write a name without colon")
    return value


CONTROL: Fields = {
    "machine": Field(read=text, required=True, about="name that the machine's agent gives"),
    "address": Field(
        read=_address,
        required=True,
        about="its switch: ipmi://HOST, redfish+https://HOST/redfish/v1/Systems/ID or wol://MAC",
    ),
    "user": Field(read=_user, about="user of an IPMI or Redfish switch"),
    "password_file": Field(
        read=_file,
        about="file on the hub with that user's password, which only the hub's user may read (0600)",
    ),
    "ca_file": Field(read=_file, about="certificate, or certificate authority, of a Redfish switch"),
    "insecure": Field(
        read=flag,
        about="whether a Redfish switch is believed whatever its certificate, and asked by plain http",
    ),
}
CONTROL_RECORD = record(Control, CONTROL)


def switches(desk: Desk, pools: Iterable[Item]) -> None:
    """Notes what is wrong with the switches of all pools together."""
    addresses: dict[str, int] = {}
    for pool in pools:
        controls = _controls(pool)
        if controls:
            _of_pool(desk, pool, len(controls))
        machines: dict[str, int] = {}
        for control in controls:
            _once(desk, control, "machine", machines)
            _once(desk, control, "address", addresses)
            _whole(desk, control)


def _controls(pool: Item) -> list[Item]:
    found = _get(pool, "control")
    return [one for one in found if isinstance(one.value, dict)] if isinstance(found, list) else []


def _get(item: Item, key: str) -> Any:
    inner = item.value.get(key) if isinstance(item.value, dict) else None
    return inner.value if inner else None


def _once(desk: Desk, control: Item, key: str, seen: dict[str, int]) -> None:
    """Two machines have no name and no switch in common."""
    value = _get(control, key)
    if not isinstance(value, str):
        return
    line = control.value[key].line
    told = value.lower().partition("?")[0].rstrip("/") if key == "address" else value
    if told in seen:
        desk.wrong(
            line,
            f"a second [[pool.control]] has the {key} {shown(value)}, as on line {seen[told]}",
            "remove one",
        )
    seen.setdefault(told, line)


def _whole(desk: Desk, control: Item) -> None:
    """User and password where the switch wants them, certificates where there are any, http only on this machine."""
    try:
        place = place_of(str(_get(control, "address")))
    except ValueError:
        return  # said already
    line = control.value["address"].line
    has = {key for key in ("user", "password_file") if _get(control, key) is not None}
    if place.kind == WAKE:
        _none(desk, control, ("user", "password_file", "ca_file", "insecure"), "wol://")
        return
    if len(has) == 1 or (not has and place.kind != REDFISH):
        desk.wrong(line, "a switch with `user` or `password_file` missing", "write both beside its address")
    if place.kind != REDFISH:
        _none(desk, control, ("ca_file", "insecure"), "ipmi://")
    elif place.scheme == "http" and place.host not in LOOPBACK and not _get(control, "insecure"):
        desk.wrong(
            line,
            "plain http would show the password to the network",
            "write redfish+https://, or insecure = true",
        )


def _none(desk: Desk, control: Item, keys: Iterable[str], scheme: str) -> None:
    for key in keys:
        if key in control.value:
            desk.wrong(
                control.value[key].line, f"`{key}` says nothing of a switch with {scheme}", "remove it"
            )


def _of_pool(desk: Desk, pool: Item, count: int) -> None:
    """Only owned machines are switched, and only where being off saves money and how long waking takes is known."""
    line, provider = pool.value["control"].line, _get(pool, "provider")
    if provider not in (None, "owned"):
        desk.wrong(line, f"[[pool.control]] is of owned machines, provider is {shown(provider)}", "remove it")
        return
    machines = _get(pool, "machines")
    if isinstance(machines, int) and count > machines:
        desk.wrong(
            line, f"{count} [[pool.control]] for {machines} `machines`", "write how many machines there are"
        )
    if _get(pool, "resume_s") is None:
        desk.wrong(
            line, "[[pool.control]] without `resume_s`", "write the seconds from power on to the first job"
        )
    hour, off = _get(pool, "price_per_hour"), _get(pool, "stopped_price_per_hour")
    if off is None:
        desk.wrong(
            line,
            "[[pool.control]] without `stopped_price_per_hour`",
            "write what a machine that is off costs",
        )
    elif hour is None and _get(pool, "tco") is None:
        desk.wrong(
            line,
            "[[pool.control]] without `price_per_hour`",
            "write what a machine that is on costs, or a tco",
        )
    elif _is_number(hour) and _is_number(off) and hour <= off:
        desk.wrong(
            line,
            "machines that are off cost as much as those that are on: switching saves nothing",
            "write a stopped_price_per_hour below price_per_hour",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
