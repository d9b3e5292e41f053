"""Lines of TOML values: found for every value, whatever is around it."""

import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.config.items import Item
from penstock.config.toml_lines import read_toml

KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)


def quoted(text: str) -> str:
    """A basic string; escapes as TOML wants them."""
    return (
        '"'
        + "".join(
            f"\\U{ord(sign):08x}" if sign in '"\\' or ord(sign) < 32 or ord(sign) == 127 else sign
            for sign in text
        )
        + '"'
    )


def literal(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[ # [ = {\n" + ",\n".join(literal(inner) for inner in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {literal(inner)}" for key, inner in value.items()) + "}"
    return str(value).lower()


VALUES = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), TEXTS, st.just(Decimal("1.5"))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def plain(item: Item) -> Any:
    if isinstance(item.value, dict):
        return {key: plain(inner) for key, inner in item.value.items()}
    return [plain(inner) for inner in item.value] if isinstance(item.value, list) else item.value


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_every_value_keeps_its_meaning_and_gets_its_line(tables: list[dict[str, Any]]) -> None:
    text, lines = "", []
    for table in tables:
        text += "# [x]\n[[t.'u']] # =\n"
        for key, value in table.items():
            lines.append(text.count("\n") + 1)
            text += f'{quoted(key)} = {literal(value)} # "\n'
    root = read_toml(text, "f")
    assert plain(root) == tomllib.loads(text, parse_float=Decimal)
    found = [
        item.line
        for table in (root.value["t"].value["u"].value if tables else [])
        for item in table.value.values()
    ]
    assert found == lines


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b", "d"), 2),
        ("x = '''\n[a]\nb=1\n'''\n[a]\nb = 1\n", ("a", "b"), 6),
        ('x = """a\\"""" # "\n\ny = """"q"""""\nz = 1\n', ("z",), 4),
        ("[[p]]\nn=1\n[p.q]\nr=1\n[[p]]\n[p.q]\nr=2\n", ("p", 1, "q", "r"), 7),
        ("[[p]]\n[[p.q]]\n[[p.q]]\nz=1\n", ("p", 0, "q", 1, "z"), 4),
        ("a = [\n 1, # ]\n [2,\n 3],\n {b = 4}\n]\n", ("a", 1, 1), 4),
        ("a = [\n 1,\n {b = 4}\n]\n", ("a", 1, "b"), 3),
        ("d = 1979-05-27 07:32:00\nf = 1.5\n'x.y' = 2\n", ("x.y",), 3),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
    ],
)
def test_lines_of_awkward_texts(text: str, path: tuple[str | int, ...], line: int) -> None:
    item = read_toml(text, "f")
    for step in path:
        item = item.value[step]
    assert item.line == line
