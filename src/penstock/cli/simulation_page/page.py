"""The page as text: what was gathered and drawn, put into the template. Nothing on it comes from elsewhere."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from penstock.cli.simulation.inputs import Inputs
from penstock.cli.simulation.sentences import (
    best_of,
    comparison,
    kept,
    meaning,
    money_text,
    percent_text,
    time_text,
)
from penstock.cli.simulation_page import story
from penstock.cli.simulation_page.curveplot import Other, machine_picture, near_enough, price_picture
from penstock.cli.simulation_page.curves import Curves
from penstock.cli.simulation_page.hourplot import height_of, hour_picture, hour_sentence
from penstock.cli.simulation_page.story import Told
from penstock.cli.simulation_page.timeline import timeline
from penstock.cli.simulation_page.waitplot import Group, wait_picture
from penstock.model.units import DAY_MS, MS_PER_S
from penstock.reports.compare import span_ms
from penstock.reports.load import grid
from penstock.reports.waits import little, recorded_column, residual
from penstock.web.drawing.axes import when

Shown = dict[str, Any]
TIMELINE_CELLS = 480
GROUPS_MOST = 12


def page(inputs: Inputs, runs: Sequence[Told], curves: Curves) -> str:
    """The whole document."""
    return rendered("page.html", _shown(inputs, runs, curves))


def rendered(name: str, shown: Shown) -> str:
    """A template with our sheet and our script, and nothing else that could run."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("penstock.cli.simulation_page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"time": time_text, "money": money_text, "percent": percent_text}
    sheet, script = _asset("page.css"), _asset("page.js")
    # Markup: both are files of ours.
    return environment.get_template(name).render(
        sheet=Markup(sheet),
        script=Markup(script),
        sheet_hash=_hash(sheet),
        script_hash=_hash(script),
        **shown,
    )


def _asset(name: str) -> str:
    return (files("penstock.cli.simulation_page") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a page says that this text, and no other, may run in it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(inputs: Inputs, runs: Sequence[Told], curves: Curves) -> Shown:
    first = runs[0]
    waiting = first.run.farm.rules.waiting
    documents = {one.run.key: one.run.document for one in runs}
    promises = {one.run.key: one.run.farm.rules.waiting for one in runs}
    return {
        "farms": [farm.name for farm in inputs.farms],
        "jobs": inputs.workload.jobs,
        "seed": inputs.seed,
        "begun": when(first.run.outcome.begun_ms),
        "ended": when(first.run.outcome.ended_ms),
        "days": span_ms(inputs.workload) / DAY_MS,
        "waiting": waiting,
        "promise_s": waiting.target_ms / MS_PER_S,
        "price": waiting.price_per_hour_micros / 1e6,
        "currency": first.run.farm.rules.currency,
        "head": first.run.document,
        "head_key": first.run.key,
        "head_kept": kept(first.run.document, waiting),
        "sentences": [meaning(key, documents[key], promises[key]) for key in documents],
        "comparison": comparison(documents, promises),
        "rows": _rows(runs),
        "timelines": _timelines(runs),
        "waits": _waits(inputs, runs),
        "colours": [one.run.key for one in runs],
        "hour": _hour(runs),
        "moves": story.moves_of(inputs.workload, first),
        **_curves(runs, curves),
        **_honesty(inputs, first),
    }


def _rows(runs: Sequence[Told]) -> list[Shown]:
    """The table; the best run that keeps its promise is marked."""
    best = (
        best_of([one.run.document for one in runs], runs[0].run.farm.rules.waiting) if len(runs) > 1 else None
    )
    return [
        {
            "key": one.run.key,
            "number": number % 6,
            "best": number == best,
            "kept": kept(one.run.document, one.run.farm.rules.waiting),
            **one.run.document,
        }
        for number, one in enumerate(runs)
    ]


def _timelines(runs: Sequence[Told]) -> list[Shown]:
    found = []
    for one in runs:
        cells = grid(one.run.outcome.begun_ms, one.run.outcome.ended_ms, TIMELINE_CELLS)
        seen = story.load_of(one, cells)
        title = f"Queue and capacity under {one.run.key}"
        found.append(
            {
                "key": one.run.key,
                "picture": timeline(seen, title),
                "step": time_text(cells.step_ms / MS_PER_S),
                "most_up": max(seen.up),
                "most_waiting": max(seen.waiting),
            }
        )
    return found


def _waits(inputs: Inputs, runs: Sequence[Told]) -> list[Shown]:
    """Waits by platform and by class, where there are several."""
    promise_ms = runs[0].run.farm.rules.waiting.target_ms
    keys = [one.run.key for one in runs]
    found = []
    for kind in ("platform", "class"):
        by_run = {one.run.key: story.waits_by(inputs.workload, one, kind) for one in runs}
        names = list(by_run[keys[0]])
        if kind == "class" and len(names) < 2:
            continue
        groups = [
            Group(name, {key: by_run[key].get(name, []) for key in keys}) for name in names[:GROUPS_MOST]
        ]
        title = f"Waits by {kind}"
        found.append(
            {
                "kind": kind,
                "picture": wait_picture(groups, keys, promise_ms, title),
                "more": max(0, len(names) - GROUPS_MOST),
            }
        )
    return found


def _hour(runs: Sequence[Told]) -> Shown | None:
    """The worst hour, under each policy."""
    begun_ms = story.worst_hour(runs)
    if begun_ms is None:
        return None
    hours = [story.hour_of(one, begun_ms) for one in runs]
    top = max(map(height_of, hours))
    return {
        "when": when(begun_ms),
        "policies": [
            {
                "key": one.run.key,
                "sentence": hour_sentence(one.run.key, hour, begun_ms),
                "picture": hour_picture(hour, top, f"The worst hour under {one.run.key}"),
            }
            for one, hour in zip(runs, hours, strict=True)
        ],
    }


def _curves(runs: Sequence[Told], curves: Curves) -> Shown:
    """The curves, with what they say in a sentence."""
    waiting = runs[0].run.farm.rules.waiting
    found: Shown = {"skipped": curves.skipped, "prices": None, "machines": None, "left_out": []}
    if curves.prices:
        same_farm = [one for one in runs if one.run.farm == runs[0].run.farm]
        others = [Other(one.run.key, n, one.run.document) for n, one in enumerate(same_farm) if n]
        drawn = {other.key for other in near_enough(curves.prices, others)}
        found["prices"] = price_picture(curves.prices, others, "Cost against waiting")
        found["left_out"] = [
            {"key": other.key, "document": other.document} for other in others if other.key not in drawn
        ]
        found["price_rows"] = curves.prices
    if curves.machines:
        best = best_of([point.document for point in curves.machines], waiting)
        found["machines"] = machine_picture(
            curves.machines, curves.now, waiting, "Cost against owned machines"
        )
        found["best"] = curves.machines[best] if best is not None else None
        found["now"] = next((p for p in curves.machines if p.at == curves.now), None)
        found["count_now"] = curves.now
        found["edge"] = best == len(curves.machines) - 1
    return found


def _honesty(inputs: Inputs, first: Told) -> Shown:
    """What tells how far to trust all this: recorded waits beside simulated ones, and Little's law."""
    compared = residual(recorded_column(inputs.workload), first.waits)
    return {
        "residual": compared,
        "little": little(first.run.outcome),
        "dropped": inputs.dropped | dict(first.run.outcome.dropped),
    }
