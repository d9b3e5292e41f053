"""Guards of budgets: where they stand, what would be if they fired, and what people say to them."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs import guards as hub_guards
from penstock.web import documents as d
from penstock.web.costs.asks import Ask, Tell
from penstock.web.documents import Document

GuardName = Annotated[str, Meta(min_length=1, max_length=200, pattern=rf"^[^\x00-\x1f\x7f]*{d.END}")]
"""As farm.toml has it."""


class GuardQuery(Document):
    """The guard with this name only; `dry_run`: also what would become of the queue if it fired now."""

    guard: GuardName | UnsetType = UNSET
    dry_run: bool = False


class Watched(Document):
    """A grant or budget that a guard watches, in the period that began on that day; amounts in its unit. `forecast`: at the
    period's end, None where it is not known yet. `counts`: of all that it watches this is used most."""

    name: str
    period: str
    unit: str
    amount: str
    used: str
    forecast: str | None
    counts: bool


class DecidedOn(Document):
    """The figures of the last step that figures led to."""

    budget: str
    period: str
    unit: str
    amount: str
    used: str
    forecast: str | None
    percent: str


class Starting(Document):
    """Where a job starts, and in how many seconds: half of such jobs, nine of ten. `ordered`: on a machine that is not there
    yet, as if it were ordered now."""

    pool: str
    ordered: bool
    start_s: float
    start_p90_s: float


class MovedJob(Document, rename={"klass": "class"}):
    """A queued job that would start elsewhere or at another time; None: nothing takes it, it waits."""

    id: str
    name: str
    platform: str
    klass: str
    before: Starting | None
    after: Starting | None


class Moves(Document, rename={"source": "from"}):
    """So many jobs would go from one pool to another; None: they wait."""

    source: str | None
    to: str | None
    jobs: int


class Trial(Document):
    """What would become of the first `jobs_looked_at` queued jobs."""

    jobs_looked_at: int
    moves: list[Moves]
    jobs: list[MovedJob]


class GuardLine(Document):
    """One guard of farm.toml, where it stands, why, and what comes next. `percent`: of the grant or budget that counts."""

    name: str
    state: str
    in_force: bool
    since_s: float | None
    in_force_since_s: float | None
    reason: str
    next: str
    when: str
    for_s: float
    cooldown_s: float
    approval: str
    approved_by: str
    undone: bool
    then: list[str]
    exempt: list[str]
    limit_percent: float
    percent: float | None
    crossed: bool | None
    watched: list[Watched]
    decided_on: DecidedOn | None
    dry_run: Trial | UnsetType | None = UNSET


class Guards(Document):
    """All guards, or the one that was asked for."""

    schema: int
    now_s: float
    currency: str
    guards: list[GuardLine]


class GuardSaid(Document):
    """What is said to a guard, and why."""

    guard: GuardName
    reason: d.Text = ""


class GuardDone(Document):
    """Where the guard stands now; `changed` is False where it did already."""

    guard: str
    state: str
    changed: bool
    reason: str


def _read(hub: Hub, query: GuardQuery) -> dict[str, object]:
    return hub_guards.guards(hub, d.chosen(query.guard), query.dry_run)


ASKS = {
    "guards": Ask(
        text="Where guards of budgets stand, and what would become of the queue if they fired.",
        run=_read,
        query=GuardQuery,
        answer=Guards,
        errors={404: d.Problem},
    )
}
TELLS = {
    "approve": Tell(
        text="Says yes to a guard that asks, or lets one act again that was taken back.",
        run=lambda hub, said, who: hub_guards.approve(hub, said.guard, who),
        body=GuardSaid,
        answer=GuardDone,
        errors={404: d.Problem},
    ),
    "undo": Tell(
        text="Takes a guard back until the period of what it watches ends.",
        run=lambda hub, said, who: hub_guards.undo(hub, said.guard, who, said.reason),
        body=GuardSaid,
        answer=GuardDone,
        errors={404: d.Problem},
    ),
}
