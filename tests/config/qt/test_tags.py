"""Qt's YAML: lines are kept, tags are values, hostile files end in one clear line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.config.mistakes import Mistake
from penstock.config.qt.tags import MAX_BYTES, Include, Row, Table, parse


def test_lines_of_keys_and_entries_are_kept():
    value = parse("a: 1\nb:\n  - x\n  - {c: true}\n", "f").value
    assert isinstance(value, Table)
    assert value.lines == {"a": 1, "b": 2}
    inner = value["b"]
    assert isinstance(inner, Row)
    assert inner.lines == [3, 4]
    assert inner[1] == {"c": True}


def test_include_is_a_value_and_other_tags_are_named():
    document = parse('- !include "{{qt/qt5}}/x.yaml"\n- !secret x\n- !!python/name:os.system y\n', "f")
    assert document.value == [Include("{{qt/qt5}}/x.yaml", 1), "x", "y"]
    assert document.odd == ((2, "!secret"), (3, "!!python/name:os.system"))


def test_quoted_words_stay_words_and_plain_ones_are_read():
    assert parse("['1', 2, \"true\", off, null, 6.8_dev]", "f").value == [
        "1",
        2,
        "true",
        False,
        None,
        "6.8_dev",
    ]


def test_anchors_and_merges_are_followed():
    value = parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {y: 4, <<: [*a]}\nd: *a\n", "f").value
    assert value == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"y": 4, "x": 1},
        "d": {"x": 1, "y": 2},
    }


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

MERGES = "m: &m {" + ", ".join(f"k{n}: 1" for n in range(2000)) + "}\nn: {<<: [" + "*m, " * 30 + "]}\n"
CASES = "bomb merges flow block itself anchor twice key merge open two control big".split()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (BOMB, 5, "values once aliases are written out"),
        (MERGES, 2, "values once aliases are written out"),
        ("[" * 400_000, 1, "nested deeper"),
        ("- " * 200_000, 1, "nested deeper"),
        ("a: &a\n  - *a\n", 2, "refers to itself"),
        ("a: *b\n", 1, "has no anchor"),
        ("a: 1\na: 2\n", 2, "written twice"),
        ("? [a]\n: b\n", 1, "as a key"),
        ("1: b\n<<: 3\n", 2, "merges mappings only"),
        ("a: [\n1", 3, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: \x01", None, "not YAML"),
        ("x" * (MAX_BYTES + 1), None, "larger than"),
    ],
    ids=CASES,
)
def test_hostile_files_end_in_one_line(text, line, what):
    with pytest.raises(Mistake) as caught:
        parse(text, "f")
    assert what in str(caught.value)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def outcome(text: str) -> object:
    """What a text is, or the mistake that it is refused with."""
    try:
        return parse(text, "f").value
    except Mistake as refused:
        return refused


@given(st.text(alphabet="ab:-[]{}&*!#'\"\n ,<>?|", max_size=60))
def test_any_text_is_read_or_refused(text):
    found = outcome(text)
    assert isinstance(found, Mistake | Table | Row | str | int | float | bool | None)
    if isinstance(found, Mistake):
        assert str(found).startswith("f:")
        assert "\n" not in str(found)
