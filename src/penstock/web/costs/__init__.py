"""Costs over the API: which questions there are. Each is in a file of its own beside this one."""

from penstock.web.costs import (
    bills,
    books,
    budgets,
    builds,
    compare,
    digest,
    entries,
    export,
    forecast,
    grants,
    guards,
    report,
    rightsize,
    tco,
    use,
    waste,
)
from penstock.web.costs.asks import Ask, Tell

ASKS: dict[str, Ask] = {
    **bills.ASKS,
    **books.ASKS,
    **budgets.ASKS,
    **builds.ASKS,
    **compare.ASKS,
    **digest.ASKS,
    **entries.ASKS,
    **export.ASKS,
    **forecast.ASKS,
    **grants.ASKS,
    **guards.ASKS,
    **report.ASKS,
    **rightsize.ASKS,
    **tco.ASKS,
    **use.ASKS,
    **waste.ASKS,
}
TELLS: dict[str, Tell] = {
    **guards.TELLS,
    **bills.TELLS,
}
