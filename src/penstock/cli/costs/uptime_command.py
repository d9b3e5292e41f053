"""`penstock costs uptime`: what it takes. It needs no farm."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from penstock.cli.options import AsJson

Before = Annotated[str, typer.Option("--from", metavar="PERCENT", help="The uptime that there is.")]
After = Annotated[str, typer.Option("--to", metavar="PERCENT", help="The uptime that is wanted.")]
Price = Annotated[str, typer.Option("--price", metavar="AMOUNT", help="What getting there costs.")]
Years = Annotated[str, typer.Option("--years", metavar="N", help="Within how many years it is to pay.")]


def uptime(before: Before, after: After, price: Price, years: Years = "1", as_json: AsJson = False) -> None:
    """Say above which price of an hour of downtime more uptime pays."""
    from penstock.cli.output import print_json, print_sentences, refuse
    from penstock.reports import uptime as report
    from penstock.reports.forecast.figures import decimal

    typed = {"--from": before, "--to": after, "--price": price, "--years": years}
    said = {option: _number(option, text) for option, text in typed.items()}
    try:
        found = report.uptime(*said.values())
    except ValueError as wrong:
        refuse(str(wrong))
    hours = {"from": found.down_before, "to": found.down_after, "saved": found.saved}
    document = {
        "schema": 1,
        "from_percent": float(said["--from"]),
        "to_percent": float(said["--to"]),
        "price": str(said["--price"]),
        "years": float(said["--years"]),
        "down_hours_per_year": {name: float(decimal(value, 2)) for name, value in hours.items()},
        "pays_above_per_hour": str(decimal(found.pays_above, 2)),
        "formula": report.FORMULA,
    }
    if as_json:
        print_json(document)
        return
    down, less, saved = (decimal(value, 1) for value in hours.values())
    print_sentences(
        [
            f"pays when an hour of downtime costs more than {decimal(found.pays_above, 1)}",
            f"down {down} hours a year at {before} %, {less} at {after} %: {saved} less, for {price} within {years} years",
            "what an hour costs: people who cannot work, and what is run again; only you know that",
        ]
    )


def _number(option: str, text: str) -> Decimal:
    from penstock.cli.output import refuse
    from penstock.config.values import LARGEST

    try:
        number = Decimal(text)
    except InvalidOperation:
        refuse(f"{option} {text}: write a number, such as 99.9")
    if not number.is_finite() or abs(number) > LARGEST or number.as_tuple().exponent < -12:  # type: ignore[operator]
        refuse(f"{option} {text}: write a number of at most 1e12 and twelve places")
    return number
