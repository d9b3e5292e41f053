"""Statements: what they say, and what is wrong with them, by line."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.config.mistakes import Mistakes
from penstock.config.statement import read_statement, statement_of
from penstock.model.statement import Reading, Statement

TEXT = """# statement.toml
currency = "USD"
[[reading]]            # consumption to date, as a console shows it
date = 2023-06-01
total = 2005
resource = { d2s = 371 }
[[reading]]
date = "2023-06-28"
total = 2673.1234567890123
resource = { d2s = 457 }
[[retired]]
resource = "d2s"
"""
D = Decimal


def test_a_statement_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "statement.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert read_statement(path, least=2) == Statement(
        currency="USD",
        readings=(
            Reading(date=datetime.date(2023, 6, 1), total=D(2005), resource={"d2s": D(371)}, line=3),
            Reading(
                date=datetime.date(2023, 6, 28),
                total=D("2673.1234567890123"),
                resource={"d2s": D(457)},
                line=7,
            ),
        ),
        retired=("d2s",),
    )


def test_totals_alone_are_a_statement() -> None:
    found = statement_of('currency = "EUR"\n[[reading]]\ndate = 2023-06-01\ntotal = 0\n', "s.toml")
    assert (found.readings[0].resource, found.retired) == ({}, ())


HEAD = 'currency = "USD"\n'
READING = "[[reading]]\ndate = 2023-06-01\ntotal = 5\nresource = { a = 1 }\n"
LATER = "[[reading]]\ndate = 2023-06-02\ntotal = 6\nresource = { a = 1 }\n"


@pytest.mark.parametrize(
    ("text", "least", "told"),
    [
        (HEAD, 1, "s.toml:1: there is no [[reading]]; write one"),
        (HEAD + READING, 2, "s.toml:2: one [[reading]] gives no rate; write at least 2 of them"),
        (READING, 1, "s.toml:1: a statement lacks `currency`"),
        (HEAD + "reading = 5\n", 1, "s.toml:2: `reading` is 5; write [[reading]] with two brackets"),
        (HEAD + "reading = [5]\n", 1, "s.toml:2: [[reading]] is 5; write a table"),
        (
            HEAD + READING + LATER.replace("06-02", "06-01"),
            1,
            "s.toml:6: the reading of 2023-06-01 stands after",
        ),
        (HEAD + LATER + READING, 1, "s.toml:6: the reading of 2023-06-01 stands after that of 2023-06-02"),
        (
            HEAD + READING.replace("2023", "1812"),
            1,
            "s.toml:3: `date` of [[reading]] is 1812-06-01; write a date",
        ),
        (HEAD + READING.replace("5", "-5"), 1, "s.toml:4: `total` of [[reading]] is -5; write 0 or more"),
        (HEAD + READING.replace("5", "nan"), 1, "s.toml:4: `total` of [[reading]] is NaN"),
        (
            HEAD + READING.replace("= 1", "= 9"),
            1,
            "s.toml:2: the resources of 2023-06-01 sum up to 9, more than",
        ),
        (HEAD + READING.replace("= 1", '= "1"'), 1, "s.toml:5: 'a' in `resource` of [[reading]] is '1'"),
        (
            HEAD + READING.replace("{ a = 1 }", "3"),
            1,
            "s.toml:5: `resource` of [[reading]] is 3; write a table",
        ),
        (HEAD + READING.replace("{ a", '{ " "'), 1, "s.toml:5: a name in `resource` of [[reading]] is empty"),
        (HEAD + READING + "when = 3\n", 1, "s.toml:6: [[reading]] has no `when`"),
        (HEAD + READING.replace("{ a", '{ "(rest)"'), 1, "s.toml:5: `resource` of [[reading]] names (rest)"),
        (
            HEAD + READING + '[[retired]]\nresource = "A"\n',
            1,
            "s.toml:7: no reading names the retired resource 'A'; write one of `a`",
        ),
        (
            HEAD + "[[reading]]\ndate = 2023-06-01\ntotal = 5\n[[retired]]\nresource = 'a'\n",
            1,
            "s.toml:6: no reading names the retired resource 'a'; write resource = { NAME = AMOUNT }",
        ),
        (HEAD + READING + "[[retired]]\n", 1, "s.toml:6: [[retired]] lacks `resource`"),
        (HEAD + READING + "retired = 'a'\n", 1, "s.toml:6: [[reading]] has no `retired`"),
        ("retired = ['a']\n" + HEAD + READING, 1, "s.toml:1: [[retired]] is 'a'; write a table"),
        ("retired = 'a'\n" + HEAD + READING, 1, "s.toml:1: `retired` is 'a'; write [[retired]] with two"),
        (HEAD + "[[reading]\n", 1, "s.toml:2: not TOML"),
    ],
)
def test_mistakes_are_told_by_line(text: str, least: int, told: str) -> None:
    with pytest.raises(Mistakes) as wrong:
        statement_of(text, "s.toml", least)
    assert str(wrong.value).startswith(told)


GRANT = '[[grant]]\nname = "g"\namount = 10000\ncurrency = "USD"\nfrom = 2023-01-01\nuntil = 2023-12-31\n'


def test_a_statement_may_name_its_credit() -> None:
    [grant] = statement_of(HEAD + READING + GRANT, "s.toml").grants
    assert (grant.amount, grant.until) == (D(10000), "2023-12-31")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            GRANT.replace("USD", "EUR"),
            "s.toml:9: grant 'g' is in EUR, and amounts here are in USD; write both",
        ),
        (GRANT.replace("2023-12", "2022-12"), "s.toml:11: the grant ends on 2022-12-31, before it begins"),
        (GRANT.replace("amount = 10000\n", ""), "s.toml:6: [[grant]] lacks `amount`"),
    ],
)
def test_mistakes_of_credit(text: str, told: str) -> None:
    with pytest.raises(Mistakes) as wrong:
        statement_of(HEAD + READING + text, "s.toml")
    assert str(wrong.value).startswith(told)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Mistakes) as wrong:
        statement_of(
            READING.replace("5", "x5").replace("x5", '"5"') + LATER.replace("6\n", "true\n"), "s.toml"
        )
    assert [mistake.line for mistake in wrong.value.mistakes] == [1, 3, 7]
