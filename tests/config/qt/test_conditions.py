"""Conditions in three values."""

import pytest

from penstock.config.mistakes import Mistake
from penstock.config.qt.conditions import Opaque, holds, read_condition
from penstock.config.qt.sources import Sources
from penstock.config.qt.tags import parse

FACTS = {
    "features": ("DisableTests", "Packaging"),
    "configureArgs": "-static -no-widgets",
    "host.os": "Linux",
    "target.os": "Android",
    "target.osVersion": "Android_ANY",
}


def decide(tmp_path, text):
    sources = Sources(tmp_path)
    condition = read_condition(sources, "f", parse(text, "f").value, 1)
    return holds(condition, FACTS), [(note.line, note.what) for note in sources.notes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("property: features, contains_value: Packaging", True),
        ("property: features, contains_value: Disable", False),  # a whole word, not a part of DisableTests
        ("property: features, not_contains_value: Disable", True),
        ("property: configureArgs, contains_value: -no-widgets", True),  # any part of a text
        ("property: host.os, equals_value: Linux", True),
        ("property: host.os, not_equals_value: Linux", False),
        ("property: host.os, equals_property: target.os", False),
        ("property: host.os, not_equals_property: target.os", True),
        ("property: target.os, in_values: [QNX, Android]", True),
        ("property: target.os, not_in_values: [QNX, Android]", False),
        ("property: host.os, in_values: [Lin]", False),
        ("property: target.os, in_values: [QNX, Android], not_equals_value: Android", False),
        ("property: target.arch, equals_value: arm64", None),  # this configuration does not say
        ("property: host.os, equals_property: host.arch", None),
    ],
)
def test_properties(tmp_path, text, expected):
    assert decide(tmp_path, "{condition: property, " + text + "}") == (expected, [])


YES = "{condition: property, property: host.os, equals_value: Linux}"
NO = "{condition: property, property: host.os, equals_value: Windows}"
OPEN = "{condition: property, property: host.arch, equals_value: x86_64}"


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("and", (YES, YES), True),
        ("and", (YES, NO, OPEN), False),
        ("and", (YES, OPEN), None),
        ("and", (), True),
        ("or", (NO, YES, OPEN), True),
        ("or", (NO, NO), False),
        ("or", (NO, OPEN), None),
        ("or", (), False),
    ],
)
def test_and_and_or_are_kleenes(tmp_path, kind, parts, expected):
    text = f"{{condition: {kind}, conditions: [{', '.join(parts)}]}}"
    assert decide(tmp_path, text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("condition: runtime\nenv_var: HOME\nequals_value: x", "runtime condition on HOME"),
        ("condition: moon\nphase: full", "condition 'moon' is not understood"),
        ("condition: property\nproperty: colour\nequals_value: red", "property 'colour' is not understood"),
        ("condition: property\nproperty: host.os\nsounds_like: Linnux", "comparison 'sounds_like'"),
    ],
)
def test_what_is_not_understood_is_open_and_noted(tmp_path, text, what):
    value, notes = decide(tmp_path, text)
    assert value is None
    assert len(notes) == 1
    assert what in notes[0][1]


def test_opaque_is_never_decided():
    assert holds(Opaque(), FACTS) is None


@pytest.mark.parametrize(
    "text",
    [
        "word",
        "{condition: and}",
        "{condition: property}",
        "{condition: property, property: features}",
        "{condition: property, property: features, in_values: one}",
        "{condition: property, property: features, contains_value: [one]}",
    ],
)
def test_malformed_conditions_are_refused(tmp_path, text):
    with pytest.raises(Mistake, match="f:1"):
        decide(tmp_path, text)
