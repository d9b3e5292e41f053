"""What farm.toml says, frozen: the rules that policies are given. Defaults are those of docs/reference/farm-toml.md."""

from decimal import Decimal

import msgspec

from penstock.model.job import Trust
from penstock.model.pool_ec2 import Ec2
from penstock.model.pool_foreign import Serves
from penstock.model.pool_kubernetes import Kubernetes
from penstock.model.pool_libvirt import Libvirt
from penstock.model.pool_power import Control
from penstock.model.secret import Secret
from penstock.model.units import Size


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The two clocks of a lease and the time that an offer stands, in milliseconds of farm time."""

    contact_ms: int = 90_000
    right_ms: int = 1_200_000
    offer_ms: int = 10_000


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What one hour of a person waiting for one job is worth, and the promise."""

    price_per_hour_micros: int = 0
    target_percentile: float = 95.0
    target_ms: int = 900_000
    lateness: str = "avoid"


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs ask for by name. `image` "host" is the machine itself, known by its measured fingerprint."""

    name: str
    arch: str = "x86_64"
    image: str = "host"
    environment: dict[str, str] = {}
    size: Size | None = None


class Quantiles(msgspec.Struct, frozen=True):
    """A duration as two quantiles in milliseconds; both equal when it is one number."""

    p50_ms: int = 0
    p95_ms: int = 0


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider rounds: up to `granularity_ms`, at least `minimum_ms` per start."""

    granularity_ms: int = 1000
    minimum_ms: int = 0


class Tco(msgspec.Struct, frozen=True, kw_only=True):
    """What one owned machine costs, all included; money in micro-units, shares in millionths.

    A year: (purchase - residual) / life + power (`watts` x `pue` x 8760 h x price) + colocation + staff + spares + network.
    Source: straight-line depreciation; colocation by reserved kW, which may include power (then `watts` is 0).
    """

    purchase_micros: int
    residual_ppm: int = 0
    life_years: int = 5
    watts: int = 0
    pue_ppm: int = 1_000_000
    kwh_price_micros: int = 0
    colo_per_month_micros: int = 0
    staff_minutes_per_month: int = 0
    staff_per_hour_micros: int = 0
    spares_ppm: int = 0
    network_per_month_micros: int = 0


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Interchangeable machines. `size` is None where the pool runs one job per slot whatever its size.

    `network`: "full", or "hub-only": its machines reach nothing but the hub, and through it what `reaches` names, as
    policy/reaching reads it ("deb.example.net:443"). `agent`: whose agent its machines run,
    "penstock", "buildbot-worker" or "gitlab-runner"; what the others serve says `serves`. `power_off_after_ms`: a rented
    machine that no hub answers for so long powers itself off, 0 = never.
    """

    name: str
    provider: str
    platforms: tuple[str, ...]
    slots: int = 1
    size: Size | None = None
    machines: int = 0
    min: int = 0
    max: int | None = None
    trust: tuple[Trust, ...] = ("untrusted", "trusted")
    price_per_hour_micros: int = 0
    stopped_price_per_hour_micros: int | None = None
    boot: Quantiles = Quantiles()
    resume: Quantiles | None = None
    suspend_ms: int = 0
    delete_ms: int = 0
    cold_cache_ms: int = 0
    billing: Billing = Billing()
    reclaim_per_hour: float = 0.0
    speed: float = 1.0
    uses: int = 0
    classes: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    tco: Tco | None = None
    egress_per_gb_micros: int = 0
    network: str = "full"
    reaches: tuple[str, ...] = ()
    power_off_after_ms: int = 3_600_000
    agent: str = "penstock"
    serves: Serves | None = None
    libvirt: Libvirt | None = None
    ec2: Ec2 | None = None
    kubernetes: Kubernetes | None = None
    controls: tuple[Control, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether jobs on its machines reach nothing of the world, not even through the hub."""
        return self.network == "hub-only" and not self.reaches

    @property
    def through(self) -> bool:
        """Whether they reach what it names through the hub, and nothing else."""
        return self.network == "hub-only" and bool(self.reaches)


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project that others share the farm with: of what is held while all want more, `share` parts are its own.

    `repositories`: addresses of its own ones, each in the one way to write it (forges/git/address).
    """

    name: str
    share: int = 1
    repositories: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """First match wins: what a change that matches may be. Empty = any, or as it is.

    `match`: patterns under "branch", "who" (a person), "group" (one of `Rules.groups`) and "project"."""

    match: dict[str, str] = {}
    trust: Trust | None = None
    klass: str | None = None
    pools: tuple[str, ...] = ()


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed cost per month, of one pool where it is named."""

    name: str
    per_month_micros: int
    pool: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Sponsored credit; dates as ISO text, both days included. It pays for `pools`, empty = for all that is rented."""

    name: str
    amount: Decimal
    currency: str
    start: str
    until: str
    pools: tuple[str, ...] = ()


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """An agreed limit. `unit`: "money" in the farm's currency, or "minutes" of slots (a provider's allowance of shared
    minutes, each counted `factor_ppm` millionths). `per`: "month" or "year" of the calendar. Empty `pools` = all."""

    name: str
    amount: Decimal
    unit: str = "money"
    per: str = "month"
    pools: tuple[str, ...] = ()
    factor_ppm: int = 1_000_000


class Season(msgspec.Struct, frozen=True, kw_only=True):
    """A time of `factor_ppm` millionths of the usual use, as a freeze before a release; dates as ISO text, both included."""

    name: str
    start: str
    until: str
    factor_ppm: int


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of bills that belong to a pool: those that match all patterns ("service", "resource", "sku", "region")."""

    pool: str
    match: dict[str, str] = {}


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """What happens, reversibly, when use or its forecast crosses a limit.

    `when`: "forecast > 95%" or "actual > 90%" of `budget`, a grant or budget by name ("" = of each grant and money budget,
    the worst counts). It must be so for `hold_ms`; it ends when it was not so for `cooldown_ms`. `approval`: "auto", or
    "manual": a person says yes first. `exempt`: classes of jobs that it spares."""

    when: str
    hold_ms: int
    then: tuple[str, ...]
    exempt: tuple[str, ...] = ()
    name: str = ""
    budget: str = ""
    approval: str = "auto"
    cooldown_ms: int = 86_400_000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All of farm.toml. `state` and `blobs` are URLs as written; `folder` is what relative ones are relative to.

    `address`: where machines find the hub, "" = they must be told. `groups`: for each name the people in it. `projects`: those that have settings of their own. `git_hosts`: those of
    git servers that may be in a private network."""

    name: str = "farm"
    state: str = "sqlite:///penstock.db"
    blobs: str = "file:blobs"
    currency: str = "USD"
    address: str = ""
    folder: str = "."
    lease: Lease = Lease()
    waiting: Waiting = Waiting()
    platforms: dict[str, Platform] = {}
    pools: tuple[Pool, ...] = ()
    groups: dict[str, tuple[str, ...]] = {}
    projects: dict[str, Project] = {}
    rules: tuple[Rule, ...] = ()
    git_hosts: tuple[str, ...] = ()
    secrets: dict[str, Secret] = {}
    charges: tuple[Charge, ...] = ()
    grants: tuple[Grant, ...] = ()
    guards: tuple[Guard, ...] = ()
    budgets: tuple[Budget, ...] = ()
    billed: tuple[Billed, ...] = ()
    calendar: tuple[Season, ...] = ()
    storage_per_gb_month_micros: int = 0

    def reaches_only_hub(self, pool: str) -> bool:
        """True for a pool whose machines reach nothing but the hub."""
        return any(one.name == pool and one.network == "hub-only" for one in self.pools)
