"""Keeps the ledger: follows the outbox by position, and enters what machines and attempts cost. A service of the leader.

Each page of the books is worked out from one view and written in one transaction with the position that it was read to,
so that every event counts exactly once, whoever leads and whatever dies in between. Time is what events say (UTC of the
hubs' wall clocks), never backwards; time in which the farm lived is farm time.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from penstock.hub.context import Hub
from penstock.hub.ledgerpage import Known, OfferPrices, Page
from penstock.hub.steps import lead, look
from penstock.model.artifact import Blob
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.ledger import Hold, Ledger, Meter, Price, day_of
from penstock.model.machine import Machine
from penstock.model.rented import Offer
from penstock.model.rules import Pool, Rules
from penstock.model.states import JobState, Power
from penstock.model.units import DAY_MS
from penstock.policy.charging import fixed
from penstock.policy.charging.attempts import so_far
from penstock.policy.charging.meters import HOUR, OWN, STOPPED, Moment
from penstock.ports import ProviderError, Tx

TOGETHER = 200
"""Events in one page; so many are entered at once, fewer after a moment."""
MOMENT_MS = 1_000
SELDOM_MS = 60_000
"""How far the books are kept is written so often though nothing happens, in farm time."""
PAGES = 5
"""The most in one pass: what is behind goes on in the next."""
BLOBS = 1_000
"""Blobs that are read at once."""
NOTHING = (0, 0, 0)
"""Prices of what is not there any more."""
_POWERS = frozenset(str(power) for power in Power)
_AT_WORK = (JobState.OFFERED, JobState.RUNNING)
_UNSTARTED = (JobState.EXPIRED, JobState.CANCELLED, JobState.SUPERSEDED)
"""How a job ends that was ready and never began."""


class Bookkeeper:
    """One leader's. What it knows is read again after whatever went wrong."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: Known | None = None
        self._agreed, self._unpriced = False, False
        self._offered: dict[str, tuple[Offer, ...]] = {}
        self._heard = 0
        self._entered_ms: int | None = None
        self._written_ms: int | None = None

    def hear(self, events: int) -> None:
        """So many events more have got their positions."""
        self._heard += events

    def run_once(self, now_ms: int) -> dict[str, int]:
        """Enter what has happened, if that is much or some time ago. Returns how many events were entered."""
        if self._entered_ms is not None and not self._due(now_ms):
            return {"entered": 0}
        return {"entered": self._enter(now_ms, PAGES)}

    def finish(self, now_ms: int) -> int:
        """Enter all that has happened until now. Returns how many events that were."""
        self._written_ms = None
        entered = self._enter(now_ms, PAGES)
        # A page without an event may be a day that ended: there may be months of them.
        while self._heard:
            entered += self._enter(now_ms, PAGES)
        return entered

    def _due(self, now_ms: int) -> bool:
        since_ms = now_ms - (self._entered_ms or 0)
        waits = self._heard >= TOGETHER or (self._heard > 0 and since_ms >= MOMENT_MS)
        return waits or since_ms >= SELDOM_MS or since_ms < 0 or self._midnight()

    def _midnight(self) -> bool:
        return self._known is None or self._hub.clock.wall_ms() >= (self._known.ledger.day + 1) * DAY_MS

    def _enter(self, now_ms: int, most: int) -> int:
        """At most so many pages."""
        entered = 0
        try:
            if not self._agreed or self._unpriced:
                self._offered = offered(self._hub)
                self._agreed, self._unpriced = False, False
            for _ in range(most):
                seldom = self._written_ms is None or now_ms - self._written_ms >= SELDOM_MS
                made = look(self._hub, partial(self._made, seldom=seldom))
                if made is None:
                    break
                page, ledger = made
                entered += ledger.position - page.known.ledger.position
                self._known = lead(self._hub, partial(page.write, ledger=ledger))
                self._written_ms = now_ms
        except BaseException:
            self._known, self._agreed = None, False
            raise
        # What is behind goes on in the next pass.
        self._heard = TOGETHER if made else 0
        self._entered_ms = now_ms
        return entered

    def _made(self, tx: Tx, farm: Farm, seldom: bool) -> tuple[Page, Ledger] | None:
        """The next page, and how far the books are kept when it is written; None where there is none."""
        wall_ms = self._hub.clock.wall_ms()
        known = self._known or _load(tx)
        if known is None:
            return _begun(tx, farm, (self._hub.rules, self._offered), wall_ms)
        self._known = known
        page, ledger = Page(tx, known, self._hub.rules), known.ledger
        if ledger.farm != farm.uid:
            page.leave(Moment(ledger.until_ms, ledger.farm_ms))
            return page, msgspec.structs.replace(ledger, farm=farm.uid)
        times = _Times(ledger, farm, wall_ms)
        events = tx.find(Event, "position", limit=TOGETHER, after=(ledger.position,))
        followed = _follow(tx, page, events, times)
        self._unpriced |= page.unpriced
        if followed:
            return page, _kept(ledger, times.last, followed[-1].position)
        if wall_ms >= times.midnight_ms:
            at = times.at(times.midnight_ms)
            _end_day(tx, page, self._hub.rules, at)
            return page, msgspec.structs.replace(_kept(ledger, at, ledger.position), day=ledger.day + 1)
        at = times.at(wall_ms)
        changed = not self._agreed and _agree(page, self._hub.rules, self._offered, at)
        self._agreed = True
        return (page, _kept(ledger, at, ledger.position)) if changed or seldom else None


class _Times:
    """What time events of one page happened: not before what is entered, not after now; and how long the farm had
    lived by then. Where it lived shorter than the clock went on, it lived first, and was away then."""

    def __init__(self, ledger: Ledger, farm: Farm, wall_ms: int) -> None:
        self._base = Moment(ledger.until_ms, ledger.farm_ms)
        self._wall_ms = max(wall_ms, ledger.until_ms)
        self._lived_ms = min(self._wall_ms - ledger.until_ms, max(0, farm.time_ms - ledger.farm_ms))
        self.midnight_ms = (ledger.day + 1) * DAY_MS
        self.last = self._base

    def at(self, wall_ms: int) -> Moment:
        """This moment, or the nearest that can be."""
        wall_ms = max(self.last.wall_ms, min(wall_ms, self._wall_ms))
        self.last = Moment(wall_ms, self._base.farm_ms + min(wall_ms - self._base.wall_ms, self._lived_ms))
        return self.last


def _kept(ledger: Ledger, at: Moment, position: int) -> Ledger:
    return msgspec.structs.replace(ledger, position=position, until_ms=at.wall_ms, farm_ms=at.farm_ms)


def _follow(tx: Tx, page: Page, events: Sequence[Event], times: _Times) -> list[Event]:
    """Follow events up to midnight. Returns those."""
    followed: list[Event] = []
    for event in events:
        last = times.last
        at = times.at(event.at_ms)
        if at.wall_ms >= times.midnight_ms:
            times.last = last
            break
        if event.attempt and event.kind == "job":
            _job(tx, page, event, at)
        elif event.kind == "job" and event.state in _UNSTARTED:
            page.unstarted(event.job)
        elif event.machine and event.state in _POWERS:
            machine = tx.get(Machine, event.machine)
            if machine is not None:
                page.told(machine, Power(event.state), event.reason)
                page.turned(machine, Power(event.state), at)
        followed.append(event)
    return followed


def _job(tx: Tx, page: Page, event: Event, at: Moment) -> None:
    if event.state in _AT_WORK:
        page.offered(event.machine, event.attempt, at)
        return
    attempt = tx.get(Attempt, event.attempt)
    if attempt is not None and attempt.settled:
        page.settled(attempt, at)


def _end_day(tx: Tx, page: Page, rules: Rules, at: Moment) -> None:
    """Midnight: all spans are closed, and what is paid by the day is entered for the day that ended."""
    day = day_of(at.wall_ms) - 1
    page.cut(list(page.meters), at)
    page.entries += fixed.charged(rules.charges, day)
    if rules.storage_per_gb_month_micros:
        page.entries += fixed.stored(_stored_bytes(tx), rules.storage_per_gb_month_micros, day)


def _stored_bytes(tx: Tx) -> int:
    """How much lies in the blob store, as the books say."""
    total = 0
    after: tuple[str, ...] = ()
    while blobs := tx.find(Blob, "key", limit=BLOBS, after=after):
        total += sum(blob.size_bytes for blob in blobs if blob.state == "stored")
        after = (blobs[-1].digest,)
    return total


def offered(hub: Hub) -> dict[str, tuple[Offer, ...]]:
    """What providers of rented pools offer now, by pool; without those that cannot say."""
    found = {}
    for pool in hub.rules.pools:
        if pool.provider not in OWN and pool.name in hub.providers:
            with suppress(ProviderError):
                found[pool.name] = hub.providers[pool.name].offers()
    return found


def _agree(page: Page, rules: Rules, offers: Mapping[str, Iterable[Offer]], at: Moment) -> bool:
    """Prices and numbers of machines are as farm.toml and providers say from now on. Whether anything is new."""
    before = page.meters.copy(), page.prices.copy(), page.offers.copy()
    for pool in rules.pools:
        if page.prices.get(pool.name) != _prices(pool):
            page.price(pool.name, _prices(pool), "tco" if pool.tco else "farm.toml", at)
        page.count_absent(pool.name, at)
        for offer in offers.get(pool.name, ()):
            _price_offer(page, pool.name, offer, at)
    # No hub starts agents of a local pool that is not in farm.toml any more.
    known = {pool.name for pool in rules.pools}
    for pool_name in {meter.pool for meter in page.meters.values() if meter.mortal} - known:
        if page.prices.get(pool_name) != NOTHING:
            page.price(pool_name, NOTHING, "gone", at)
    for pool_name in {meter.pool for meter in page.meters.values()}:
        page.count_absent(pool_name, at)
    return before != (page.meters, page.prices, page.offers)


def _price_offer(page: Page, pool: str, offer: Offer, at: Moment) -> None:
    """What its machines cost from now on. The only offer of a pool that has the pool's name and price needs no other."""
    prices = offer.price_per_hour_micros, offer.stopped_price_per_hour_micros or 0
    known = page.offers.get(pool, {}).get(offer.name)
    if known is None and offer.name == pool and prices == page.prices[pool][:2]:
        return
    if known != prices:
        page.offer_price(pool, offer.name, prices, at)


def _prices(pool: Pool) -> tuple[int, int, int]:
    """By the hour, stopped, and for each GB that leaves."""
    stopped = pool.stopped_price_per_hour_micros or 0
    return pool.price_per_hour_micros, stopped, pool.egress_per_gb_micros


def _load(tx: Tx) -> Known | None:
    """What the last leader had in memory; None where no books are kept yet."""
    ledger = tx.get(Ledger, "ledger")
    if ledger is None:
        return None
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in tx.find(Price, "key"):
        what, _, offer = row.what.partition(" ")
        found.setdefault((row.pool, offer), {})[what] = row.price_micros
    prices, offers = {}, dict[str, dict[str, OfferPrices]]()
    for (pool, offer), of in found.items():
        hour, stopped = of.get(HOUR, 0), of.get(STOPPED, 0)
        if offer:
            offers.setdefault(pool, {})[offer] = hour, stopped
        else:
            prices[pool] = hour, stopped, of.get("egress", 0)
    return Known(ledger, {one.machine: one for one in tx.find(Meter, "key")}, prices, offers=offers)


def _begun(
    tx: Tx, farm: Farm, asked: tuple[Rules, Mapping[str, Iterable[Offer]]], wall_ms: int
) -> tuple[Page, Ledger]:
    """The first page: the books begin now. What attempts cost before is in no book. `asked`: farm.toml and providers."""
    rules, offers = asked
    at = Moment(wall_ms, farm.time_ms)
    ledger = Ledger(
        position=farm.position,
        day=day_of(wall_ms),
        from_ms=wall_ms,
        until_ms=wall_ms,
        farm_ms=farm.time_ms,
        farm=farm.uid,
    )
    page = Page(tx, Known(ledger, {}, {}), rules)
    for pool in rules.pools:
        page.price(pool.name, _prices(pool), "tco" if pool.tco else "farm.toml", at)
        for offer in offers.get(pool.name, ()):
            _price_offer(page, pool.name, offer, at)
    for machine in tx.find(Machine, "key"):
        page.turned(machine, machine.power, at)
    _agree(page, rules, offers, at)
    _hold(page, tx.find(Attempt, "unsettled", False), at)
    return page, ledger


def _hold(page: Page, attempts: Iterable[Attempt], at: Moment) -> None:
    """Attempts that began before the books: what they cost until now counts as entered."""
    for attempt in attempts:
        meter = page.meters.get(attempt.machine)
        if meter is not None:
            hold = Hold(attempt.offered_ms, *so_far(attempt, meter.slots, at.wall_ms))
            held = meter.held | {attempt.id: hold}
            page.meters[attempt.machine] = msgspec.structs.replace(meter, held=held)
