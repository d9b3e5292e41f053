"""Values as other systems write them, made into ours. What is no such value raises Dropped."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from penstock.history.report import Dropped, Report
from penstock.model.workload import UNKNOWN

MS = 1000
LATEST_S = 4_102_444_800
"""2100-01-01: what lies later is a mistake."""
_MILLISECONDS_S = 100_000_000_000
"""From here on a number of seconds since 1970 (the year 5138) is one of milliseconds, as all since 1973 are."""
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_SIGNS = re.compile(r"[^A-Za-z0-9._+-]+")
_NUMBERED = re.compile(r"[-_.]?\d+$", re.ASCII)
COUNT_MAX = 10**9
"""More cores, megabytes or attempts are a mistake."""
_NUMBER_MAX = 10**18


def number(value: object) -> float | int:
    """A finite number, from a number or from its text; Dropped for anything else, `nan` and `inf` too."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            raise Dropped("not a number where a number belongs", value)
        found: float | int = int(text) if text.isdigit() else float(text)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = value
    else:
        raise Dropped("not a number where a number belongs", value)
    if not math.isfinite(found):
        raise Dropped("not a number where a number belongs", value)
    if abs(found) > _NUMBER_MAX:
        raise Dropped("a number that is too large", value)
    return found


def moment_ms(value: Any, report: Report) -> int:
    """Seconds since 1970 as milliseconds; UNKNOWN for nothing ("" or None). Milliseconds are taken as such, and counted."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str) and len(value) == 10 and value.isdigit() and value.isascii():
        return int(value) * MS if value < "4102444800" else _late(value)
    seconds = number(value)
    if seconds < 0:
        raise Dropped("a moment before 1970", value)
    if seconds >= _MILLISECONDS_S:
        seconds = seconds / MS
        report.mend("a moment in milliseconds instead of seconds: read as milliseconds", value)
    return round(seconds * MS) if seconds < LATEST_S else _late(value)


def _late(value: object) -> int:
    raise Dropped("a moment after 2100", value)


def iso_ms(value: Any) -> int:
    """A moment in ISO 8601 as milliseconds since 1970, without a zone in UTC; UNKNOWN for nothing."""
    if value is None or value == "":
        return UNKNOWN
    try:
        found = datetime.fromisoformat(value)
        # Not timestamp(): that goes through floating point.
        since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        raise Dropped("not a moment where a moment belongs", value) from None
    ms = (since.days * 86_400 + since.seconds) * MS + since.microseconds // MS
    if ms < 0:
        raise Dropped("a moment before 1970", value)
    return ms if ms < LATEST_S * MS else _late(value)


def count(value: Any, what: str, report: Report) -> int:
    """A whole number that may be missing (0): what is none is taken as missing, and counted under `what`."""
    if value is None or value == "":
        return 0
    if isinstance(value, str) and len(value) < 10 and value.isascii() and value.isdigit():
        return int(value)  # the usual case, four times as quick
    try:
        found = number(value)
    except Dropped:
        found = -1
    if 0 <= found <= COUNT_MAX and found == int(found):
        return int(found)
    report.mend(f"{what} is no whole number from 0: taken as not known", value)
    return 0


def text(value: Any) -> str:
    """Text as it is, nothing as "", a whole number as its digits (ids are often numbers); Dropped for the rest."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**19:
        return str(value)
    raise Dropped("not text where text belongs", value)


def field(record: object, *path: str) -> Any:
    """What lies under names within names of a JSON object; None where there is nothing."""
    for name in path:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def platform(*labels: str) -> str:
    """What labels ask for, as a name that a farm.toml can have: letters, digits and `._+-`, 100 at most."""
    return _SIGNS.sub("-", "+".join(label.strip() for label in labels if label.strip())).strip("-+._")[:100]


def pool(machine: str) -> str:
    """A machine's name without its number: machines of one kind are numbered through."""
    return platform(_NUMBERED.sub("", machine))
