"""What guards of budgets and people forbid now, from one view of the store: every hub process that looks sees the same."""

from penstock.hub.context import Hub
from penstock.model.curb import Curb, Stopped
from penstock.model.ledger import Guarding
from penstock.policy.budgets.curbs import curbs, stops
from penstock.ports import Tx


def curbs_now(hub: Hub, tx: Tx) -> tuple[Curb, ...]:
    """Those of guards, then those of people."""
    stopped = stops(hub.rules, tx.find(Stopped, "key"))
    return (*curbs(hub.rules, tx.find(Guarding, "key")), *stopped) if hub.rules.guards else stopped
