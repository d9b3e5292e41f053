"""The cells of a sweep: every combination of the values that are varied, each as a case that can be replayed."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from penstock.cli.output import refuse
from penstock.cli.simulation import SEED_MOST
from penstock.cli.simulation.policies import DEFAULT, policy_of
from penstock.cli.simulation.runs import Case
from penstock.config.varied import read_varied
from penstock.model.trial import Faults

CELLS_MOST = 10_000
OWN = ("policy", "seed")
"""What can be varied beside the settings of farm.toml."""


class Vary(NamedTuple):
    """One setting by its dotted name, and the values it takes, as they were written."""

    key: str
    values: tuple[str, ...]


class Cell(NamedTuple):
    """One combination: what was set, and what it is replayed with."""

    settings: dict[str, str]
    case: Case


def vary_of(text: str) -> Vary:
    """`key=a,b,c`; commas within brackets, braces and quotes belong to a value."""
    key, _, values = text.partition("=")
    found = tuple(value.strip() for value in split(values))
    if not key.strip() or not values.strip() or not all(found):
        refuse(f"--vary {text}: write key=a,b,c, such as pool.own.machines=0,5,10")
    if len(set(found)) < len(found):
        refuse(f"--vary {text}: a value stands there twice; write each once")
    return Vary(key.strip(), found)


def split(text: str) -> list[str]:
    """Parts between commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def cells_of(farm: Path, varies: Sequence[Vary], seed: int, faults: Faults | None) -> list[Cell]:
    """Every combination, the last setting varying first. Raises Mistakes for a setting or value that cannot be."""
    keys = [vary.key for vary in varies]
    if len(set(keys)) < len(keys):
        refuse("--vary: a setting stands there twice; write all of its values in one")
    count = 1
    for vary in varies:
        count *= len(vary.values)
    if count > CELLS_MOST:
        refuse(f"--vary: {count:,} combinations; vary less than {CELLS_MOST:,}")
    found = []
    for values in product(*(vary.values for vary in varies)):
        settings = dict(zip(keys, values, strict=True))
        found.append(Cell(settings, _case(farm, settings, seed, faults)))
    return found


def _case(farm: Path, settings: dict[str, str], seed: int, faults: Faults | None) -> Case:
    rules = read_varied(farm, {key: text for key, text in settings.items() if key not in OWN})
    given = settings.get("seed", str(seed))
    if not given.isascii() or not given.isdigit() or int(given) > SEED_MOST:
        refuse(f"--vary seed={given}: write a whole number from 0 to {SEED_MOST}")
    return Case(rules, policy_of(settings.get("policy", DEFAULT[0])), int(given), faults)
