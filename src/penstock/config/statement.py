"""A statement as a person writes it: readings of the consumption to date, and what is no longer used.

    currency = "USD"
    [[reading]]
    date = 2023-06-01
    total = 2005
    resource = { d2s = 371 }
    [[retired]]
    resource = "d2s"

docs/reference/statement.md says what each line means.
"""

import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from penstock.config.files import read_text
from penstock.config.items import Desk, Field, Fields, Item, Noted, Refused, near, read_table, record, shown
from penstock.config.money_fields import GRANT, GRANT_RECORD
from penstock.config.toml_lines import read_toml
from penstock.config.values import amount, currency, date, label
from penstock.model.rules import Grant
from penstock.model.statement import REST, Reading, Statement

LATEST_YEAR = 3000
"""No date is later: what comes after it has dates, too."""


def read_statement(path: Path, least: int = 1) -> Statement:
    """The statement in a file. Raises Mistakes, one for each thing that is wrong.

    `least`: how many readings there must be; a rate needs two."""
    return statement_of(read_text(path), str(path), least)


def statement_of(text: str, file: str, least: int = 1) -> Statement:
    """The statement that a text is; `file` is what mistakes name. Raises Mistakes."""
    desk = Desk(file)
    document = read_toml(text, file)
    found = read_table(desk, document, "a statement", FIELDS)
    readings: tuple[Reading, ...] = found.get("readings", ())
    if not desk.found:
        _enough(desk, document, readings, least)
        _in_order(desk, readings)
        _known(desk, document, readings)
        _same_currency(desk, document, found.get("grants", ()), found["currency"])
    desk.finish()
    return Statement(**found)


def _reading(desk: Desk, item: Item) -> Reading | None:
    found: Reading | None = record(lambda **said: Reading(line=item.line, **said), READING)(
        desk, item, "[[reading]]"
    )
    if found and sum(found.resource.values()) > found.total:
        parts = sum(found.resource.values())
        what = f"the resources of {found.date} sum up to {parts}, more than the total {found.total}"
        desk.wrong(item.line, what, "write the total of everything, or amounts that are parts of it")
    return found


def _day(desk: Desk, item: Item, where: str) -> datetime.date:
    found = datetime.date.fromisoformat(date(desk, item, where))
    if not 1970 <= found.year < LATEST_YEAR:
        raise Refused(f"{where} is {found}", f"write a date from 1970 on and before {LATEST_YEAR}")
    return found


def _readings(desk: Desk, item: Item, where: str) -> tuple[Reading, ...]:
    return tuple(found for element in _tables(item, "reading") if (found := _one(desk, element)))


def _one(desk: Desk, element: Item) -> Reading | None:
    with Noted(desk, element):
        return _reading(desk, element)
    return None


def _retired(desk: Desk, item: Item, where: str) -> tuple[str, ...]:
    found = []
    for element in _tables(item, "retired"):
        with Noted(desk, element):
            said: dict[str, Any] = read_table(desk, element, "[[retired]]", RETIRED)
            found += [said["resource"]] if "resource" in said else []
    return tuple(dict.fromkeys(found))


def _grants(desk: Desk, item: Item, where: str) -> tuple[Grant, ...]:
    found = []
    for element in _tables(item, "grant"):
        with Noted(desk, element):
            grant: Grant | None = GRANT_RECORD(desk, element, "[[grant]]")
            if grant and grant.until < grant.start:
                what = f"the grant ends on {grant.until}, before it begins on {grant.start}"
                desk.wrong(element.value["until"].line, what, "swap the dates")
            found += [grant] if grant else []
    return tuple(found)


def _tables(item: Item, one: str) -> list[Item]:
    if not isinstance(item.value, list):
        raise Refused(f"`{one}` is {shown(item.value)}", f"write [[{one}]] with two brackets")
    return item.value


def _amounts(desk: Desk, item: Item, where: str) -> dict[str, Decimal]:
    if not isinstance(item.value, dict):
        raise Refused(f"{where} is {shown(item.value)}", "write a table such as { d2s = 371 }")
    found = {}
    for name, inner in item.value.items():
        with Noted(desk, inner):
            label(desk, Item(name, inner.line), f"a name in {where}")
            if name == REST:
                raise Refused(f"{where} names {REST}, which is what no resource is", "give it another name")
            found[name] = amount(desk, inner, f"{shown(name)} in {where}")
    return found


def _same_currency(desk: Desk, document: Item, grants: tuple[Grant, ...], currency: str) -> None:
    for number, grant in enumerate(grants):
        if grant.currency != currency:
            line = document.value["grant"].value[number].value["currency"].line
            what = f"grant {shown(grant.name)} is in {grant.currency}, and amounts here are in {currency}"
            desk.wrong(line, what, "write both in one currency")


def _enough(desk: Desk, document: Item, readings: tuple[Reading, ...], least: int) -> None:
    if len(readings) < least:
        line = readings[-1].line if readings else document.line
        said = "one [[reading]] gives no rate" if readings else "there is no [[reading]]"
        desk.wrong(line, said, f"write at least {least} of them" if least > 1 else "write one")


def _in_order(desk: Desk, readings: tuple[Reading, ...]) -> None:
    for before, after in pairwise(readings):
        if after.date <= before.date:
            what = f"the reading of {after.date} stands after that of {before.date}"
            desk.wrong(after.line, what, "write one reading a day, the oldest first")


def _known(desk: Desk, document: Item, readings: tuple[Reading, ...]) -> None:
    """A resource that is retired has been used: some reading names it."""
    names = {name for reading in readings for name in reading.resource}
    for element in document.value["retired"].value if "retired" in document.value else []:
        resource = element.value["resource"]
        if resource.value not in names:
            what = f"no reading names the retired resource {shown(resource.value)}"
            instead = (
                near(resource.value, names) if names else "write resource = { NAME = AMOUNT } in readings"
            )
            desk.wrong(resource.line, what, instead)


READING: Fields = {
    "date": Field(read=_day, required=True, about="the day at whose beginning it was read"),
    "total": Field(read=amount, required=True, about="everything used to date, as the console shows it"),
    "resource": Field(read=_amounts, about="what of the total is of which resource, { NAME = AMOUNT }"),
}
RETIRED: Fields = {
    "resource": Field(read=label, required=True, about="a resource that is no longer used"),
}
FIELDS: Fields = {
    "currency": Field(read=currency, required=True, about="the currency of all amounts, three capitals"),
    "reading": Field(
        read=_readings, into="readings", inner=READING, about="the consumption to date on one day"
    ),
    "grant": Field(read=_grants, into="grants", inner=GRANT, about="sponsored credit that pays for it"),
    "retired": Field(read=_retired, inner=RETIRED, about="what is no longer used"),
}
"""What a statement may say."""
