"""What is to be said of pools whose jobs are another system's while that does not answer."""

from penstock.hub.absent import absences
from penstock.hub.explain.told import About, span
from penstock.model.rules import Pool
from penstock.ports import Tx


def unanswered(tx: Tx, pools: tuple[Pool, ...], now_ms: int) -> list[About]:
    """Of each such pool since when, why, and what does not happen meanwhile."""
    away = absences(tx, pools)
    return [
        About(
            subject=f"pool {pool.name}",
            code="system-away",
            text=(
                f"{pool.serves.url}, whose jobs it runs, has not answered for {span(max(0, now_ms - away[pool.name].since_ms))} "
                f"({away[pool.name].why}): nothing is ordered for it, and none of its machines stops or goes, until it does"
            ),
        )
        for pool in pools
        if pool.serves is not None and pool.name in away
    ]
