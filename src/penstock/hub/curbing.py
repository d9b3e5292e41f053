"""What guards of budgets forbid now, from one view of the store: every hub process that looks sees the same."""

from penstock.hub.context import Hub
from penstock.model.curb import Curb
from penstock.model.ledger import Guarding
from penstock.policy.budgets.curbs import curbs
from penstock.ports import Tx


def curbs_now(hub: Hub, tx: Tx) -> tuple[Curb, ...]:
    """() where farm.toml has no guards, without a look at the store."""
    return curbs(hub.rules, tx.find(Guarding, "key")) if hub.rules.guards else ()
