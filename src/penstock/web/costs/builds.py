"""What builds cost, as calls."""

from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.builds import build, builds
from penstock.hub.costs.ranges import days_of
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document, Id, Limit, Problem, chosen


class WhichBuilds(Document):
    """Builds that were created from the day `since` to `until`, UTC; this month where they are left out. The `top` dearest are named."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET
    top: Limit = 20


class ProjectUnit(Document):
    """Cost per successful build of one project; null where none passed."""

    project: str
    builds: int
    passed: int
    spent: str
    mean: str | None
    p50: str | None
    p90: str | None
    each: str | None
    loaded: str | None


class Entered(Document):
    """What is entered for a build. `passed`, `failed`: by their own doing; `lost` by the farm; `dropped`: superseded or cancelled."""

    build: str
    day: str
    project: str
    branch: str
    commit: str
    attempts: int
    amount: str
    passed: str
    failed: str
    lost: str
    dropped: str


class BuildCostLine(Entered):
    """One build of those that cost most. `state` is null where the build is not kept any more."""

    state: str | None


class BuildCosts(Document):
    """Cost per successful build, and the dearest ones. `definitions` say what the numbers mean."""

    schema: int
    since: str
    until: str
    currency: str
    entered_until_s: float | None
    projects: list[ProjectUnit]
    builds: list[BuildCostLine]
    definitions: dict[str, str]


class WhichBuild(Document):
    """A build."""

    build: Id


class AttemptCost(Document):
    """One attempt. `cost` is null while it runs; `entered` in `entries` entries, `held_s` as far as they say."""

    attempt: str
    n: int
    pool: str
    machine: str
    state: str
    price_per_hour: str
    held_s: float
    cost: str | None
    entered: str
    entries: int


class JobCost(Document):
    """One job that has attempts; `cost` of those that have ended."""

    job: str
    name: str
    platform: str
    state: str
    cost: str
    attempts: list[AttemptCost]


class OneBuildCost(Document):
    """What one build cost: `cost` of attempts that have ended, `running` others; `entered` is null where nothing is yet."""

    schema: int
    build: str
    state: str
    currency: str
    cost: str
    running: int
    entered: Entered | None
    jobs: list[JobCost]


def _builds(hub: Hub, asked: WhichBuilds) -> dict[str, Any]:
    return builds(hub, days_of(hub, chosen(asked.since), chosen(asked.until)), asked.top)


ASKS = {
    "builds": Ask(
        text="Cost per successful build of each project, and the dearest builds.",
        run=_builds,
        query=WhichBuilds,
        answer=BuildCosts,
    ),
    "build": Ask(
        text="What one build cost, by job and attempt.",
        run=lambda hub, asked: build(hub, asked.build),
        query=WhichBuild,
        answer=OneBuildCost,
        errors={404: Problem},
    ),
}
