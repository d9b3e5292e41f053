"""Costs over the API: which questions there are. Each is in a file of its own beside this one."""

from penstock.web.costs import books, report
from penstock.web.costs.asks import Ask, Tell

ASKS: dict[str, Ask] = {
    **books.ASKS,
    **report.ASKS,
}
TELLS: dict[str, Tell] = {}
