"""What a database holds, before anything is done with it: the same questions for every database."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from penstock.ports import StoreError
from penstock.store.schema import HEAD

Ask = Callable[[str], Iterable[Any]]
"""Runs a statement, and gives its rows."""


class Standing(StrEnum):
    """`usable`: of HEAD, or of the next release, which says that this one can work with it."""

    EMPTY = "empty"
    USABLE = "usable"
    OLD = "old"


def standing(ask: Ask, tables_sql: str, name: str) -> Standing:
    """How a database stands to this release; `tables_sql` lists its tables, `name` is for people.

    Raises StoreError for somebody else's database, and for one of a later release that we cannot work with.
    """
    tables = {table for (table,) in ask(tables_sql)}
    if not tables:
        return Standing.EMPTY
    revision = _only(ask, "SELECT version_num FROM alembic_version") if "alembic_version" in tables else ""
    if not revision:
        raise StoreError(f"{name}: there is a database, but not one of Penstock: name another one")
    oldest = _only(ask, "SELECT oldest FROM penstock_schema") if "penstock_schema" in tables else ""
    later = revision.isdigit() and revision > HEAD
    if revision == HEAD or (later and oldest and oldest <= HEAD):
        return Standing.USABLE
    _check_known(revision, name)
    return Standing.OLD


def _only(ask: Ask, sql: str) -> str:
    return next((str(value) for (value,) in ask(sql)), "")


def _check_known(revision: str, name: str) -> None:
    """Refuse what this version does not know, before anything is touched."""
    from penstock.store.migrations import known

    if not known(revision):
        raise StoreError(
            f"{name} was written by a newer Penstock (schema {revision}, this one knows up to {HEAD}): "
            "run that version, or restore a backup"
        )
