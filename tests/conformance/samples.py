"""Records for the suites: short to write, different where a test says so; and every record there could be."""

import typing
from enum import StrEnum
from types import NoneType
from typing import Any

import msgspec
from hypothesis import strategies as st

from penstock.model.job import Attempt, Edge, Job, JobSpec
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, JobState

SPEC = JobSpec(kind="build", module="zlib", platform="debian-12-gcc", commands=("make",))


def job(id_: str = "job", **fields: Any) -> Job:
    return Job(**{"id": id_, "build": "b", "name": id_, "spec": SPEC, "state": JobState.QUEUED, **fields})


def attempt(id_: str = "attempt", **fields: Any) -> Attempt:
    base = {"id": id_, "job": "job", "build": "b", "n": 1, "fence": "i:1", "machine": "m", "slot": 0}
    return Attempt(**{**base, "session": "s", "pool": "p", "state": AttemptState.OFFERED, **fields})


def edge(parent: str = "parent", child: str = "child", **fields: Any) -> Edge:
    return Edge(parent, child, **fields)


def machine(id_: str = "machine", **fields: Any) -> Machine:
    return Machine(**{"id": id_, "name": id_, "pool": "own", **fields})


# Neither NUL nor half a surrogate pair is text to every database.
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
INTEGER = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: INTEGER,
    str: TEXT,
    bytes: st.binary(max_size=40),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
}


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    given, origin = typing.get_args(type_), typing.get_origin(type_)
    if type_ in PLAIN:
        return PLAIN[type_]
    if isinstance(type_, type) and issubclass(type_, StrEnum):
        return st.sampled_from(list(type_))
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return records(type_)
    if origin is typing.Literal:
        return st.sampled_from(given)
    if origin is dict:
        return st.dictionaries(values(given[0]), values(given[1]), max_size=2)
    if origin is tuple and given[-1] is ...:
        return st.lists(values(given[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, given))
    return st.one_of(*map(values, given))


def records(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any record of a type. The version leaves room to be raised."""
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    if "version" in fields:
        fields["version"] = st.integers(0, 2**62)
    return st.builds(kind, **fields)
