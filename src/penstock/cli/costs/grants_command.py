"""`penstock costs grants`: what it takes."""

from collections.abc import Iterator
from typing import Any

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

COLUMNS = ("grant", "state", "from", "until", "amount", "used", "left", "a_day", "used_up_on", "ends_unused")


def grants(
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what credits paid and what was due in cash, and what must move before they end."""
    from penstock.cli.costs.tables import forms, show
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    with opened(farm, state, hub) as found:
        document = found.ask("grants")
    rows = [[line["name"], *(line[key] for key in COLUMNS[1:])] for line in document["grants"]]
    if show(document, COLUMNS, rows, as_json, as_csv):
        _say(document)


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.costs.printing import entered, paced
    from penstock.cli.output import clean, print_sentences, say

    if not document["grants"]:
        say("farm.toml names no [[grant]]")
        return
    print_sentences([clean(line) for line in _sentences(document)])
    say(f"{entered(document)}; {paced(document)}")


def _sentences(document: dict[str, Any]) -> Iterator[str]:
    from penstock.cli.costs.printing import cents

    money = document["currency"]
    cost, paid, cash, own = (cents(document[name]) for name in ("cost", "credits", "cash", "own"))
    yield (
        f"Since {document['since']}: {cost} {money} = {paid} of credits + {cash} in cash; owned machines cost "
        f"{own} beside it."
    )
    for line in document["grants"]:
        if line["known_from"]:
            yield f"{line['name']}: the books begin on {line['known_from']}; what it paid before is not in it."
    plan, moved = document["plan"], document["plan_with_moves"]
    yield f"As it is, {cents(plan['cash'])} {money} in cash until {plan['until']}:"
    yield from (_stretch(one, money) for one in plan["stretches"])
    if moved["moves"]:
        yield f"Moved to where credits pay, {cents(moved['cash'])} {money} in cash until {moved['until']}:"
        yield from (
            f"on {one['on']} move {one['pool']} to {one['to']}, where {one['grant']} pays; a slot costs "
            f"{one['price_ratio']:.2f} times as much there"
            for one in moved["moves"]
        )
        yield from (_stretch(one, money) for one in moved["stretches"])


def _stretch(one: dict[str, Any], money: str) -> str:
    from penstock.cli.costs.printing import cents

    until = f"until {one['until']}" if one["until"] else "and on"
    paid = one["paid_by"] or "cash"
    return f"{one['pool'] or '(no pool)'}: {paid} from {one['from']} {until}, {cents(one['a_month'])} {money} a month"
