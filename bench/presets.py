"""The policy against presets that stand for what others do, without a limit between them: whole histories, three farms,
warm and cold, three prices of waiting. Farms and prices are those of bench/policy.py; what is compared is the score.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from bench.policy import PROMISED, Reached, Setting, reached
from penstock.policy.capacity.preset_numbers import PRESETS

HISTORIES = "mozilla 2013", "bitcoin", "builds", "tests"
OTHERS = PRESETS[1:8]
"""Presets that stand for a system in use; the rest are rules of thumb."""


class Against(NamedTuple):
    """The policy of one setting and what became of it under every preset, by name."""

    setting: Setting
    policy: Reached
    presets: dict[str, Reached]


def settings() -> list[Setting]:
    """Every history on every farm at every price of waiting."""
    return [
        Setting(name, owned, cold_s, waiting)
        for name in HISTORIES
        for waiting in (0, 5, 20)
        for cold_s in (0, 600)
        for owned in (0, 5, 10)
    ]


def against(setting: Setting) -> Against:
    """Replay a setting under the policy and under every preset."""
    return Against(
        setting, reached(setting, PRESETS[0]), {name: reached(setting, name) for name in PRESETS[1:]}
    )


def run() -> dict[str, object]:
    """How often the policy is the cheapest, by how much it is not, and whether it kept the promise."""
    os.environ.setdefault("PENSTOCK_COMPILED", "1")
    reached(settings()[0], PRESETS[0])  # compiled before others start
    found = []
    with ProcessPoolExecutor() as pool:
        for one in pool.map(against, settings()):
            found.append(one)
            print(f"  {one.setting.text():<46} {text(one)}", flush=True)
    rows = {f"{name}: {what}": figure for name in HISTORIES for what, figure in summary(found, name)}
    return rows | {"promise broken": [one.setting.text() for one in found if one.policy.in_time < PROMISED]}


def text(one: Against) -> str:
    """A row: the score, and its ratios to the best of OTHERS and the best of all presets."""
    parts = [f"{one.policy.score:.2f} {one.policy.in_time:.2%}"]
    for names in (OTHERS, PRESETS[1:]):
        name = cheapest(one, names)
        ratio = one.policy.score / one.presets[name].score
        parts.append(f"{ratio:.3f} of {name} ({one.presets[name].in_time:.2%}){'  DEARER' * (ratio > 1)}")
    return "  ".join(parts) + "  PROMISE BROKEN" * (one.policy.in_time < PROMISED)


def cheapest(one: Against, names: Sequence[str]) -> str:
    """The preset with the lowest score, whether or not it kept the promise."""
    return min(names, key=lambda name: one.presets[name].score)


def summary(found: Sequence[Against], history: str) -> list[tuple[str, str]]:
    """The range of ratios of one history, to the best of OTHERS and to the best of all."""
    here = [one for one in found if one.setting.history == history]
    rows = []
    for what, names in (("the best in use", OTHERS), ("the best preset", PRESETS[1:])):
        ratios = sorted(one.policy.score / one.presets[cheapest(one, names)].score for one in here)
        dearer = sum(ratio > 1 for ratio in ratios)
        rows.append(
            (f"against {what}", f"{ratios[0]:.3f}-{ratios[-1]:.3f}, dearer in {dearer} of {len(here)}")
        )
    return rows
