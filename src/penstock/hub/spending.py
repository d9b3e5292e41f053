"""What the ledger holds in all, added up once and then only by the days that are not over: for who asks every few seconds.

A hint for people, as the census is: each hub process keeps its own sums, and begins again where the books are not the
ones it knows.
"""

from collections import Counter

from penstock.model.ledger import Account, Ledger, Tally, day_of
from penstock.ports import Tx

MOST_PROJECTS = 200
"""Projects that are told apart, the first that cost anything; what others cost is added up."""
OTHERS = "(others)"
LATE_DAYS = 1
"""Entries of a day may come so long after it: hubs' clocks differ, and what happened at a midnight is entered after it."""
DAYS_AT_ONCE = 31
LAST_DAY = 1 << 31
"""After all days."""
Series = tuple[str, str, str]
"""Pool, account, project."""
BY_SERIES, BY_DAY = ("pool", "account", "project"), ("day", "pool", "account")
SUMS = ("amount_micros", "quantity")
Sums = tuple[Counter[Series], dict[tuple[int, str], tuple[int, int]]]


class Spending:
    """Sums of all tallies: `totals` in micro-units, `daily` by day and pool as (micro-units, milliseconds of slots). `begun`: how
    often it began anew."""

    def __init__(self) -> None:
        self.begun = 0
        self._forget()

    def _forget(self) -> None:
        self.begun += 1
        self._books: tuple[str, int] | None = None
        self._next = 0
        self._projects: set[str] = set()
        self._over: Sums = (Counter(), {})
        self.totals: Counter[Series] = Counter()
        self.daily: dict[tuple[int, str], tuple[int, int]] = {}

    def catch_up(self, tx: Tx) -> Ledger | None:
        """Bring the sums to what `tx` sees; None, and no sums, where no books are kept."""
        ledger = tx.get(Ledger, "ledger")
        books = (ledger.farm, ledger.from_ms) if ledger else None
        if ledger is None or books != self._books or ledger.day - LATE_DAYS < self._next:
            self._forget()
        if ledger is None:
            return None
        if self._books is None:
            self._books, self._next = books, day_of(ledger.from_ms) - LATE_DAYS
        over = max(self._next, ledger.day - LATE_DAYS)
        for first in range(self._next, over, DAYS_AT_ONCE):
            self._add(tx, (first, min(over, first + DAYS_AT_ONCE)), self._over)
        self._next = over
        totals, daily = self._over
        self.totals, self.daily = totals.copy(), dict(daily)
        self._add(tx, (over, LAST_DAY), (self.totals, self.daily))
        return ledger

    def _add(self, tx: Tx, days: tuple[int, int], sums: Sums) -> None:
        totals, daily = sums
        # In one order, so that the same projects are told apart after a restart.
        for pool, account, project, amount in sorted(tx.added(Tally, BY_SERIES, ("amount_micros",), *days)):
            totals[pool, str(account), self._project(project)] += amount
        for day, pool, account, amount, quantity in tx.added(Tally, BY_DAY, SUMS, *days):
            before, held_ms = daily.get((day, pool), (0, 0))
            held_ms += quantity if account == Account.DIRECT else 0
            daily[day, pool] = before + amount, held_ms

    def _project(self, name: str) -> str:
        if not name or name in self._projects:
            return name
        if len(self._projects) >= MOST_PROJECTS:
            return OTHERS
        self._projects.add(name)
        return name
