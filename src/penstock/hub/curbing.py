"""What guards of budgets, people and silent pools forbid now, from one view of the store: every hub process that looks sees the same."""

from penstock.hub.context import Hub
from penstock.hub.dealings import dealings
from penstock.model.curb import Curb, Stopped
from penstock.model.ledger import Guarding
from penstock.policy import silence
from penstock.policy.budgets.curbs import curbs, stops
from penstock.ports import Tx


def curbs_now(hub: Hub, tx: Tx) -> tuple[Curb, ...]:
    """Those of guards, those of people, then those of pools whose machines say nothing."""
    stopped = (*stops(hub.rules, tx.find(Stopped, "key")), *_silent(hub, tx))
    return (*curbs(hub.rules, tx.find(Guarding, "key")), *stopped) if hub.rules.guards else stopped


def _silent(hub: Hub, tx: Tx) -> list[Curb]:
    """As the leader found them (hub/holding)."""
    standing = dealings(tx) if hub.providers else {}
    known = [pool.name for pool in hub.rules.pools if pool.name in standing]
    return [
        silence.curb(pool, standing[pool].silent_since_ms) for pool in known if standing[pool].silent_since_ms
    ]
