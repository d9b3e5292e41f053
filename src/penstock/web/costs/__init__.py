"""Costs over the API: which questions there are. Each is in a file of its own beside this one."""

from penstock.web.costs import bills, books, budgets, builds, entries, export, grants, report, waste
from penstock.web.costs.asks import Ask, Tell

ASKS: dict[str, Ask] = {
    **bills.ASKS,
    **books.ASKS,
    **budgets.ASKS,
    **export.ASKS,
    **grants.ASKS,
    **report.ASKS,
    **waste.ASKS,
    **entries.ASKS,
    **builds.ASKS,
}
TELLS: dict[str, Tell] = {
    **bills.TELLS,
}
