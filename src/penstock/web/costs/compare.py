"""Price and latency of the same work in two pools, as a call."""

from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.compare import compare
from penstock.hub.costs.ranges import days_of
from penstock.web.costs.asks import Ask
from penstock.web.documents import END, Document, chosen

Pools = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=rf"^([^,\x00-\x1f\x7f]+(,[^,\x00-\x1f\x7f]+)+)?{END}",
        description="Pools to compare, with commas between; each two where it is empty.",
        examples=["own,burst"],
    ),
]


class WhichPools(Document):
    """Days `since` to `until`, both included, UTC; the last 28 up to today where they are left out."""

    pools: Pools = ""
    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


class PoolPrice(Document):
    """Runs of one pool; times are null where none is kept."""

    pool: str
    runs: int
    cost: str
    loaded: str
    wait_p50_s: float | None
    wait_p95_s: float | None
    run_p50_s: float | None
    run_p95_s: float | None


class Comparison(Document):
    """Pools beside each other. `pairs`: jobs that passed in all of them; without any it is not like for like, as it `says`."""

    pools: list[str]
    like_for_like: bool
    pairs: int
    says: str
    lines: list[PoolPrice]


class CommitCost(Document):
    """What builds of a project cost by the commit; "" = of none, or all."""

    project: str
    commits: int
    spent: str
    each: str


class Compared(Document):
    """Prices and times by pool, and by commit. `excluded` are pools without a price, as `warnings` say."""

    schema: int
    since: str
    until: str
    currency: str
    comparisons: list[Comparison]
    per_commit: list[CommitCost]
    all_commits: CommitCost | None
    excluded: list[str]
    warnings: list[str]
    definitions: dict[str, str]


def _answered(hub: Hub, asked: WhichPools) -> dict[str, Any]:
    days = days_of(hub, chosen(asked.since), chosen(asked.until), days=28)
    return compare(hub, days, list(dict.fromkeys(asked.pools.split(","))) if asked.pools else [])


ASKS = {
    "compare": Ask(
        text="What the same work costs and how long it takes, by pool.",
        run=_answered,
        query=WhichPools,
        answer=Compared,
    )
}
