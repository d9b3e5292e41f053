"""Owned machines and other prices on the command line."""

import csv
import io
import json
import time
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.model.ledger import Ledger, Span, day_of
from penstock.model.states import Power
from tests.ledgers import FARM_TOML, ledger_state, ms_of, tally

HOUR_MS = 3_600_000
THERE = """
[platform.linux]
[[pool]]
name = "other"
provider = "ec2"
platforms = ["linux"]
price_per_hour = 0.25
egress_per_gb = 0.05
[[pool]]
name = "rack"
provider = "owned"
platforms = ["linux"]
price_per_hour = 0.125
slots = 2
[[charge]]
name = "control plane"
per_month = 0
"""
OWNED = FARM_TOML.replace('name = "rack"', 'name = "rack"\ntco = { purchase = 8760, life_years = 1 }')


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    today = day_of(int(time.time() * 1000))
    books = Ledger(position=1, day=today, from_ms=ms_of(today - 10), until_ms=ms_of(today))
    spans = [
        Span(
            machine=pool, pool=pool, from_ms=ms_of(today - 1), until_ms=ms_of(today), counted_ms=24 * HOUR_MS,
            power=Power.UP, price_micros=400_000, amount_micros=9_600_000,
        )
        for pool in ("burst", "gone", "rack")
    ]  # fmt: skip
    spent = [
        tally("direct", 9.6, pool=pool, day=today - 1, quantity=24 * HOUR_MS) for pool in ("burst", "rack")
    ]
    options = ledger_state(tmp_path, books, *spans, *spent, tally("overhead", 1, day=today - 1))
    (tmp_path / "farm.toml").write_text(OWNED)
    (tmp_path / "other.toml").write_text(THERE)
    return ["--prices", str(tmp_path / "other.toml"), *options]


def test_the_same_use_at_other_prices(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "reprice", "--map", "burst=other", "--egress", "burst=2.5", "--json", *state]) == 0
    document = json.loads(capsys.readouterr().out)
    burst, gone, rack = document["pools"]
    assert (burst["to"], burst["running_h"], burst["egress_gb"]) == ("other", 24.0, 2.5)
    assert (burst["then"], burst["there"], burst["difference"]) == ("9.600000", "6.125000", "-3.475000")
    assert burst["parts"] == {"running": "6.000000", "stopped": "0.000000", "egress": "0.125000"}
    assert (gone["to"], gone["there"], document["left_out"]) == (None, None, ["gone"])
    assert (rack["to"], rack["there"]) == ("rack", "3.000000")
    assert document["charges"] == {"then": "1.000000", "there": "0.000000", "difference": "-1.000000"}
    assert document["total"] == {"then": "20.200000", "there": "9.125000", "difference": "-11.075000"}


def test_a_table_says_what_is_not_compared(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "reprice", *state]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split("\t")[:3] == ["burst", "rack", "24.0"]  # the cheapest that serves it
    assert out.splitlines()[-1].startswith("(total)\t-\t")
    assert "burst: rack is owned: its machines cost the same" in err
    assert "gone: it is no pool of this farm any more: say where it goes with --map" in err
    assert "the total leaves out gone, then and there" in err
    assert err.endswith("`penstock simulate` does that\n")


def test_csv(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "reprice", "--map", "gone=other", "--csv", *state]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["pool"] for row in rows] == ["burst", "gone", "rack", "(charges)", "(storage)", "(total)"]
    assert rows[1]["there"] == "6.000000"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--map", "burst"], "--map burst: write it as POOL=POOL"),
        (["--map", "burst=bog"], "--map: there is no pool bog in the other farm"),
        (["--egress", "burst"], "--egress burst: write it as POOL=GB"),
        (["--egress", "burst=much"], "--egress burst=much: write a number of GB"),
        (["--egress", "burst=-1"], "--egress burst=-1: write a number of GB"),
        (["--egress", "brust=1"], "--egress: pool brust was not used on these days"),
    ],
)
def test_what_is_asked_wrongly(
    words: list[str], said: str, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", "reprice", *words, *state]) == 2
    assert capsys.readouterr().err == f"penstock: {said}\n"


def test_without_books_there_is_nothing_to_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.toml").write_text(THERE)
    options = ["--prices", str(tmp_path / "other.toml"), *ledger_state(tmp_path)]
    assert run(["costs", "reprice", *options]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split("\t")[-3:] == ["0.000000"] * 3
    assert err.startswith("0 whole days, USD; nothing is entered yet\n")


def test_another_currency_is_refused(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(state[1]).write_text('[farm]\ncurrency = "EUR"\n' + THERE)
    assert run(["costs", "reprice", *state]) == 2
    assert "is in EUR, the farm in USD: write its prices in that" in capsys.readouterr().err


def test_what_owned_machines_cost(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "tco", *state[2:]]) == 0
    out, err = capsys.readouterr()
    row = out.splitlines()[1].split("\t")
    assert row == [
        "rack",
        "burst",
        "8760.000000",
        "2.5 %",
        "20.000000",
        "0.400000",
        "125.0 %",
        "0.400000",
        "125.0 %",
    ]
    assert "rack: a machine a year, USD: 8760.00 = depreciation 8760.00 + power 0.00" in err
    assert run(["costs", "tco", "--csv", *state[2:]]) == 0
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (line["use"], line["depreciation"], line["break_even"]) == ("0.025", "8760.000000", "1.25")


def test_a_farm_that_never_ran_is_told_from_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = tmp_path / "farm.toml"
    farm.write_text(OWNED)
    options = ["--farm", str(farm), "--state", str(tmp_path / "state")]
    assert run(["costs", "tco", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["pools"][0]["use"] is None
    farm.write_text(
        FARM_TOML.split("[[pool]]")[0] + '[[pool]]\nname="a"\nprovider="owned"\nplatforms=["linux"]\n'
    )
    assert run(["costs", "tco", *options]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split("\t")[:2] == ["a", "-"]
    assert "a: a machine a year, USD: 0.00, by its price; no tco says of what" in err
    assert "no whole day was measured yet" in err
    assert not (tmp_path / "state").exists()
    farm.write_text("")
    assert run(["costs", "tco", *options]) == 0
    assert 'farm.toml has no pool of provider "owned"' in capsys.readouterr().err
