"""`penstock machines` and `penstock console`: every machine in one table, and what one of them printed."""

from decimal import Decimal
from pathlib import Path

from penstock.cli.output import clean, print_json, print_table
from penstock.cli.queries import Document, opened
from penstock.hub.explain.told import span
from penstock.model.states import Health
from penstock.model.units import MS_PER_S


def show_machines(farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock machines`."""
    with opened(farm, state, hub) as found:
        document = found.read("machines", "")
    keys = ("id", "name", "pool", "power", "session", "health")
    rows = [
        [*(line[key] for key in keys), " ".join(line["running"]), *_money(line), _outlook(line)]
        for line in document["machines"]
    ]
    columns = ("machine", "name", "pool", "power", "agent", "health", "runs", "age", "cost", "why and next")
    if as_json:
        print_json(document)
    else:
        print_table(columns, rows)
        for note in document.get("notes", ()):  # a hub of the release before has none
            print(clean(f"{note['subject']}: {note['text']}"))


def _money(line: Document) -> tuple[str, str]:
    """How old a machine is and what it has cost, where it is metered."""
    if line["cost"] is None:
        return "", ""
    return span(round(line["age_s"] * MS_PER_S)), f"{Decimal(line['cost']):.4f}"


def _outlook(line: Document) -> str:
    """Why a machine is as it is, for how long its agent has been silent, and what happens to it next."""
    silent_ms = round((line["silent_s"] or 0) * MS_PER_S) if line["health"] == Health.SUSPECT else 0
    silent = f"silent for {span(silent_ms)}" if silent_ms else ""
    return "; ".join(said for said in (line["reason"], silent, line["why"], line["next"]) if said)


def show_console(machine: str, farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock console`: what a machine printed is as hostile as a log."""
    with opened(farm, state, hub) as found:
        document = found.read("console", machine)
    if as_json:
        print_json(document)
    else:
        print("\n".join(clean(line) for line in document["console"].splitlines()))
