"""`penstock costs forecast statement.toml` and `penstock costs uptime` as they are typed; neither needs a farm."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.cli.app import run

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "qemu-2023.toml"
STATEMENT = """currency = "USD"
[[reading]]            # consumption to date, as a console shows it
date = 2023-06-01
total = 2005
resource = { d2s = 371 }
[[reading]]
date = 2023-06-28
total = 2673
resource = { d2s = 457 }
[[retired]]
resource = "d2s"
"""
CONTRACT = (
    "rate_per_day this_year next_year next_year_days formula window_days retired unknown exhausted_on".split()
)
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "statement.toml").write_text(STATEMENT, encoding="utf-8")

    def type_it(*words: str) -> tuple[int, str, str]:
        status = run(["costs", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return type_it


def test_the_document_is_the_contract(typed: Typed) -> None:
    status, out, err = typed("forecast", "statement.toml", "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert list(found)[: len(CONTRACT)] == CONTRACT
    assert {name: found[name] for name in CONTRACT if name != "unknown"} == {
        "rate_per_day": 21.5556,
        "this_year": 6703.89,
        "next_year": 7867.78,
        "next_year_days": 365,
        "formula": "run_rate_excl_retired",
        "window_days": 27,
        "retired": ["d2s"],
        "exhausted_on": None,
    }
    assert found["data_through"] == "2023-06-28"
    assert all(isinstance(what, str) for what in found["unknown"])
    assert '"rate_per_day": 21.5556,\n "this_year": 6703.89,\n "next_year": 7867.78,' in out


def test_the_naive_form_has_a_warning(typed: Typed) -> None:
    status, out, err = typed("forecast", "statement.toml", "--json", "--keep-retired")
    found = json.loads(out)
    assert (status, found["this_year"], found["next_year"]) == (0, 7299.52, 9030.37)
    assert "warning" in err
    assert "d2s" in err


def test_what_if_on_what_is_printed(typed: Typed) -> None:
    options = ["--round", "50", "--credit", "10000"]
    status, out, _ = typed("forecast", str(EXAMPLE), "--json", *options, "--what-if", "k8s=x2")
    found = json.loads(out)
    assert (status, found["this_year"], found["next_year"]) == (0, 6700.0, 7800.0)
    assert found["what_if"] == {
        "changes": {"k8s": 2},
        "basis": "parts rounded to 50",
        "next_year": 10050.0,
        "saves": -2250.0,
        "exhausted_day": 363,
        "exhausted_days": 363.18,
        "exhausted_on": "2024-12-29",
    }


def test_for_people_it_says_on_which_figures(typed: Typed) -> None:
    status, out, _ = typed(
        "forecast", str(EXAMPLE), "--round", "50", "--credit", "10000", "--what-if", "k8s=x2"
    )
    assert status == 0
    assert "all\t2673\t6700.00\t7800.00" in out
    assert "unrounded: 6703.89 this year, 7867.78 next year" in out
    assert "used up on day 363 of 365 (363.18, parts rounded to 50)" in out
    status, out, _ = typed(
        "forecast", str(EXAMPLE), "--off", "k8s", "--off", "aks", "--credit", "2700", "--credit-once"
    )
    assert "with k8s off, aks off: 2483.89 USD next year (unrounded), saves 5383.89" in out
    assert "a credit of 2700: used up on 2023-06-29 (unrounded)" in out
    assert "not known: " in out
    status, out, _ = typed("forecast", "statement.toml", "--credit", "1000000", "--credit-once")
    assert "a credit of 1000000: lasts for a century" in out


def test_the_credit_of_a_farm_counts(typed: Typed, tmp_path: Path) -> None:
    grant = '[[grant]]\nname = "g"\namount = {}\ncurrency = "USD"\nfrom = 2023-01-01\nuntil = 2023-12-31\n'
    (tmp_path / "farm.toml").write_text(grant.format(4828), encoding="utf-8")
    _, out, _ = typed("forecast", "statement.toml", "--farm", "farm.toml", "--json")
    assert json.loads(out)["exhausted_on"] == "2023-10-06"
    (tmp_path / "farm.toml").write_text(grant.format(10000), encoding="utf-8")
    _, out, _ = typed("forecast", "statement.toml", "--farm", "farm.toml")
    assert "a credit of 10000: lasts until it ends on 2023-12-31 (unrounded)" in out


def test_a_table_for_spreadsheets(typed: Typed) -> None:
    status, out, _ = typed("forecast", str(EXAMPLE), "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert rows[0] == {
        "resource": "e2s",
        "used": "667.12",
        "this year": "1649.22",
        "next year": "1916.93",
        "since": "2023-02-21",
        "days": "314",
        "may grow": "",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.toml"], "penstock: nowhere.toml: there is no such file"),
        (
            ["statement.toml", "--window-days", "28"],
            "penstock: statement.toml:6: 2023-06-01 and 2023-06-28 are 27 days",
        ),
        (["statement.toml", "--what-if", "d2s=x2"], "penstock: statement.toml: 'd2s' is retired"),
        (
            ["statement.toml", "--off", "gpu"],
            "penstock: statement.toml: both readings name no 'gpu'; name one of",
        ),
        (
            ["statement.toml", "--what-if", "d2s"],
            "penstock: --what-if and --off: 'd2s' says no change; write RESOURCE=x2",
        ),
        (["statement.toml", "--round", "0"], "penstock: --round 0: write an amount"),
        (["statement.toml", "--credit", "lots"], "penstock: --credit lots: write an amount"),
        (["statement.toml", "--credit-once"], "penstock: --credit-once: give --credit AMOUNT, too"),
        (["statement.toml", "--json", "--csv"], "penstock: --json and --csv: write one of them"),
        (["broken.toml"], "penstock: broken.toml:2: one [[reading]] gives no rate"),
    ],
)
def test_mistakes_are_one_line(typed: Typed, tmp_path: Path, words: list[str], told: str) -> None:
    broken = 'currency = "USD"\n[[reading]]\ndate = 2023-06-01\ntotal = 1\n'
    (tmp_path / "broken.toml").write_text(broken, encoding="utf-8")
    status, out, err = typed("forecast", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(told)


def test_uptime(typed: Typed) -> None:
    status, out, err = typed("uptime", "--from", "95", "--to", "99", "--price", "50000", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "schema": 1,
        "from_percent": 95.0,
        "to_percent": 99.0,
        "price": "50000",
        "years": 1.0,
        "down_hours_per_year": {"from": 438.3, "to": 87.66, "saved": 350.64},
        "pays_above_per_hour": "142.60",
        "formula": "price / (hours saved a year * years)",
    }
    _, out, _ = typed("uptime", "--from", "95", "--to", "99.9", "--price", "50000", "--years", "3")
    assert out.startswith(
        "pays when an hour of downtime costs more than 38.8\ndown 438.3 hours a year at 95 %"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["99", "95", "1"], "penstock: from 99 to 95 percent is no rise"),
        (["x", "95", "1"], "penstock: --from x: write a number"),
        (["95", "99", "inf"], "penstock: --price inf: write a number"),
        (["95", "99", "1e-99"], "penstock: --price 1e-99: write a number"),
    ],
)
def test_uptime_of_nothing(typed: Typed, words: list[str], told: str) -> None:
    before, after, price = words
    status, out, err = typed("uptime", "--from", before, "--to", after, "--price", price)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(told)
