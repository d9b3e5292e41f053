"""`penstock costs budgets`: what it takes."""

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

COLUMNS = (
    "budget",
    "period",
    "unit",
    "amount",
    "used",
    "left",
    "percent",
    "a_day",
    "used_up_on",
)


def budgets(
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say how budgets of money and of minutes stand, and until when they last."""
    from penstock.cli.costs.tables import forms, show
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    with opened(farm, state, hub) as found:
        document = found.ask("budgets")
    rows = [
        [
            line["name"],
            line["period"],
            line["unit"],
            *(line[key] for key in ("amount", "used", "left")),
            f"{100 * line['share']:.1f}",
            line["a_day"],
            line["used_up_on"],
        ]
        for line in document["budgets"]
    ]
    if show(document, COLUMNS, rows, as_json, as_csv):
        _say(document)


def _say(document: dict) -> None:  # type: ignore[type-arg]
    from penstock.cli.costs.printing import entered, paced
    from penstock.cli.output import say

    if not document["budgets"]:
        say("farm.toml names no [[budget]]")
    say(f"{entered(document)}; {paced(document)}")
    for line in document["budgets"]:
        if line["known_from"]:
            say(f"{line['name']}: the books begin on {line['known_from']}; what was used before is not in it")
