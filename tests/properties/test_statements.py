"""Whatever a statement says, it is read, or refused with a line; and what is read is forecast, or refused."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.config.mistakes import Mistakes
from penstock.config.statement import statement_of
from penstock.reports.forecast.figures import Unanswerable
from penstock.reports.forecast.statement import Asked, statement_document

VALUES = st.sampled_from(
    '0 1 5.5 -1 nan inf 1e3 1e999 "x" "" true 2023-06-01 2023-06-28 2023-06-28T10:00:00Z 2024-02-29 9999-12-31 [] {} {a=1} '
    '{a=2,"b c"=1} {a=-1} {"(rest)"=1} [1] "USD" "2023-07-01" 1000000000000'.split()
)
KEYS = st.sampled_from("date total resource currency from until amount name when".split())
TABLES = st.sampled_from(["[[reading]]", "[reading]", "[[retired]]", "[[grant]]", "[x]", ""])
GOOD = st.builds(
    "[[reading]]\ndate = 2023-{:02}-{:02}\ntotal = {}\nresource = {{ a = {} }}\n".format,
    st.integers(1, 12),
    st.integers(1, 28),
    st.decimals(0, 10**6, places=2),
    st.decimals(0, 100, places=2),
)
ODD = st.builds(
    lambda table, pairs: "\n".join([table, *(f"{key} = {value}" for key, value in pairs.items())]) + "\n",
    TABLES,
    st.dictionaries(KEYS, VALUES, max_size=4),
)
MONEY = st.decimals(0, 10**6, places=2)


def rising(days: list[tuple[int, Decimal, Decimal]]) -> str:
    """Readings of a total and a part of it that rise, so many days apart."""
    day, total, part, found = date(2023, 1, 1), Decimal(0), Decimal(0), ""
    for later, rest, more in days:
        day, total, part = day + timedelta(later), total + rest + more, part + more
        found += f"[[reading]]\ndate = {day}\ntotal = {total}\nresource = {{ a = {part} }}\n"
    return found


RISING = st.builds(rising, st.lists(st.tuples(st.integers(1, 400), MONEY, MONEY), min_size=2, max_size=4))
TEXTS = st.builds(
    lambda good, retired, odd: f'currency = "USD"\n{good}{retired}{odd}',
    RISING,
    st.sampled_from(["", '[[retired]]\nresource = "a"\n']),
    st.one_of(st.just(""), st.just(""), ODD),
) | st.builds(
    lambda head, parts: head + "".join(parts),
    st.sampled_from(['currency = "USD"\n', ""]),
    st.lists(st.one_of(GOOD, GOOD, ODD, st.just('[[retired]]\nresource = "a"\n')), max_size=5),
)


def forecast(text: str, asked: Asked) -> dict[str, Any] | list[str]:
    """The document, or why there is none."""
    try:
        return statement_document(statement_of(text, "s.toml", least=2), asked)
    except Mistakes as wrong:
        return [str(mistake) for mistake in wrong.mistakes]
    except Unanswerable as wrong:
        return [f"s.toml: {wrong.what}"]


@given(TEXTS, st.booleans(), st.sampled_from([None, Decimal(50)]))
def test_a_statement_is_forecast_or_refused(text: str, keep: bool, step: Decimal | None) -> None:
    found = forecast(text, Asked(keep_retired=keep, step=step, credit=Decimal(100)))
    if isinstance(found, list):
        assert found
        assert all(line.startswith("s.toml:") for line in found)
        return
    # Figures have two places, and there are at most a handful of parts.
    assert abs(found["this_year"] - sum(part["this_year"] for part in found["parts"])) < Decimal("0.1")
