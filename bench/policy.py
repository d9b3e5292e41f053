"""How near the policy comes to what no schedule undercuts: cost / limit at 15 minutes on recorded histories.

Owned machines are free; rented ones are an m7i.2xlarge at $0.4032 an hour, by the second, at least a minute, boot 90 s,
resume 45 s, stopped $0.01096 an hour; the first job of a new machine 0 or 600 s longer. 95 % are promised to start within
15 minutes. One platform. docs/reference/benchmarks.md has what came out.
"""

import math
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from bench.histories import history
from penstock.cli.simulation.limits import limit_of
from penstock.model.outcome import Outcome
from penstock.model.rules import Billing, Pool, Quantiles, Rules, Waiting
from penstock.model.trial import Policy
from penstock.policy.capacity.preset_numbers import PRESETS
from penstock.reports.compare import score
from penstock.reports.waits import in_time, wait_column
from penstock.sim.run import simulate

PROMISED = 0.95
LEAST = 10.0
"""Dollars: of a limit below it a ratio says nothing."""
LIMITS = {  # $ of the research's limit at 15 minutes: (history, owned): (cold 0, cold 600 s), 0 = none given
    ("bitcoin, from day 12", 0): (601.5, 627.4),
    ("bitcoin, from day 12", 2): (490.1, 513.7),
    ("bitcoin, from day 12", 5): (354.4, 375.5),
    ("bitcoin, from day 12", 10): (179.1, 195.0),
    ("bitcoin, from day 12", 20): (36.6, 42.5),
    ("mobile", 0): (268.8, 276.5),
    ("mobile", 3): (230.7, 237.8),
    ("mobile", 10): (148.0, 151.7),
    ("mobile", 20): (71.7, 73.3),
    ("mozilla 2013", 0): (94.1, 99.5),
    ("mozilla 2013", 39): (49.0, 51.9),
    ("bmad", 0): (253.6, 300.7),
    ("bmad", 1): (127.3, 150.5),
    ("bmad", 5): (1.0, 0),
    ("pr3y", 0): (111.2, 125.8),
    ("pr3y", 1): (28.6, 30.1),
    ("builds, 2 days", 0): (1224.8, 1239.3),
    ("builds, 2 days", 24): (813.8, 827.3),
    ("tests, 18 h", 0): (2302.2, 0),
    ("tests, 18 h", 130): (1414.9, 0),
}


class Setting(NamedTuple):
    """A history on a farm; `waiting` in dollars an hour."""

    history: str
    owned: int
    cold_s: int
    waiting: int = 0

    def text(self) -> str:
        """As a row is called."""
        price = f", waiting ${self.waiting}" if self.waiting else ""
        return f"{self.history}, {self.owned} owned, cold {self.cold_s}{price}"


class Reached(NamedTuple):
    """Of one run: money and, where it has a price, waiting, in dollars; and the share of jobs that started in time."""

    score: float
    in_time: float


class Quality(NamedTuple):
    """What a setting came to. `limit`: ours, `research`: the one of LIMITS, 0 = none; `best`: the cheapest preset of all."""

    setting: Setting
    limit: float
    research: float
    avoid: Reached
    spend: Reached
    preset: str
    best: Reached


def rules(setting: Setting, lateness: str = "avoid") -> Rules:
    """The farm of a setting."""
    own = Pool(name="own", provider="owned", platforms=("any",), machines=setting.owned)
    burst = Pool(
        name="burst",
        provider="ec2",
        platforms=("any",),
        price_per_hour_micros=403_200,
        stopped_price_per_hour_micros=10_960,
        boot=Quantiles(90_000, 90_000),
        resume=Quantiles(45_000, 45_000),
        cold_cache_ms=setting.cold_s * 1000,
        billing=Billing(granularity_ms=1000, minimum_ms=60_000),
    )
    waiting = Waiting(price_per_hour_micros=setting.waiting * 1_000_000, lateness=lateness)
    return Rules(waiting=waiting, pools=(own, burst) if setting.owned else (burst,))


def reached(setting: Setting, preset: str, lateness: str = "avoid") -> Reached:
    """Replay a setting under a preset."""
    farm = rules(setting, lateness)
    return judged(simulate(history(setting.history), farm, Policy(name=preset, preset=preset)), farm)


def judged(outcome: Outcome, farm: Rules) -> Reached:
    """What a run came to. Owned machines are free here, so that the cost is the rent."""
    column = wait_column(outcome)
    return Reached(score(outcome, column, farm.waiting), in_time(column, farm.waiting.target_ms) or 0.0)


def quality(setting: Setting) -> Quality:
    """The policy both ways, the limit, and the cheapest preset."""
    limit = limit_of(history(setting.history), rules(setting), "full").at_target
    best, preset = min((reached(setting, preset), preset) for preset in PRESETS[1:])
    research = LIMITS[setting.history, setting.owned][setting.cold_s > 0]
    both = [reached(setting, PRESETS[0], lateness) for lateness in ("avoid", "spend")]
    return Quality(setting, limit or 0.0, research, both[0], both[1], preset, best)


def settings() -> list[Setting]:
    """Each history with each number of owned machines, warm and cold."""
    return [Setting(name, owned, cold_s) for cold_s in (0, 600) for name, owned in LIMITS]


def run() -> dict[str, object]:
    """Cost / limit, avoiding and spending lateness, with the share in time; the best preset beside it."""
    os.environ.setdefault("PENSTOCK_COMPILED", "1")
    reached(Setting("mozilla 2013", 0, 0), PRESETS[0])  # compiled before others start
    with ProcessPoolExecutor() as pool:
        found = []
        for one in pool.map(quality, settings()):
            found.append(one)
            print(f"  {one.setting.text():<40} {text(one)}", flush=True)
    return {
        f"geometric mean, cold {cold_s}: {what}": mean
        for cold_s in (0, 600)
        for what, mean in means(found, cold_s)
    }


def text(one: Quality) -> str:
    """A row: our limit, ratios to it, and to the research's in brackets."""
    ratios = [
        f"{name} {_ratio(got.score, one.limit)} ({_ratio(got.score, one.research)}) {got.in_time:.2%}"
        for name, got in (("avoid", one.avoid), ("spend", one.spend), (one.preset, one.best))
    ]
    broken = "" if min(one.avoid.in_time, one.spend.in_time) >= PROMISED else "  PROMISE BROKEN"
    return f"limit {one.limit:.1f} ({one.research})  " + "  ".join(ratios) + broken


def _ratio(cost: float, limit: float) -> str:
    return f"{cost / limit:.3f}" if limit > LEAST else f"${cost:.2f}"


def means(found: Iterable[Quality], cold_s: int) -> list[tuple[str, str]]:
    """Geometric means of the ratios to our limit and to the research's, over settings that have a limit worth a ratio."""
    here = [one for one in found if one.setting.cold_s == cold_s and one.limit > LEAST]
    rows = []
    for name in ("avoid", "spend", "best"):
        ours = [getattr(one, name).score / one.limit for one in here]
        theirs = [getattr(one, name).score / one.research for one in here if one.research]
        rows.append((name, f"{_mean(ours):.3f} of {len(ours)} ({_mean(theirs):.3f} of {len(theirs)})"))
    return rows


def _mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
