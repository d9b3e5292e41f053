"""The numbers that make one rule into many: every preset is a row of them, and every one can be set otherwise.

`PRESETS[n]` is what RULE_PRESET `n` means; `numbers(preset)` goes into the rules from RULE_OF_PRESET on. How a number is
written in a policy file: see its unit. What the presets stand for: docs/reference/policies.md.
"""

from collections.abc import Mapping
from typing import NamedTuple

from penstock.policy.capacity.columns import NEVER_MS, RULE_OF_PRESET

LOOK_MS = RULE_OF_PRESET
STOP_LOOK_MS = RULE_OF_PRESET + 1
QUICK_MS = RULE_OF_PRESET + 2
AGE_MS = RULE_OF_PRESET + 3
LAST_MOMENT = RULE_OF_PRESET + 4
FRESH_MS = RULE_OF_PRESET + 5
OLD_PPM = RULE_OF_PRESET + 6
RATIO_PPM = RULE_OF_PRESET + 7
TWICE = RULE_OF_PRESET + 8
SPARE = RULE_OF_PRESET + 9
SCALE_PPM = RULE_OF_PRESET + 10
SPARE_MOST = RULE_OF_PRESET + 11
IDLE_MS = RULE_OF_PRESET + 12
PAID_MS = RULE_OF_PRESET + 13
EDGE_MS = RULE_OF_PRESET + 14
AFTER_ADD_MS = RULE_OF_PRESET + 15
AFTER_FAILURE_MS = RULE_OF_PRESET + 16
STOPS_MOST = RULE_OF_PRESET + 17
SUSPEND = RULE_OF_PRESET + 18
GONE_MS = RULE_OF_PRESET + 19
PERIOD_MS = RULE_OF_PRESET + 20
CANCEL = RULE_OF_PRESET + 21
"""Where each number lies in the rules, in the order of NUMBERS."""

MILLION = 1_000_000
BREAK_EVEN = -1
"""Instead of a span: the pool's own, for which keeping costs as much as waking again."""
SUSPEND_NEVER, SUSPEND_ALWAYS, SUSPEND_WHERE_IT_PAYS = 0, 1, 2
SUSPENDS = ("never", "always", "where it pays")
"""What may be written as `suspend`, by number; a pool that cannot suspend deletes."""

WHY_NEXT, WHY_WAITING, WHY_SPARE, WHY_LEAST, WHY_IDLE, WHY_USED_UP, WHY_HELD, WHY_PERIOD, WHY_CANCELLED = (
    range(100, 109)
)
WHYS: Mapping[int, str] = {
    WHY_NEXT: "it was the next in line and a machine had room for it",
    WHY_WAITING: "jobs wait for which there is no machine",
    WHY_SPARE: "as many idle machines are kept as the policy says",
    WHY_LEAST: "the pool has at least this many machines",
    WHY_IDLE: "it was idle for as long as the policy keeps one",
    WHY_USED_UP: "it has run as many jobs as one machine may",
    WHY_HELD: "it was suspended for as long as the policy keeps one",
    WHY_PERIOD: "the period before needed fewer",
    WHY_CANCELLED: "the job that it was ordered for found another machine",
}
"""Codes in ACT_WHY of what a preset decided, as sentences."""


class Number(NamedTuple):
    """One number: the option in a policy file, its unit, the value that switches it off, and what it does.

    Units: "s" (held in ms), "span" (the same, or "never" or "break-even"), "share" (held in millionths), "count",
    "switch" (true or false), "word" (one of SUSPENDS).
    """

    option: str
    unit: str
    off: int
    about: str


NUMBERS = (
    Number("look_s", "s", 0, "how often it is considered to order machines; 0: whenever anything happens"),
    Number("stop_look_s", "s", 0, "how often idle machines are looked through; 0: when one is due"),
    Number(
        "quick_look_s", "s", 0, "how often while machines are coming or being deleted; 0: no more often then"
    ),
    Number("age_s", "s", 0, "a job counts once it has waited for this long"),
    Number("last_moment", "switch", 0, "true: a job counts when only waking a machine keeps its promise"),
    Number(
        "fresh_s",
        "s",
        0,
        "machines ordered within this time count as if each would take one more waiting job",
    ),
    Number("old_share", "share", 0, "share of the other machines that count so, too, rounded down"),
    Number("scaling_ratio", "share", MILLION, "machines per job that has none, rounded up"),
    Number("count_booting_twice", "switch", 0, "true: machines that are coming are subtracted a second time"),
    Number("idle_count", "count", 0, "room for this many jobs is kept idle"),
    Number("scale_factor", "share", 0, "room is kept idle for this share of the jobs that run, rounded up"),
    Number("scale_factor_limit", "count", 0, "and for at most this many jobs; 0: no limit"),
    Number("idle_s", "span", 0, "an idle machine is stopped after this time"),
    Number("paid_s", "s", 0, "length of the period that is paid as a whole; 0: stop at any moment of it"),
    Number("edge_s", "s", 0, "stop only from this moment of a paid period on"),
    Number("after_add_s", "s", 0, "stop nothing for this time after a machine was ordered"),
    Number("after_failure_s", "s", 0, "stop nothing for this time after an order failed"),
    Number("stops_per_look", "count", 0, "stop at most this many machines at a time; 0: no limit"),
    Number("suspend", "word", 0, "whether idle machines are suspended where the pool can, and resumed first"),
    Number("gone_s", "span", NEVER_MS, "a suspended machine is deleted after this time"),
    Number(
        "keep_s",
        "s",
        0,
        "a period: as many machines are kept as the one before needed, and none stopped in it",
    ),
    Number(
        "cancel", "switch", 0, "true: machines that are coming and that no job waits for any more are deleted"
    ),
)

_HOUR_MS = 3_600_000
PRESETS = (
    "penstock",
    "mozilla-2012",
    "mozilla-2014",
    "taskcluster",
    "gitlab",
    "cluster-autoscaler",
    "jenkins",
    "always-on",
    "burst-at-once",
    "stop-when-idle",
    "last-moment",
)
"""Names of the rules, by number; the first is no preset but the policy itself."""

SET: Mapping[str, Mapping[str, int]] = {
    "penstock": {},
    "mozilla-2012": {
        "look_s": 60_000,
        "stop_look_s": 60_000,
        "age_s": 60_000,
        "idle_s": _HOUR_MS,
        "suspend": SUSPEND_ALWAYS,
    },
    "mozilla-2014": {
        "look_s": 60_000,
        "stop_look_s": 60_000,
        "age_s": 10_000,
        "idle_s": 5 * 60_000,
        "paid_s": _HOUR_MS,
        "edge_s": 45 * 60_000,
    },
    "taskcluster": {"look_s": 20_000, "stop_look_s": 20_000, "count_booting_twice": 1},
    "gitlab": {
        "look_s": 60_000,
        "stop_look_s": 60_000,
        "quick_look_s": 2_000,
        "idle_count": 10,
        "idle_s": 10 * 60_000,
    },
    "cluster-autoscaler": {
        "look_s": 10_000,
        "stop_look_s": 10_000,
        "idle_s": 10 * 60_000,
        "after_add_s": 10 * 60_000,
        "after_failure_s": 3 * 60_000,
        "stops_per_look": 10,
    },
    "jenkins": {"look_s": 10_000, "stop_look_s": 60_000, "idle_s": 30 * 60_000},
    "always-on": {"idle_s": NEVER_MS, "keep_s": 24 * _HOUR_MS},
    "burst-at-once": {"idle_s": BREAK_EVEN, "suspend": SUSPEND_WHERE_IT_PAYS, "gone_s": BREAK_EVEN},
    "stop-when-idle": {"suspend": SUSPEND_WHERE_IT_PAYS, "gone_s": BREAK_EVEN},
    "last-moment": {
        "last_moment": 1,
        "idle_s": BREAK_EVEN,
        "suspend": SUSPEND_WHERE_IT_PAYS,
        "gone_s": BREAK_EVEN,
    },
}
"""What each preset sets; the rest is off."""

PRESET_NUMBERS: Mapping[str, tuple[tuple[str, int, str], ...]] = {
    name: tuple((number.option, SET[name].get(number.option, number.off), number.unit) for number in NUMBERS)
    for name in PRESETS[1:]
}
"""For each preset every number: (option, value, unit), in the order of NUMBERS."""


def numbers(preset: str) -> tuple[int, ...]:
    """The numbers of a preset as they go into the rules; the policy `penstock` has none. Raises KeyError."""
    return () if preset == PRESETS[0] else tuple(value for _, value, _ in PRESET_NUMBERS[preset])
