"""What one simulated run is made with, beside a history and a farm: which rule decides, and what befalls the world."""

from typing import Any

import msgspec

from penstock.model.rules import Rules
from penstock.model.units import NEVER_MS


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A rule by the name of its preset, with numbers of its own where `numbers` has them. `name`: what reports call it.

    `numbers`: by the option's name in policy.capacity.preset_numbers, as held there: milliseconds, millionths, counts.
    `waiting`: what it reckons waiting with, by fields of model.rules.Waiting, where that differs from the farm's; what comes
    of it is judged by the farm's all the same."""

    name: str = "penstock"
    preset: str = "penstock"
    numbers: dict[str, int] = {}
    waiting: dict[str, Any] = {}

    def reckons(self, rules: Rules) -> Rules:
        """The rules that this policy decides by."""
        if not self.waiting:
            return rules
        return msgspec.structs.replace(rules, waiting=msgspec.structs.replace(rules.waiting, **self.waiting))


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that befalls a pool (every pool where `pool` is "") from one moment to another, in milliseconds since
    the first submission of the history; `until_ms` NEVER_MS = to the end.

    `kind`: "no_capacity", "throttled": orders are refused; "quota": those beyond `limit` machines are. "boot_failures": a
    `share` of what is woken does not come up. At `begin_ms` a `share` of the machines that are up is "lost" for good, cut off
    until `until_ms` ("partition"), or taken back ("reclaim"). "hub_away": nothing is decided or seen to end meanwhile.
    """

    kind: str
    pool: str = ""
    begin_ms: int = 0
    until_ms: int = NEVER_MS
    share: float = 1.0
    limit: int = 0


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes wrong in a run. `notice_ms`: how long before a machine is taken back its provider says so."""

    notice_ms: int = 120_000
    faults: tuple[Fault, ...] = ()
