"""`penstock sweep`: a history on a farm with some settings otherwise, every combination, the best marked."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from penstock.cli.output import print_json, print_sentences, print_table, refuse, say
from penstock.cli.simulation.grid import Cell, cells_of, vary_of
from penstock.cli.simulation.inputs import farms_of, faults_of, load
from penstock.cli.simulation.kept import Kept, digest_of, name_of
from penstock.cli.simulation.runs import check_out
from penstock.cli.simulation.sentences import best_of, kept, money_text, percent_text, time_text
from penstock.cli.simulation.several import answers
from penstock.cli.simulation.showing import Steps, showing
from penstock.model.workload import Workload
from penstock.reports.compare import Document, history_document

SCHEMA = 1


class Asked(NamedTuple):
    """The command line. `results`: the folder in which results are kept."""

    history: Sequence[Path]
    farm: Path
    varies: Sequence[str]
    seed: int
    faults: Path | None
    dask: str
    results: Path


def run_sweep(asked: Asked, html: Path | None, as_json: bool) -> None:
    """Run what is not there yet, keep it, print all."""
    if not asked.varies:
        refuse("--vary: nothing to vary; write key=a,b,c, such as pool.own.machines=0,5,10")
    check_out(html)
    with showing() as steps:
        steps.begin("reading the history")
        faults = faults_of(asked.faults, farms_of([asked.farm])) if asked.faults else None
        cells = cells_of(asked.farm, [vary_of(text) for text in asked.varies], asked.seed, faults)
        workload, dropped = load(asked.history)
        files = [*asked.history, *([asked.faults] if asked.faults else [])]
        with closing(Kept(asked.results, digest_of(files))) as results:
            run_cells(workload, cells, results, asked.dask, steps)
            documents = [results.found[name_of(cell)] for cell in cells]
            say(f"penstock: results are kept in {results.path}")
    lines = lines_of(cells, documents)
    found: Document = {
        "schema": SCHEMA,
        "seed": asked.seed,
        "open_loop": True,
        "history": history_document(workload, dropped),
        "cells": lines,
    }
    if html:
        from penstock.cli.simulation_page.sweep_page import write_sweep

        write_sweep(found, cells, html)
    if as_json:
        print_json(found)
    else:
        print_cells(cells, lines)


def run_cells(workload: Workload, cells: Sequence[Cell], results: Kept, dask: str, steps: Steps) -> None:
    """Every cell that has no result yet; each result is kept as it comes."""
    missing = [cell for cell in cells if name_of(cell) not in results.found]
    there = len(cells) - len(missing)
    steps.begin(f"{there} of {len(cells)} cells are there")
    for number, document in answers(workload, [cell.case for cell in missing], dask):
        results.keep(missing[number], document)
        there += 1
        steps.begin(f"{there} of {len(cells)} cells")


def lines_of(cells: Sequence[Cell], documents: Sequence[Document]) -> list[Document]:
    """Each cell with its settings and whether it is best: by score, of those that keep the promise, for each aim.

    An aim is a price of waiting and a promise: scores of different ones say nothing beside each other.
    """
    groups: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        groups.setdefault(repr(cell.case.rules.waiting), []).append(number)
    best = set()
    for numbers in groups.values():
        found = best_of([documents[n] for n in numbers], cells[numbers[0]].case.rules.waiting)
        best |= {numbers[found]} if found is not None else set()
    return [
        {
            "settings": cell.settings,
            "best": n in best,
            "kept": kept(documents[n], cell.case.rules.waiting),
            **documents[n],
        }
        for n, cell in enumerate(cells)
    ]


def print_cells(cells: Sequence[Cell], lines: Sequence[Document]) -> None:
    """The table, and which cells are best."""
    keys = list(cells[0].settings)
    columns = (*keys, "in time", "mean wait", "p95", "cost", "rented", "score", "starts", "on owned", "")
    print_table(columns, [(*line["settings"].values(), *_figures(line)) for line in lines])
    best = [line for line in lines if line["best"]]
    told = [
        f"Best: {', '.join(f'{key} = {value}' for key, value in line['settings'].items())}; score {money_text(line['score'], line['cost']['currency'])},"
        f" {percent_text(line['within_target'])} in time."
        for line in best
    ]
    print_sentences(told or ["No cell keeps its promise."])


def _figures(line: Document) -> tuple[object, ...]:
    wait, cost, machines = line["wait_s"], line["cost"], line["machines"]
    return (
        percent_text(line["within_target"]),
        time_text(wait["mean"]),
        time_text(wait["p95"]),
        money_text(cost["total"]),
        money_text(cost["rented"]),
        money_text(line["score"]),
        machines["boots"] + machines["resumes"],
        percent_text(line["owned_share"]),
        "best" if line["best"] else "" if line["kept"] else "late",
    )
