"""What was spent, added up by whatever people ask for; marginal and fully loaded. Integer micro-units throughout.

`marginal`: what one more job costs. In pools that are paid by use direct, egress, and their share of lifecycle; in all others
nothing, because their machines cost the same without it. `loaded`: all that was spent. What nobody in particular caused (idle,
lifecycle, overhead, storage) is divided among the rows of the same pool, and of the same offer, month or day where those are
asked for, in proportion to direct, to the micro-unit; what belongs to no pool among all rows. Where nothing was direct it
stays on a row of its own. So `loaded` sums up to `total`. Source: OpenCost specification, idle and shared costs, distributed proportionally.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache

import msgspec

from penstock.model.ledger import Account, BuildCost, Tally
from penstock.model.states import AttemptState
from penstock.reports.shares import parts

Key = tuple[str, ...]
ACCOUNTS = tuple(Account)
DIRECT, EGRESS, LIFECYCLE = (
    ACCOUNTS.index(one) for one in (Account.DIRECT, Account.EGRESS, Account.LIFECYCLE)
)
SHARED = tuple(n for n in range(len(ACCOUNTS)) if n not in (DIRECT, EGRESS))
"""Accounts of which no row alone is the cause."""
TIMES = ("month", "day")
BY_BRANCH = ("project", "branch", *TIMES)
"""What can be asked for together with branches: builds have them, and builds run in many pools."""
EPOCH = date(1970, 1, 1).toordinal()


@cache
def day_text(day: int) -> str:
    """A day since 1970-01-01 as people write it: 20767 -> "2026-11-10"; one that no calendar has as the nearest that it has."""
    return date.fromordinal(max(1, min(EPOCH + day, date.max.toordinal()))).isoformat()


def day_number(day: date) -> int:
    """The other way round."""
    return day.toordinal() - EPOCH


class Offered(Tally, frozen=True, kw_only=True):
    """A tally of machines that were made from one offer of their pool, "" = from none that has a price of its own."""

    offer: str = ""


KEYS: dict[str, Callable[[Tally], str]] = {
    "project": lambda tally: tally.project,
    "branch": lambda tally: "",
    "platform": lambda tally: tally.platform,
    "pool": lambda tally: tally.pool,
    "offer": lambda tally: tally.offer if isinstance(tally, Offered) else "",
    "class": lambda tally: tally.klass,
    "month": lambda tally: day_text(tally.day)[:7],
    "day": lambda tally: day_text(tally.day),
    "outcome": lambda tally: tally.outcome,
}
"""What reports group by, and how a tally answers it; "" = it belongs to none."""


class Row(msgspec.Struct, kw_only=True):
    """What was spent on what agrees in `key`. `accounts`: micro-units in the order of ACCOUNTS.

    `attempts`: those that ended on these days, `passed` of them passed, `held_ms`: how long slots were held. None where
    it is not known: what builds cost does not say in which pools.
    """

    key: Key
    accounts: list[int]
    marginal_micros: int | None = 0
    loaded_micros: int = 0
    attempts: int = 0
    passed: int | None = 0
    held_ms: int | None = 0

    @property
    def total_micros(self) -> int:
        """All accounts together."""
        return sum(self.accounts)


class Cell(msgspec.Struct):
    """What a row spent in one pool, "" = in none."""

    accounts: list[int]
    attempts: int = 0
    passed: int = 0
    held_ms: int = 0


Cells = dict[tuple[Key, str], Cell]
Place = tuple[Key, str, str]
"""Among which rows something is divided: time, pool and offer; "" = all of them."""


def report(tallies: Iterable[Tally], by: Sequence[str], paid: Collection[str]) -> list[Row]:
    """Rows by `by` (of KEYS), in order of their keys. `paid`: pools that are paid by use."""
    cells = _cells(tallies, by)
    rows = _rows(cells)
    for (key, pool), cell in cells.items():
        row = rows[key]
        row.attempts += cell.attempts
        row.passed = (row.passed or 0) + cell.passed
        row.held_ms = (row.held_ms or 0) + cell.held_ms
        if pool in paid:
            row.marginal_micros = (row.marginal_micros or 0) + cell.accounts[DIRECT] + cell.accounts[EGRESS]
    for key, extra in _divided(cells, by, (LIFECYCLE,), paid).items():
        rows[key].marginal_micros = (rows[key].marginal_micros or 0) + extra
    return _loaded(rows, _divided(cells, by, SHARED))


def report_branches(costs: Iterable[BuildCost], tallies: Iterable[Tally], by: Sequence[str]) -> list[Row]:
    """As `report`, with branches; `by` of BY_BRANCH.

    Of a build all is counted on the day of its creation. What else was spent on these days, on builds of other days, too, is on
    rows without a branch; so the sums are those of `report`, and such a row may be negative. All is divided among all rows.
    """
    cells: Cells = {}
    for (key, _), cell in _cells(tallies, by).items():
        _into(cells, (key, ""), cell)
    for cost in costs:
        _into(cells, (_key(cost, by, cost.branch), ""), Cell(_direct(cost.amount_micros), cost.attempts))
        _into(cells, (_key(cost, by, ""), ""), Cell(_direct(-cost.amount_micros), -cost.attempts))
    rows = _rows(cells)
    for (key, _), cell in cells.items():
        rows[key].attempts += cell.attempts
    for row in rows.values():
        row.passed = row.held_ms = row.marginal_micros = None
    return _loaded(rows, _divided(cells, by, SHARED))


def added(rows: Sequence[Row], key: Key) -> Row:
    """Rows as one, called `key`."""
    together = Row(key=key, accounts=[sum(row.accounts[n] for row in rows) for n in range(len(ACCOUNTS))])
    together.loaded_micros = sum(row.loaded_micros for row in rows)
    together.attempts = sum(row.attempts for row in rows)
    together.marginal_micros = _known(row.marginal_micros for row in rows)
    together.passed = _known(row.passed for row in rows)
    together.held_ms = _known(row.held_ms for row in rows)
    return together


def dearest(rows: Sequence[Row], top: int | None) -> tuple[list[Row], list[Row]]:
    """The `top` rows that cost most fully loaded, in the order they had, and the others."""
    if top is None or top >= len(rows):
        return list(rows), []
    order = sorted(range(len(rows)), key=lambda n: -rows[n].loaded_micros)
    chosen = set(order[:top])
    return [rows[n] for n in sorted(chosen)], [row for n, row in enumerate(rows) if n not in chosen]


def _cells(tallies: Iterable[Tally], by: Sequence[str]) -> Cells:
    found: Cells = {}
    asked = [KEYS[name] for name in by]
    place = {account: n for n, account in enumerate(ACCOUNTS)}
    for tally in tallies:
        name = (tuple([ask(tally) for ask in asked]), tally.pool)
        cell = found.get(name)
        if cell is None:
            cell = found[name] = Cell([0] * len(ACCOUNTS))
        cell.accounts[place[tally.account]] += tally.amount_micros
        if tally.account == Account.DIRECT:
            cell.held_ms += tally.quantity
            # What an attempt cost before a midnight has no outcome yet: each attempt is counted once, when it ended.
            cell.attempts += tally.count if tally.outcome else 0
            cell.passed += tally.count if tally.outcome == AttemptState.PASSED else 0
    return found


def _key(cost: BuildCost, by: Sequence[str], branch: str) -> Key:
    day = day_text(cost.day)
    said = {"project": cost.project, "branch": branch, "month": day[:7], "day": day}
    return tuple(said[name] for name in by)


def _direct(amount_micros: int) -> list[int]:
    return [amount_micros if n == DIRECT else 0 for n in range(len(ACCOUNTS))]


def _into(cells: Cells, name: tuple[Key, str], cell: Cell) -> None:
    there = cells.setdefault(name, Cell([0] * len(ACCOUNTS)))
    there.accounts = [a + b for a, b in zip(there.accounts, cell.accounts, strict=True)]
    there.attempts += cell.attempts


def _rows(cells: Cells) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    for key, cell in sorted(((key, cell) for (key, _), cell in cells.items()), key=lambda one: one[0]):
        row = rows.setdefault(key, Row(key=key, accounts=[0] * len(ACCOUNTS)))
        row.accounts = [a + b for a, b in zip(row.accounts, cell.accounts, strict=True)]
    return rows


def _loaded(rows: Mapping[Key, Row], shares: Mapping[Key, int]) -> list[Row]:
    for key, row in rows.items():
        row.loaded_micros = row.accounts[DIRECT] + row.accounts[EGRESS] + shares[key]
    return list(rows.values())


def _divided(
    cells: Cells, by: Sequence[str], accounts: Sequence[int], pools: Collection[str] | None = None
) -> dict[Key, int]:
    """What these accounts hold, divided among all rows; only of these pools, where some are named."""
    times = [n for n, name in enumerate(by) if name in TIMES]
    offers = [n for n, name in enumerate(by) if name == "offer"]
    owed: dict[Place, dict[Key, int]] = defaultdict(dict)
    caused: dict[Place, dict[Key, int]] = defaultdict(lambda: defaultdict(int))
    for (key, pool), cell in cells.items():
        time = tuple(key[n] for n in times)
        offer = "".join(key[n] for n in offers)
        for where in {(pool, offer), (pool, ""), ("", "")}:
            caused[time, *where][key] += max(0, cell.accounts[DIRECT])
        if pools is None or pool in pools:
            owed[time, pool, offer][key] = sum(cell.accounts[n] for n in accounts)
    found: dict[Key, int] = defaultdict(int)
    for place, amounts in owed.items():
        for key, share in _spread(amounts, caused[place]):
            found[key] += share
    return found


def _spread(amounts: Mapping[Key, int], caused: Mapping[Key, int]) -> Iterable[tuple[Key, int]]:
    """Among those that had direct costs, in the order of their keys; where nobody had, all stays where it is."""
    keys = sorted(key for key, weight in caused.items() if weight)
    if not keys:
        return amounts.items()
    return zip(keys, parts(sum(amounts.values()), [caused[key] for key in keys]), strict=True)


def _known(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)
