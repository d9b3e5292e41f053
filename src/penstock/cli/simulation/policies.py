"""Policies by name or from a file (config/policy_file.py): a preset, with numbers of one's own."""

from collections.abc import Sequence
from pathlib import Path

from penstock.cli.output import refuse
from penstock.config.items import near
from penstock.config.policy_file import read_policy, standard
from penstock.model.trial import Policy
from penstock.policy.capacity.preset_numbers import PRESETS

ALL = "all"
DEFAULT = PRESETS[:1]


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
        why = "it stands for several; name one" if name == ALL else near(name, [*PRESETS, ALL]).rstrip("?")
        refuse(f"--policy: there is no {name!r}; {why}, or a file NAME.toml")
    return read_policy(path)
