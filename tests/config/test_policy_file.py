"""Policy files: what they may say, and every mistake by its line. The reference names every number with its default."""

import re
from pathlib import Path

import pytest

from penstock.config.mistakes import Mistakes
from penstock.config.policy_file import FIELDS, UNITS, read_policy, standard
from penstock.model.rules import Rules, Waiting
from penstock.model.trial import Policy
from penstock.policy.capacity.columns import NEVER_MS
from penstock.policy.capacity.preset_numbers import (
    BREAK_EVEN,
    MILLION,
    NUMBERS,
    PRESETS,
    SET,
    SUSPENDS,
    Number,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "policies.md"


def policy(folder: Path, text: str) -> Policy:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


def mistake(folder: Path, text: str) -> str:
    with pytest.raises(Mistakes) as found:
        policy(folder, text)
    return str(found.value).replace(f"{folder}/", "")


def test_a_preset_with_numbers_of_ones_own(tmp_path: Path) -> None:
    found = policy(tmp_path, 'preset = "mozilla-2012"\nidle_s = 1800\nlook_s = 0.5\ngone_s = "break-even"\n')
    assert (found.name, found.preset) == ("ours", "mozilla-2012")
    assert found.numbers["idle_s"] == 1_800_000
    assert (found.numbers["look_s"], found.numbers["age_s"]) == (500, 60_000)
    assert found.numbers["gone_s"] == BREAK_EVEN
    assert list(found.numbers) == list(standard("mozilla-2012"))


def test_every_kind_of_number(tmp_path: Path) -> None:
    text = 'preset = "gitlab"\nidle_count = 3\nscale_factor = 0.2\nidle_s = "never"\nsuspend = "always"\nlast_moment = true\n'
    found = policy(tmp_path, text).numbers
    assert (found["idle_count"], found["scale_factor"], found["idle_s"]) == (3, 200_000, NEVER_MS)
    assert (found["suspend"], found["last_moment"]) == (1, 1)


def test_what_it_reckons_waiting_with(tmp_path: Path) -> None:
    text = 'preset = "penstock"\n[waiting]\nprice_per_hour = 5\ntarget = { percentile = 90, seconds = 300 }\n'
    found = policy(tmp_path, text)
    farm = Rules(waiting=Waiting(lateness="spend"))
    assert found.reckons(farm).waiting == Waiting(
        price_per_hour_micros=5_000_000, target_percentile=90, target_ms=300_000, lateness="spend"
    )
    assert Policy().reckons(farm) is farm
    assert found.numbers == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("idle_s = 5\n", "ours.toml:1: a policy lacks `preset`; write preset: whose rules they are"),
        (
            'preset = "mozilla"\n',
            "ours.toml:1: `preset` of a policy is 'mozilla'; did you mean `mozilla-2014`?",
        ),
        ('preset = "jenkins"\nidel_s = 5\n', "ours.toml:2: a policy has no `idel_s`; did you mean `idle_s`?"),
        ('preset = "penstock"\n\nidle_s = 5\n', "ours.toml:3: the policy `penstock` has no numbers to set; "),
        (
            'preset = "jenkins"\nidle_s = "long"\n',
            "ours.toml:2: `idle_s` of a policy is 'long'; write seconds, \"never\"",
        ),
        (
            'preset = "jenkins"\nidle_s = 1e11\n',
            "ours.toml:2: `idle_s` of a policy is 1E+11; write at most ten years",
        ),
        ('preset = "jenkins"\nidle_s = -1\n', "ours.toml:2: `idle_s` of a policy is -1; write 0 or more"),
        (
            'preset = "gitlab"\nscale_factor = 1001\n',
            "ours.toml:2: `scale_factor` of a policy is 1001; write at most 1000",
        ),
        (
            'preset = "gitlab"\nidle_count = 1000001\n',
            "ours.toml:2: `idle_count` of a policy is 1000001; write at most",
        ),
        (
            'preset = "gitlab"\nlast_moment = 1\n',
            "ours.toml:2: `last_moment` of a policy is 1; write true or false",
        ),
        ('preset = "gitlab"\nsuspend = "no"\n', "ours.toml:2: `suspend` of a policy is 'no'; write one of"),
        ('preset = "gitlab"\nwaiting = 1\n', "ours.toml:2: `waiting` of a policy is 1; write a table of"),
        (
            'preset = "mozilla-2014"\nedge_s = 3600\n',
            "ours.toml:2: `edge_s` is not below `paid_s`; write an edge",
        ),
        (
            'preset = "jenkins"\npaid_s = 60\nedge_s = 60\n',
            "ours.toml:2: `edge_s` is not below `paid_s`; write an edge",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, told: str) -> None:
    found = mistake(tmp_path, text)
    assert found.startswith(told)
    assert "\n" not in found


def test_every_unit_can_be_read() -> None:
    assert {one.unit for one in NUMBERS} == set(UNITS)
    assert set(FIELDS) == {"preset", "waiting", *(one.option for one in NUMBERS)}


# The reference ----------------------------------------------------------------------------------------------


def written(unit: str, value: int) -> str:
    """A number as a policy file has it."""
    if unit in ("s", "span"):
        words = {NEVER_MS: '"never"', BREAK_EVEN: '"break-even"'}
        return words.get(value, f"{value / 1000:g}")
    if unit == "share":
        return f"{value / MILLION:g}"
    if unit == "switch":
        return "true" if value else "false"
    return f'"{SUSPENDS[value]}"' if unit == "word" else str(value)


def section(name: str) -> str:
    found = re.search(
        rf"^### {re.escape(name)}\n(.*?)(?=^### |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    assert found, f"policies.md has no section {name}"
    return found[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_reference_has_what_each_preset_sets(preset: str) -> None:
    units = {one.option: one.unit for one in NUMBERS}
    sets = ", ".join(f"`{option} = {written(units[option], value)}`" for option, value in SET[preset].items())
    assert section(preset).rstrip().endswith(sets)


@pytest.mark.parametrize("one", NUMBERS, ids=lambda one: one.option)
def test_the_reference_has_every_number(one: Number) -> None:
    rows = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{one.option}` |")
    ]
    assert len(rows) == 1
    assert rows[0].endswith(f"| `{written(one.unit, one.off)}` | {one.about} |")
