"""One page of the books: what some events cost, worked out from one view, then written in one short transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from penstock.hub.steps import Step
from penstock.model.change import Build, Change
from penstock.model.counted import Counted
from penstock.model.job import Attempt, Job
from penstock.model.ledger import (
    OFFER,
    BuildCost,
    Entry,
    Footprint,
    Hold,
    Ledger,
    Meter,
    Price,
    Span,
    Tally,
    day_of,
)
from penstock.model.machine import Machine
from penstock.model.records import SHAPES
from penstock.model.rules import Rules
from penstock.model.states import Power
from penstock.policy.charging import attempts, counting, fixed, meters, sums
from penstock.policy.charging.attempts import About
from penstock.policy.charging.meters import Closed, Moment, Terms
from penstock.ports import Stale, Tx

BUILDS_KNOWN = 200
"""Builds whose change is remembered."""
OfferPrices = tuple[int, int]
"""What machines of an offer cost an hour: running, stopped."""


def name_of(job: Job) -> str:
    """What a job is called in every build, as in estimates."""
    return f"{job.spec.module}:{job.spec.kind}"


@dataclass
class Known:
    """What the bookkeeper has in memory: the ledger's row, the meters, prices as (hour, stopped, egress) by pool, those of
    offers as (hour, stopped) by pool and offer, and the cost records of builds of the last pages without their costs."""

    ledger: Ledger
    meters: dict[str, Meter]
    prices: dict[str, tuple[int, int, int]]
    builds: dict[str, BuildCost] = field(default_factory=dict)
    offers: dict[str, dict[str, OfferPrices]] = field(default_factory=dict)


class Page:
    """What is to be written. It sees `tx`, and changes nothing; `known` is as it will be when the page is written.
    `unpriced`: machines came from an offer whose price is not known; they cost what their pool does."""

    def __init__(self, tx: Tx, known: Known, rules: Rules) -> None:
        self._tx, self.known, self._rules = tx, known, rules
        self._pools = {pool.name: pool for pool in rules.pools}
        self._was = dict(known.meters)
        self._version = known.ledger.version
        self.meters = dict(known.meters)
        self.builds = dict(known.builds)
        self.prices = dict(known.prices)
        self.offers = dict(known.offers)
        self.unpriced = False
        self.entries: list[Entry] = []
        self._spans: list[Span] = []
        self._new_prices: list[Price] = []
        self._settled: list[tuple[Job, Attempt, int]] = []
        self._counts: Counter[counting.Key] = Counter()

    # What happens

    def told(self, machine: Machine, power: Power, why: str) -> None:
        """The power of a machine is this from now on, as monitoring counts it: what was decided, and what took how long."""
        meter = self.meters.get(machine.id)
        was = meter.power if meter else Power.ABSENT
        if was != power:
            self._counts += counting.of_turn(machine, was, power, why)

    def unstarted(self, job_id: str) -> None:
        """A job has ended that perhaps never began."""
        job = self._tx.get(Job, job_id)
        if job is not None:
            self._counts += counting.of_unstarted(job)

    def turned(self, machine: Machine, power: Power, at: Moment) -> None:
        """The power of a machine is this from now on. Nothing happens where it is known already."""
        meter = self.meters.get(machine.id)
        if meter is None:
            if power not in (Power.GONE, Power.ABSENT):
                self._counts += counting.of_power(machine.pool, power)
                self._begin(msgspec.structs.replace(machine, power=power), at)
            return
        meter = msgspec.structs.replace(meter, slots=max(1, machine.slots))
        if meter.power == Power.REQUESTED:
            self._look_for(machine)
            meter = meters.repriced(meter, self.terms(machine.pool, machine.offer))
        if meter.power != power:
            self._counts += counting.of_power(machine.pool, power)
            came = power != Power.GONE or bool(machine.provider_id) or not machine.client_token
            meter = self._turn(meter, power, at, came)
        self._keep(meter, at)

    def _begin(self, machine: Machine, at: Moment) -> None:
        """An owned machine that enrols anew is another row: that of the same name that nobody speaks for is gone."""
        named = self._tx.find(Machine, "pool", machine.pool, machine.name)
        others = [one for one in named if one.id != machine.id and one.id in self.meters]
        if not self.terms(machine.pool).rented and others:
            if not machine.session:
                return
            for other in others:
                if not other.session:
                    self._keep(self._turn(self.meters[other.id], Power.GONE, at), at)
        self._look_for(machine)
        self.meters[machine.id] = meters.begin(machine, self.terms(machine.pool, machine.offer), at)
        self.count_absent(machine.pool, at)

    def _look_for(self, machine: Machine) -> None:
        """Whether there is a price for where it comes from."""
        own = machine.offer not in ("", machine.pool)
        self.unpriced |= own and machine.offer not in self.offers.get(machine.pool, {})

    def _turn(self, meter: Meter, power: Power, at: Moment, came: bool = True) -> Meter:
        meter = self._pieces(meter, at)
        return self._take(meters.turn(meter, power, self._terms(meter), at, came))

    def offered(self, machine: str, attempt: str, at: Moment) -> None:
        """An attempt has a slot of a machine."""
        meter = self.meters.get(machine)
        if meter is not None and attempt not in meter.held:
            held = meter.held | {attempt: Hold(at.wall_ms)}
            self.meters[machine] = msgspec.structs.replace(meter, held=held)

    def settled(self, attempt: Attempt, at: Moment) -> None:
        """An attempt has ended, and how is known: all of its cost is entered, once."""
        meter, job = self.meters.get(attempt.machine), self._tx.get(Job, attempt.job)
        if meter is None or job is None or attempt.id not in meter.held:
            return
        entry, meter = attempts.enter(meter, attempt, self._about(job), at.wall_ms, final=True)
        egress = self.prices.get(attempt.pool, (0, 0, 0))[2]
        entry = self._named(entry)
        self.entries += [entry, *fixed.sent(entry, attempt, egress)]
        self._settled.append((job, attempt, at.wall_ms))
        self._counts += counting.of_attempt(job, attempt)
        self._keep(meter, at)

    def cut(self, names: Iterable[str], at: Moment) -> None:
        """Close the spans of these meters; their runs go on at the prices of now."""
        for name in names:
            meter = self._pieces(self.meters[name], at)
            self._keep(self._take(meters.cut(meter, self._terms(meter), at)), at)

    def leave(self, at: Moment) -> None:
        """What was rented belongs to another farm since then: its meters end."""
        for name, meter in list(self.meters.items()):
            if self.terms(meter.pool).rented:
                self._turn(meter, Power.GONE, at)
                del self.meters[name]

    def price(self, pool: str, prices: tuple[int, int, int], source: str, at: Moment) -> None:
        """The machines of a pool cost so much from now on."""
        before = self.prices.get(pool, (None, None, None))
        self.prices[pool] = prices
        self.cut([name for name, meter in self.meters.items() if meter.pool == pool], at)
        for what, was, price in zip(("hour", "stopped", "egress"), before, prices, strict=True):
            if was != price:
                self._new_prices.append(
                    Price(pool=pool, what=what, from_ms=at.wall_ms, price_micros=price, source=source)
                )

    def offer_price(self, pool: str, offer: str, prices: OfferPrices, at: Moment) -> None:
        """Machines that were made from this offer of a pool cost so much from now on, whatever others of the pool do."""
        before = self.offers.get(pool, {}).get(offer, (None, None))
        made = [
            name for name, meter in self.meters.items() if meter.pool == pool and self._offer(name) == offer
        ]
        self.offers[pool] = self.offers.get(pool, {}) | {offer: prices}
        self.cut(made, at)
        for what, was, price in zip((meters.HOUR, meters.STOPPED), before, prices, strict=True):
            if was != price:
                row = Price(
                    pool=pool, what=f"{what} {offer}", from_ms=at.wall_ms, price_micros=price, source="offer"
                )
                self._new_prices.append(row)

    def count_absent(self, pool_name: str, at: Moment) -> None:
        """Machines that an owned pool has and that never registered cost what the others cost."""
        pool, name = self._pools.get(pool_name), f"pool:{pool_name}"
        count = 0
        if pool is not None and pool.provider == "owned":  # of thousands that are rented none is looked for
            there = sum(one.pool == pool_name and one.machine != name for one in self.meters.values())
            count = max(0, pool.machines - there)
        meter = self.meters.get(name)
        if count == (meter.count if meter else 0):
            return
        if meter is not None:
            self._turn(meter, Power.GONE, at)
            del self.meters[name]
        if count:
            self.meters[name] = meters.absent(pool_name, count, self.terms(pool_name), at)

    # What it is worth

    def terms(self, pool_name: str, offer: str = "") -> Terms:
        """What the ledger says that machines of a pool cost now, those of an offer where it has a price of its own; a pool
        that farm.toml has no more is as its own."""
        hour, stopped, _ = self.prices.get(pool_name, (0, 0, 0))
        hour, stopped = self.offers.get(pool_name, {}).get(offer, (hour, stopped))
        pool = self._pools.get(pool_name)
        return meters.terms_of(pool, hour, stopped) if pool else Terms(hour=hour, stopped=stopped)

    def _terms(self, meter: Meter) -> Terms:
        """What this machine costs now, by the offer that it was made from."""
        return self.terms(meter.pool, self._offer(meter.machine) if meter.pool in self.offers else "")

    def _offer(self, machine_id: str) -> str:
        machine = self._tx.get(Machine, machine_id)
        return machine.offer if machine else ""

    def _named(self, entry: Entry) -> Entry:
        """An entry of a machine, with the offer that it was made from: machines are forgotten, entries are not."""
        offers = self.offers.get(entry.pool)
        offer = self._offer(entry.machine) if offers else ""
        if not offers or offer not in offers:
            return entry
        what = f"{entry.what}, {OFFER}{offer}" if entry.what else f"{OFFER}{offer}"
        return msgspec.structs.replace(entry, what=what)

    def _pieces(self, meter: Meter, at: Moment) -> Meter:
        """Before a span ends, what attempts had of it so far is entered."""
        for name in list(meter.held):
            attempt = self._tx.get(Attempt, name)
            job = self._tx.get(Job, attempt.job) if attempt else None
            if attempt is not None and job is not None:
                entry, meter = attempts.enter(meter, attempt, self._about(job), at.wall_ms)
                if entry.amount_micros or entry.quantity:
                    entry = self._named(entry)
                    self.entries.append(msgspec.structs.replace(entry, day=day_of(max(0, at.wall_ms - 1))))
        return meter

    def _take(self, closed: Closed) -> Meter:
        if closed.span is not None:
            self._spans.append(closed.span)
        self.entries += map(self._named, closed.entries)
        return closed.meter

    def _keep(self, meter: Meter, at: Moment) -> None:
        """A meter as it is now; of a machine that is gone until its last attempt is settled."""
        if meter.power != Power.GONE or meter.held:
            self.meters[meter.machine] = meter
            return
        self._take(meters.cut(meter, self._terms(meter), at))
        del self.meters[meter.machine]
        self.count_absent(meter.pool, at)

    def _about(self, job: Job) -> About:
        spec = job.spec
        return About(
            job=job.id,
            build=job.build,
            project=job.project,
            branch=self._build(job.build).branch,
            name=name_of(job),
            platform=spec.platform,
            klass=spec.klass,
        )

    def _build(self, build_id: str) -> BuildCost:
        """The cost record of a build, without costs."""
        found = self.builds.get(build_id)
        if found is None:
            build = self._tx.get(Build, build_id)
            change = self._tx.get(Change, build.change) if build else None
            found = BuildCost(
                build=build_id,
                day=day_of(build.created_ms) if build else 0,
                project=change.project if change else "",
                branch=change.branch if change else "",
                commit=change.ref if change else "",
            )
            self.builds[build_id] = found
        return found

    # Writing

    def write(self, step: Step, ledger: Ledger) -> Known:
        """Write it all, with how far the books are kept then. Raises Stale where somebody else kept them meanwhile."""
        stored = step.tx.get(Ledger, ledger.id)
        if stored is None:
            step.tx.insert(ledger)
        elif stored.version != self._version:
            raise Stale("the books were kept by another")
        else:
            step.tx.replace(msgspec.structs.replace(ledger, version=self._version))
            ledger = msgspec.structs.replace(ledger, version=self._version + 1)
        for span in self._spans:
            step.tx.insert(span)
        step.tx.append(self.entries)
        for price in self._new_prices:
            _note_price(step, price, self.offers.get(price.pool, {}))
        self._write_sums(step)
        builds = dict(list(self.builds.items())[-BUILDS_KNOWN:])
        return Known(ledger, self._write_meters(step), self.prices, builds, self.offers)

    def _write_meters(self, step: Step) -> dict[str, Meter]:
        """Write what changed of them. Returns them as they are stored now."""
        stored = {}
        for name, meter in self.meters.items():
            was = self._was.get(name)
            if was is None:
                step.tx.insert(meter)
            elif was is not meter:
                step.tx.replace(msgspec.structs.replace(meter, version=was.version))
                meter = msgspec.structs.replace(meter, version=was.version + 1)
            stored[name] = meter
        for name in self._was.keys() - self.meters.keys():
            step.tx.delete(self._was[name])
        return stored

    def _write_sums(self, step: Step) -> None:
        tallies: dict[sums.TallyKey, Tally | None] = {}
        for entry in self.entries:
            key = sums.key_of(entry)
            if key not in tallies:
                tallies[key] = step.tx.get(Tally, *key)
            tallies[key] = sums.tallied(tallies[key], entry)
        costs: dict[str, BuildCost] = {}
        feet: dict[tuple[object, ...], Footprint] = {}
        for job, attempt, wall_ms in self._settled:
            before = costs.get(job.build) or step.tx.get(BuildCost, job.build) or self._build(job.build)
            costs[job.build] = sums.spent(before, attempt)
            if attempt.state in sums.VERDICTS:
                print_ = Footprint(
                    day=day_of(wall_ms), project=job.project, name=name_of(job), platform=job.spec.platform
                )
                place = (print_.day, print_.project, print_.name, print_.platform)
                known = feet.get(place) or step.tx.get(Footprint, *place) or print_
                feet[place] = sums.trodden(known, job, attempt, attempts.slot_ms(attempt))
        for record in (*tallies.values(), *costs.values(), *feet.values(), *self._counted(step.tx)):
            assert record is not None
            _save(step, record)

    def _counted(self, tx: Tx) -> list[Counted]:
        """What was counted on this page, with what there was before."""
        found = []
        for (what, pool, by, of), more in self._counts.items():
            before = tx.get(Counted, what, pool, by, of) or Counted(what=what, pool=pool, by=by, of=of)
            found.append(msgspec.structs.replace(before, value=before.value + more))
        return found


def _note_price(step: Step, price: Price, offers: Mapping[str, OfferPrices]) -> None:
    """A price holds from now on, also for what is offered on machines that are there already. `offers`: those of its pool
    that have prices of their own."""
    while step.tx.get(Price, price.pool, price.what, price.from_ms) is not None:
        price = msgspec.structs.replace(price, from_ms=price.from_ms + 1)
    step.tx.insert(price)
    what, _, offer = price.what.partition(" ")
    if what == meters.HOUR:
        for machine in step.tx.find(Machine, "pool", price.pool):
            mine = offer == (machine.offer if machine.offer in offers else "")
            differs = machine.price_per_hour_micros != price.price_micros
            if mine and differs and machine.power != Power.GONE:
                step.put(msgspec.structs.replace(machine, price_per_hour_micros=price.price_micros))


def _save(step: Step, record: Tally | BuildCost | Footprint | Counted) -> None:
    """Write a sum over what it was, or as the first."""
    key = [getattr(record, name) for name in SHAPES[type(record)].key]
    if step.tx.get(type(record), *key) is None:
        step.tx.insert(record)
    else:
        step.tx.replace(record)
