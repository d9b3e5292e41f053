"""`penstock sweep` and `advise`: every combination once, kept and gone on with; advice learnt on one half, told on the other."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from histories import FARM, write_history

from penstock.cli import sweep
from penstock.cli.app import INTERRUPTED, run
from penstock.cli.simulation import grid
from penstock.cli.simulation.several import Numbered, answers

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path / "month.csv")
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")

    def type_it(command: str, *words: str) -> tuple[int, str, str]:
        status = run([command, "--history", "month.csv", "--farm", "farm.toml", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return type_it


def varied(*varies: str) -> list[str]:
    return [word for vary in varies for word in ("--vary", vary)]


MACHINES, PRICES = "pool.own.machines=0,2", "waiting.price_per_hour=0,20"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cells each sweep ran, instead of what was there."""
    counts: list[int] = []

    def count(workload: object, cases: list[object], dask: str = "") -> Iterator[Numbered]:
        counts.append(len(cases))
        yield from answers(workload, cases, dask)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "answers", count)
    return counts


def test_every_combination_once_and_the_best_for_each_aim(typed: Typed) -> None:
    status, out, err = typed("sweep", *varied(MACHINES, PRICES), "--json")
    found = json.loads(out)
    cells = found["cells"]
    assert status == 0
    assert err.startswith("penstock: results are kept in penstock-sweeps/")
    assert [tuple(cell["settings"].values()) for cell in cells] == [
        ("0", "0"),
        ("0", "20"),
        ("2", "0"),
        ("2", "20"),
    ]
    assert list(found) == ["schema", "seed", "open_loop", "history", "cells"]
    assert [cell["cost"]["owned"] > 0 for cell in cells] == [False, False, True, True]
    for price in ("0", "20"):
        same = [
            cell for cell in cells if cell["settings"]["waiting.price_per_hour"] == price and cell["kept"]
        ]
        assert [cell["best"] for cell in same] == [
            cell["score"] == min(c["score"] for c in same) for cell in same
        ]


def test_what_is_there_is_not_run_again_and_a_wider_sweep_adds_to_it(
    typed: Typed, counted: list[int]
) -> None:
    first = typed("sweep", *varied(MACHINES), "--json")
    assert typed("sweep", *varied(MACHINES), "--json") == first
    assert typed("sweep", *varied("pool.own.machines=0,1,2"), "--json")[0] == 0
    assert counted == [2, 0, 1]


def test_another_history_or_farm_is_another_sweep(typed: Typed, counted: list[int], tmp_path: Path) -> None:
    typed("sweep", *varied(MACHINES))
    (tmp_path / "farm.toml").write_text(FARM.replace("0.4032", "0.5"), encoding="utf-8")
    typed("sweep", *varied(MACHINES))
    write_history(tmp_path / "month.csv", jobs=30)
    typed("sweep", *varied(MACHINES))
    assert counted == [2, 2, 2]


def test_ctrl_c_keeps_what_is_done(typed: Typed, monkeypatch: pytest.MonkeyPatch, counted: list[int]) -> None:
    counting = sweep.answers

    def interrupted(*given: object) -> Iterator[Numbered]:
        yield next(counting(*given))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "answers", interrupted)
    status, out, err = typed("sweep", *varied(MACHINES))
    assert (status, out) == (INTERRUPTED, "")
    assert "run the same command again to go on" in err
    monkeypatch.setattr(sweep, "answers", counting)
    assert typed("sweep", *varied(MACHINES))[0] == 0
    assert counted == [2, 1]


def test_a_line_that_was_being_written_is_left_out(typed: Typed, counted: list[int], tmp_path: Path) -> None:
    typed("sweep", *varied(MACHINES))
    (kept,) = (tmp_path / "penstock-sweeps").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(b"no JSON\n" + whole[: len(whole) - 30])
    assert typed("sweep", *varied(MACHINES))[0] == 0
    assert kept.read_bytes().startswith(b"no JSON\n" + whole.split(b"\n")[0])
    assert counted == [2, 1]


def test_people_get_a_table_a_sentence_and_a_page(typed: Typed, tmp_path: Path) -> None:
    status, out, _ = typed(
        "sweep", *varied("policy=penstock,gitlab", MACHINES, "seed=1,2"), "--html", "page.html"
    )
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("policy\tpool.own.machines\tseed\tin time\t")
    assert len(lines) == 10
    assert lines[-1].startswith("Best: policy = ")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('class="map"') == 2
    assert "▲ " in page


def test_a_sweep_of_one_setting_has_a_row_for_each_value(typed: Typed, tmp_path: Path) -> None:
    assert typed("sweep", *varied("waiting.target.seconds=1,900"), "--html", "page.html")[0] == 0
    assert "✗" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_sweep_in_which_nothing_keeps_the_promise_says_so(typed: Typed, tmp_path: Path) -> None:
    status, out, _ = typed(
        "sweep", *varied("policy=jenkins", "waiting.target.seconds=1"), "--html", "page.html"
    )
    assert (status, out.splitlines()[-1]) == (0, "No cell keeps its promise.")
    assert "No combination keeps its promise." in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("pool.own.machinez=1", "did you mean `machines`?"),
        ("pool.own.machines=many", "is 'many'; write a number"),
        ("pool.gone.machines=1", "there is no pool of that name"),
        ("pools.own.machines=1", "did you mean `pool`?"),
        ("machines=1", "there is no setting"),
        ("pool.own.machines", "write key=a,b,c"),
        ("pool.own.machines=1,,2", "write key=a,b,c"),
        ("pool.own.machines=1,1", "a value stands there twice"),
        ("policy=nobody", "there is no 'nobody'"),
        ("seed=first", "write a whole number"),
        (f"seed={','.join(map(str, range(10_001)))}", "10,001 combinations"),
    ],
)
def test_a_mistake_is_one_line(typed: Typed, vary: str, told: str) -> None:
    status, out, err = typed("sweep", *varied(vary))
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert told in err


def test_a_setting_is_varied_once(typed: Typed) -> None:
    assert "stands there twice" in typed("sweep", *varied(MACHINES, MACHINES))[2]


def test_results_need_a_folder(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, _, err = typed("sweep", *varied(MACHINES), "--results", "file")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "name a folder with --results" in err


def test_commas_in_brackets_and_quotes_belong_to_a_value() -> None:
    vary = grid.vary_of('pool.burst.boot_s={ p50 = 90, p95 = 150 },60,"a,b"')
    assert vary == ("pool.burst.boot_s", ("{ p50 = 90, p95 = 150 }", "60", '"a,b"'))


# Advice ----------------------------------------------------------------------------------------------------------


def test_advice_is_chosen_on_one_half_and_told_of_the_other(typed: Typed) -> None:
    status, out, err = typed("advise", "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["trained_on"]["jobs"] + found["reported_on"]["jobs"] == 40
    assert found["trained_on"]["ended_s"] < found["reported_on"]["begun_s"]
    trials = found["machines"]["own"]
    (best,) = [trial for trial in trials if trial["chosen"]]
    assert sum(trial["now"] for trial in trials) == 1
    able = [trial for trial in trials if trial["trained"]["within_target"] >= 0.95] or [best]
    assert best["trained"]["score"] == min(trial["trained"]["score"] for trial in able)
    assert [trial["value"] for trial in trials] == sorted({trial["value"] for trial in trials})
    assert all(trial["trained"] is None and not trial["chosen"] for trial in found["promises"])
    assert [trial["value"] for trial in found["timeouts"]] == ["penstock", 0, 60, 300, 900, 1800, 3600]
    assert len(found["advice"]) >= 3


def test_advice_for_people_ends_with_the_tables_behind_it(typed: Typed) -> None:
    status, out, _ = typed("advise")
    assert status == 0
    assert out.startswith(("Keep the 2 machines of pool own", "Own "))
    for title in ("machines of own", "idle timeout", "promise"):
        assert f"\n{title}\tscore, 1st half\tscore, 2nd half\t" in out


def test_advice_says_what_it_lacks(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "farm.toml").write_text(FARM.replace("price_per_hour = 0.02\n", ""), encoding="utf-8")
    assert "Pool own has no price_per_hour, so owning looks free" in typed("advise")[1]
    rented = FARM[: FARM.index("[[pool]]")] + FARM[FARM.rindex("[[pool]]") :]
    (tmp_path / "farm.toml").write_text(rented, encoding="utf-8")
    assert 'The farm has no pool of provider "owned"' in typed("advise")[1]


def test_a_moment_has_no_halves(typed: Typed, tmp_path: Path) -> None:
    lines = (tmp_path / "month.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "month.csv").write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    status, _, err = typed("advise")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "advice needs two halves in time" in err
