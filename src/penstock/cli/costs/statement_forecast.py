"""`penstock costs forecast statement.toml`: needs no farm."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from penstock.cli.costs.tables import print_csv
from penstock.cli.output import print_json, print_sentences, print_table, refuse, say
from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistake, Mistakes
from penstock.config.statement import read_statement
from penstock.config.values import LARGEST
from penstock.reports.forecast.figures import Unanswerable
from penstock.reports.forecast.statement import Asked, statement_document
from penstock.reports.forecast.what_if import changes_of

COLUMNS = ("resource", "used", "this year", "next year", "since", "days", "may grow")


class Wish(NamedTuple):
    """What was asked for, as it was typed."""

    window_days: int | None = None
    what_if: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    round_to: str | None = None
    credit: str | None = None
    credit_once: bool = False
    keep_retired: bool = False

    def of_statements(self) -> dict[str, object]:
        """By their options, what only a statement can be asked."""
        return {
            "--round": self.round_to,
            "--credit": self.credit,
            "--credit-once": self.credit_once,
            "--keep-retired": self.keep_retired,
        }


def statement_forecast(path: Path, wish: Wish, farm: Path | None, as_json: bool, as_csv: bool) -> None:
    """Print the forecast from a statement, with the credit of a farm.toml where one is named. Raises Mistakes."""
    grants = read_farm(farm).grants if farm else ()
    asked = msgspec.structs.replace(_asked(wish), grants=grants)
    try:
        document = statement_document(read_statement(path, least=2), asked)
    except Unanswerable as wrong:
        raise Mistakes([Mistake(str(path), wrong.line, wrong.what, wrong.instead)]) from None
    if as_json:
        print_json(numbers(document))
    elif as_csv:
        print_csv(COLUMNS, _rows(document))
    else:
        _show(document)
    for warning in document["warnings"]:
        say(f"penstock: warning: {warning}")


def numbers(value: Any) -> Any:
    """A document whose decimals are numbers of JSON."""
    if isinstance(value, Decimal):
        return float(value) if value.as_tuple().exponent else int(value)
    if isinstance(value, Mapping):
        return {key: numbers(inner) for key, inner in value.items()}
    return [numbers(inner) for inner in value] if isinstance(value, list) else value


def changes(wish: Wish) -> dict[str, Fraction]:
    """What --what-if and --off say, by resource how many times as much. Refuses what is no change."""
    try:
        return changes_of(wish.what_if, wish.off)
    except Unanswerable as wrong:
        refuse(f"--what-if and --off: {wrong.what}; {wrong.instead}")


def _asked(wish: Wish) -> Asked:
    step, credit = _amount("--round", wish.round_to), _amount("--credit", wish.credit)
    if wish.credit_once and credit is None:
        refuse("--credit-once: give --credit AMOUNT, too")
    return Asked(
        keep_retired=wish.keep_retired,
        window_days=wish.window_days,
        step=step,
        credit=credit,
        is_yearly=not wish.credit_once,
        changes=changes(wish),
    )


def _amount(option: str, text: str | None) -> Decimal | None:
    """An amount above 0. Refuses anything else."""
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and Decimal("0.000001") <= amount <= LARGEST):
        refuse(f"{option} {text}: write an amount such as 50, at least 0.000001")
    return amount


def _rows(document: Mapping[str, Any]) -> list[list[object]]:
    keys = ("resource", "used", "this_year", "next_year", "since", "since_days", "may_grow")
    return [["" if part[key] is None else part[key] for key in keys] for part in document["parts"]]


def _show(document: Mapping[str, Any]) -> None:
    total = document["inputs"]["until"]["total"]
    rows = [*_rows(document), ["all", total, document["this_year"], document["next_year"], "", "", ""]]
    print_table(COLUMNS, rows)
    print_sentences(list(_sentences(document)))


def _sentences(document: Mapping[str, Any]) -> Iterator[str]:
    inputs, currency = document["inputs"], document["currency"]
    yield (
        f"{document['rate_per_day']} {currency} a day from {inputs['from']['date']} to {inputs['until']['date']} "
        f"({document['window_days']} days), {document['basis']}; formula {document['formula']}"
    )
    if document["basis"] != "unrounded":
        exact = document["unrounded"]
        yield f"unrounded: {exact['this_year']} this year, {exact['next_year']} next year"
    if document["retired"]:
        yield "retired: " + ", ".join(document["retired"])
    yield from _credit(document)
    if document["what_if"]:
        yield from _what_if(document["what_if"], currency)
    yield from (f"not known: {what}" for what in document["unknown"])
    yield "what the same use costs with another provider, at list price and with its egress: penstock costs reprice"


def _credit(document: Mapping[str, Any]) -> Iterator[str]:
    credit = document["inputs"]["credit"]
    if credit is not None:
        day, until = document["exhausted_on"], "this year and the next"
        if not document["inputs"]["credit_is_yearly"]:
            end = document["inputs"]["credit_until"]
            until = f"until it ends on {end}" if end else "for a century"
        yield f"a credit of {credit}: " + (
            f"used up on {day} (unrounded)" if day else f"lasts {until} (unrounded)"
        )


def _what_if(found: Mapping[str, Any], currency: str) -> Iterator[str]:
    said = ", ".join(
        f"{name} x{times}" if times else f"{name} off" for name, times in found["changes"].items()
    )
    more = "saves" if found["saves"] >= 0 else "costs more by"
    yield f"with {said}: {found['next_year']} {currency} next year ({found['basis']}), {more} {abs(found['saves'])}"
    if found["exhausted_day"] is not None:
        yield (
            f"the credit is used up on day {found['exhausted_day']} of 365 ({found['exhausted_days']}, "
            f"{found['basis']}), {found['exhausted_on']}"
        )
