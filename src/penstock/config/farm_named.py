"""Tables of farm.toml whose keys are names that its operator chose: platforms, groups of people, projects."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.config import farm_fields as fields
from penstock.config.items import Desk, Field, Fields, Item, Noted, Refused, each, record, shown
from penstock.config.values import NAME, label, text
from penstock.forges.git.address import NotAllowed, address_of
from penstock.model.rules import Platform, Project, Rule
from penstock.model.secret import Secret


def _named(
    what: str, example: str, read: Callable[[str], Callable[[Desk, Item, str], Any]]
) -> Callable[[Desk, Item, str], dict[str, Any]]:
    """Reads a table of tables or values by name; `read` makes the reader of the one with that name."""

    def read_all(desk: Desk, item: Item, where: str) -> dict[str, Any]:
        if not isinstance(item.value, dict):
            raise Refused(f"`{what}` is {shown(item.value)}", f"write {example}")
        found = {}
        for name, inner in item.value.items():
            with Noted(desk, inner):
                label(desk, Item(name, inner.line), f"a {what}'s name")
                found[name] = read(name)(desk, inner, f"{what} {shown(name)}")
        return found

    return read_all


def _record(make: type[Platform] | type[Project] | type[Secret], inner: Fields) -> Callable[[str], Any]:
    """Readers of records that know the name that they stand under."""

    def reader(name: str) -> Callable[[Desk, Item, str], Any]:
        def make_named(**given: Any) -> Platform | Project | Secret:
            return make(name=name, **given)

        return record(make_named, inner)

    return reader


def _people(name: str) -> Callable[[Desk, Item, str], tuple[str, ...]]:
    if "*" in name:
        raise Refused(
            f"group {shown(name)} has a * in its name", "write it without: rules use * for anything"
        )
    return each(text, 'a list of people such as ["ada", "bob"]', empty=False)


def _secret(name: str) -> Callable[[Desk, Item, str], Any]:
    if not NAME.fullmatch(name):
        raise Refused(f"secret {shown(name)} cannot be a file's name", "write letters, digits, . _ + -")
    return _record(Secret, fields.SECRET)(name)


NAMED: dict[str, Field] = {
    "platform": Field(
        read=_named("platform", '[platform."NAME"]', _record(Platform, fields.PLATFORM)),
        into="platforms",
        inner=fields.PLATFORM,
        about="what jobs ask for, by name",
    ),
    "group": Field(
        read=_named("group", '[group] and under it NAME = ["ada", "bob"]', _people),
        into="groups",
        about="people by the group that rules call them by",
    ),
    "project": Field(
        read=_named("project", '[project."NAME"]', _record(Project, fields.PROJECT)),
        into="projects",
        inner=fields.PROJECT,
        about="projects that share the farm, by name",
    ),
    "secret": Field(
        read=_named("secret", "[secret.NAME]", _secret),
        into="secrets",
        inner=fields.SECRET,
        about="secrets that trusted jobs may be given, by name",
    ),
}


def repositories_once(desk: Desk, projects: object) -> None:
    """Notes every repository that a second project names, too: whose it is would be chance."""
    first: dict[str, tuple[str, int]] = {}
    for project, table in projects.items() if isinstance(projects, dict) else ():
        named = table.value.get("repositories") if isinstance(table.value, dict) else None
        for element in named.value if named and isinstance(named.value, list) else ():
            address = _canonical(element.value)
            other, line = first.setdefault(address, (project, element.line))
            if address and other != project:
                what = f"{shown(element.value)} is a repository of project {shown(other)} on line {line}, too"
                desk.wrong(element.line, what, "name it in one of them")


def _canonical(value: object) -> str:
    """An address as it is compared; "" for what is none, which is told where it is read."""
    try:
        return address_of(value).canonical if isinstance(value, str) else ""
    except NotAllowed:
        return ""


def with_groups(rules: tuple[Rule, ...], groups: Mapping[str, object]) -> tuple[Rule, ...]:
    """Rules whose `who` names a group ask for the group: no person who calls himself like it gets in."""
    return tuple(
        msgspec.structs.replace(rule, match=_by_group(rule.match))
        if rule.match.get("who") in groups
        else rule
        for rule in rules
    )


def _by_group(match: Mapping[str, str]) -> dict[str, str]:
    return {"group" if key == "who" else key: pattern for key, pattern in match.items()}
