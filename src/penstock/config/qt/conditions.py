"""Conditions of Coin's YAML (`accept_configuration`, `enable_if`, `disable_if`), in three values.

A configuration is known by its facts: property name -> word or words. What only a machine can tell
(`condition: runtime`) and what is not understood is neither true nor false: None.
"""

from collections.abc import Callable, Mapping

import msgspec

from penstock.config.mistakes import Mistake
from penstock.config.qt.sources import Sources
from penstock.config.qt.tags import Row, Table, Value

Fact = str | tuple[str, ...]
Facts = Mapping[str, Fact]
PROPERTIES = frozenset(
    ("features", "configureArgs", "host.os", "host.osVersion", "host.arch", "host.compiler")
    + ("target.os", "target.osVersion", "target.arch", "target.compiler")
)
"""Properties that a configuration's own fields tell."""


def _contains(fact: Fact, value: Fact) -> bool:
    """A list contains a whole word, a text any part of it: 'Disable' is not in ['DisableTests']."""
    return value in fact if isinstance(value, str) else False


def _among(fact: Fact, value: Fact) -> bool:
    return isinstance(fact, str) and fact in value


def _equal(fact: Fact, value: Fact) -> bool:
    return fact == value


OPERATORS: dict[str, Callable[[Fact, Fact], bool]] = {
    "equals": _equal,
    "contains": _contains,
    "in": _among,
}
FORMS = {
    f"{negation}{name}_{kind}": (name, bool(negation), kind == "property")
    for name in OPERATORS
    for negation in ("", "not_")
    for kind in (("values",) if name == "in" else ("value", "property"))
}
"""Every key that compares: (operator, negated, against another property)."""


class Compare(msgspec.Struct, frozen=True):
    """One comparison of a property with a value, or with another property."""

    name: str
    operator: str
    negated: bool
    value: Fact
    other: bool = False


class Both(msgspec.Struct, frozen=True):
    """`and` (every = True) or `or` of several conditions."""

    every: bool
    parts: tuple["Condition", ...]


class Opaque(msgspec.Struct, frozen=True):
    """A condition that cannot be decided here."""


Condition = Compare | Both | Opaque


def read_condition(sources: Sources, file: str, value: Value, line: int) -> Condition:
    """A condition as it is written; what is not understood becomes Opaque and is noted. Raises Mistake."""
    if not isinstance(value, Table):
        raise Mistake(file, line, "a condition is not a mapping", "write condition: property, property: ...")
    kind = value.get("condition")
    line = value.lines.get("condition", value.line)
    if kind in ("and", "or"):
        parts = value.get("conditions")
        if not isinstance(parts, Row):
            raise Mistake(file, line, f"condition: {kind} without a list", "write conditions: [...]")
        sources.unknown_keys(file, value, ("condition", "conditions"), "condition")
        lines = parts.lines
        read = (read_condition(sources, file, part, at) for part, at in zip(parts, lines, strict=True))
        return Both(kind == "and", tuple(read))
    if kind == "property":
        return _read_property(sources, file, value, line)
    if kind == "runtime":
        what = f"runtime condition on {value.get('env_var')}: only the machine knows it, taken as open"
    else:
        what = f"condition {kind!r} is not understood, taken as open"
    sources.note(file, line, what)
    return Opaque()


def _read_property(sources: Sources, file: str, table: Table, line: int) -> Condition:
    """`condition: property` with one or more comparisons, all of which must hold."""
    name = table.get("property")
    if not isinstance(name, str):
        raise Mistake(file, line, "condition: property without a property", "write property: features")
    if name not in PROPERTIES:
        sources.note(file, line, f"property {name!r} is not understood, the condition is taken as open")
        return Opaque()
    found: list[Condition] = []
    for key in table:
        if key in FORMS:
            found.append(_comparison(file, name, key, table))
        elif key not in ("condition", "property"):
            sources.note(file, table.lines[key], f"comparison {key!r} is not understood, taken as open")
            found.append(Opaque())
    if not found:
        raise Mistake(file, line, f"nothing to compare {name} with", "write equals_value: ...")
    return found[0] if len(found) == 1 else Both(True, tuple(found))


def _comparison(file: str, name: str, key: str, table: Table) -> Compare:
    operator, negated, other = FORMS[key]
    value = table[key]
    if operator == "in":
        if not isinstance(value, Row):
            raise Mistake(file, table.lines[key], f"{key} is not a list", "write ['one', 'two']")
        return Compare(name, operator, negated, tuple(str(word) for word in value))
    if isinstance(value, (Table, Row)):
        raise Mistake(file, table.lines[key], f"{key} is not one word", "write one word")
    return Compare(name, operator, negated, str(value), other)


def holds(condition: Condition, facts: Facts) -> bool | None:
    """True, False, or None where it cannot be decided (Kleene's three values)."""
    if isinstance(condition, Opaque):
        return None
    if isinstance(condition, Both):
        found = {holds(part, facts) for part in condition.parts}
        decided = not condition.every
        if decided in found:
            return decided
        return None if None in found else condition.every
    fact = facts.get(condition.name)
    value = facts.get(str(condition.value)) if condition.other else condition.value
    if fact is None or value is None:
        return None
    return OPERATORS[condition.operator](fact, value) is not condition.negated
