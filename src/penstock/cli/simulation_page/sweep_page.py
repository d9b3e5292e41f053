"""The page of a sweep: a map of scores for the last two settings that were varied, one for each value of the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from penstock.cli.simulation.grid import Cell
from penstock.cli.simulation.runs import written
from penstock.cli.simulation_page.page import rendered
from penstock.model.units import DAY_MS, MS_PER_S
from penstock.reports.compare import Document

SHADES = 7


class Map(NamedTuple):
    """One map: what is fixed in it, its columns, its rows with their cells."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Document]]]


def write_sweep(found: Document, cells: Sequence[Cell], out: Path) -> None:
    """Write the page to `out`. `found`: the document of `penstock sweep --json`."""
    keys = list(cells[0].settings)
    lines: list[Document] = found["cells"]
    shown = {
        "keys": keys,
        "jobs": found["history"]["jobs"],
        "days": found["history"]["span_s"] * MS_PER_S / DAY_MS,
        "currency": lines[0]["cost"]["currency"],
        "farm": cells[0].case.rules.name,
        "maps": maps(
            keys, [line | {"shade": shade} for line, shade in zip(lines, shades(cells, lines), strict=True)]
        ),
        "best": [line for line in lines if line["best"]],
    }
    with written(out) as write:
        write(rendered("sweep.html", shown).encode())


def shades(cells: Sequence[Cell], lines: Sequence[Document]) -> list[int]:
    """How dark each cell is, by its rank among the scores of the same aim: 0 for the lowest."""
    groups: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        groups.setdefault(repr(cell.case.rules.waiting), []).append(number)
    found = [0] * len(cells)
    for numbers in groups.values():
        for rank, number in enumerate(sorted(numbers, key=lambda n: lines[n]["score"])):
            found[number] = rank * SHADES // len(numbers)
    return found


def maps(keys: Sequence[str], lines: Sequence[Document]) -> list[Map]:
    """Rows are the last but one setting, columns the last one; of a single setting each value is a row."""
    across = keys[-1] if len(keys) > 1 else ""
    down = keys[-2] if len(keys) > 1 else keys[0]
    found: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for line in lines:
        settings = line["settings"]
        fixed = tuple(f"{key} = {settings[key]}" for key in keys if key not in (across, down))
        found.setdefault(fixed, {}).setdefault(settings[down], {})[settings.get(across, "")] = line
    return [
        Map(
            ", ".join(fixed),
            list(next(iter(rows.values()))),
            [(row, list(columns.values())) for row, columns in rows.items()],
        )
        for fixed, rows in found.items()
    ]
