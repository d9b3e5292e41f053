"""Holds what providers say they have against the books (I6), and the books against the clock.

What carries our tag and is in no book is deleted, after it was seen in two complete listings a minute apart; what is in the
books and in no listing is lost, likewise. Listings may be behind: what is young is not missed, and what was asked for a
moment ago is not asked for again. What takes too long to come is given back.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import msgspec

from penstock.hub import switched
from penstock.hub.beside import Beside
from penstock.hub.context import Hub
from penstock.hub.dealings import Dealings, explained
from penstock.hub.queueview import ASLEEP
from penstock.hub.renter import turn, vanished
from penstock.hub.steps import Step, lead, look
from penstock.hub.warned import Notices, leaving, warn
from penstock.model.curb import Cleared
from penstock.model.farm import Event
from penstock.model.machine import Machine, powered
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Instance, Listing, Notice
from penstock.model.rules import Pool
from penstock.model.states import Health, Power
from penstock.policy.capacity.view import Failure
from penstock.ports import Provider

APART_MS = 60_000
"""Two listings count as two when the second was begun so long after the first."""
SETTLED_MS = 60_000
"""No listing is further behind than that."""
LEAST_MS, MOST_MS = 120_000, 900_000
TIMES_P95 = 3
"""What comes may take three times its 95th percentile, within these."""
FOLLOWED_MS = 2_000
"""So often those are listed that hear by themselves what happens, whatever is on its way: it costs nobody anything."""
STUCK_MS = 600_000
"""Suspending and deleting may take so long."""
LOST_AT_ONCE = 300
"""So many machines are found gone in one pass; of more the rest is found in the next one, which lists again at once."""
COMING = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING, Power.RESUMING)


@dataclass
class _Pool:
    """What is remembered of one pool's listings: when strange machines and gaps were first seen, and the last look."""

    looked_ms: int | None = None
    strange: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    asked: bool = False


@dataclass(frozen=True)
class _Looked:
    """One look at a provider, begun at `at_ms` of farm time. No listing: it did not answer, and `problem` says why."""

    at_ms: int
    listing: Listing | None
    notices: tuple[Notice, ...] = ()
    problem: Exception | None = None


class Reconciler:
    """One leader's. `every_ms`: how often a pool is listed where anything is on its way, `seldom_ms` where nothing is."""

    def __init__(self, hub: Hub, beside: Beside, every_ms: int = 10_000, seldom_ms: int = 60_000) -> None:
        self._hub, self._beside = hub, beside
        self._every_ms, self._seldom_ms = every_ms, seldom_ms
        self._pools = {name: _Pool() for name in hub.providers}
        self._switched = switched.names(hub)
        self._switches = {(one.name, each.machine) for one in hub.rules.pools for each in one.controls}
        self._silent: dict[str, int] = {}
        self._alerted: dict[str, int] = {}
        self._follows = {name for name, one in hub.providers.items() if getattr(one, "follows", False)}
        self._said: dict[str, str] = {}
        self.notices = Notices(hub)
        self.failures: list[tuple[str, Failure]] = []
        self.dealings = Dealings(hub)

    def run_once(self, machines: Sequence[Machine], now_ms: int) -> int:
        """List what is due. `machines`: those in the books that are not gone. Returns how many listings came."""
        busy = self._busy(machines)
        due = [name for name, pool in self._pools.items() if self._is_due(name, name in busy, now_ms)]
        looks = self._beside.results(
            {f"list {name}": partial(_look, self._hub.providers[name], now_ms) for name in due}
        )
        for name in due:
            looked = looks.get(f"list {name}")
            if looked is not None:
                self._pools[name].looked_ms = looked.at_ms
                self._hold_against(name, looked)
        return len(looks)

    def wake_ms(self, machines: Sequence[Machine]) -> int | None:
        """When it has to look again; None where it looks in every pass."""
        if not self._every_ms:
            return None
        busy = self._busy(machines)
        return min(
            (
                pool.looked_ms + self._apart_ms(name, name in busy)
                for name, pool in self._pools.items()
                if pool.looked_ms is not None
            ),
            default=None,
        )

    def _busy(self, machines: Sequence[Machine]) -> set[str]:
        """Pools that are listed often: something is on its way there or may be taken away, or a switch was not heard yet, or is
        silent since a moment ago."""
        taken = {pool.name for pool in self._hub.rules.pools if pool.reclaim_per_hour > 0}
        silent = {
            name for name in self._switched if any(since >= 0 for since in self._pools[name].missing.values())
        }
        coming = {
            one.pool
            for one in machines
            if one.power not in (Power.UP, Power.SUSPENDED)
            or (not one.provider_id and (one.pool, one.name) in self._switches)
        }
        return taken | silent | coming

    def _is_due(self, name: str, busy: bool, now_ms: int) -> bool:
        looked_ms = self._pools[name].looked_ms
        return looked_ms is None or now_ms - looked_ms >= self._apart_ms(name, busy)

    def _apart_ms(self, name: str, busy: bool) -> int:
        """How often a pool is listed."""
        if name in self._follows:
            return min(FOLLOWED_MS, self._every_ms)
        return self._every_ms if busy else self._seldom_ms

    def _hold_against(self, name: str, looked: _Looked) -> None:
        """One pool's listing against the books, which are read after the listing ended."""
        if looked.listing is None:
            self.dealings.unlisted(name, looked.at_ms, looked.problem or Exception())
            return
        self.dealings.listed(name, looked.listing.complete)
        pool = self._pools[name]
        if name in self._switched:
            lead(self._hub, partial(_compare_switches, pool=name, looked=looked, unheard=pool.missing))
            return
        unborn: set[str] = set()
        self.notices.said(name, looked.notices, looked.at_ms)
        strange, more = lead(
            self._hub, partial(_compare, pool=name, looked=looked, missing=pool.missing, unborn=unborn)
        )
        self.failures += [(one, "boot") for one in sorted(unborn)]
        if more:
            pool.looked_ms = None
            self._hub.wake.wake("farm")
        self._said = {**self._said, **_said(looked.listing)}
        if not looked.listing.complete:
            return
        pool.strange = {one: pool.strange.get(one, looked.at_ms) for one in strange}
        ripe = [one for one, since_ms in pool.strange.items() if looked.at_ms - since_ms >= APART_MS]
        many = len(ripe) > max(3, len(looked.listing.instances) // 10)
        held = many and not self._is_cleared(name, looked.at_ms)
        self.dealings.strange(name, strange, ripe, held)
        if held:
            self._ask(name, len(ripe), pool)
            return
        pool.asked = False
        for one in ripe:
            self._beside.later(f"delete {one}", partial(_delete, self._hub.providers[name], one))

    def _is_cleared(self, name: str, now_ms: int) -> bool:
        """Whether a person has said that they may go, however many they are."""
        row = look(self._hub, lambda tx, farm: tx.get(Cleared, name))
        return row is not None and row.until_ms > now_ms

    def _ask(self, name: str, count: int, pool: _Pool) -> None:
        """Too many strange machines at once: perhaps it is the books that are wrong. People are asked, once."""
        if not pool.asked:
            pool.asked = True
            lead(
                self._hub,
                partial(
                    alert,
                    reason=f"{count} machines of {name} are in no book: none was deleted; if none of them is somebody's,"
                    f" `penstock pools clear {name}` lets them go",
                ),
            )

    # What takes too long

    def expire(self, machines: Sequence[Machine], now_ms: int) -> int:
        """Give back what does not come, repeat what does not end, give back what is rented and says nothing any more."""
        pools = {pool.name: pool for pool in self._hub.rules.pools}
        known = [one for one in machines if one.pool in self._pools]
        self._alerted = {one.id: self._alerted[one.id] for one in known if one.id in self._alerted}
        self._said = {one.id: self._said[one.id] for one in known if self._said.get(one.id)}
        self._silent = {
            one.id: self._silent.get(one.id, now_ms)
            for one in known
            if one.power == Power.UP and _is_silent(one)
        }
        return sum(self._expire(one, pools[one.pool], now_ms) for one in known if one.pool in pools)

    def _expire(self, one: Machine, pool: Pool, now_ms: int) -> bool:
        if one.pool in self._switched:
            return self._let_rest(one, now_ms - patience_ms(pool, one.power), now_ms)
        if one.power in COMING:
            late_ms = now_ms - one.ordered_ms - patience_ms(pool, one.power)
            if late_ms < 0:
                return False
            self.failures.append((one.id, "boot"))
            said = f": {self._said[one.id]}" if one.id in self._said else ""
            return self._give_back(one, f"did not come up in {(now_ms - one.ordered_ms) // 1000} s{said}")
        if one.power == Power.SUSPENDING and now_ms - one.since_ms >= STUCK_MS:
            return self._give_back(one, f"was still being suspended after {STUCK_MS // 1000} s")
        if one.power == Power.DELETING and now_ms - self._alerted.get(one.id, one.since_ms) >= STUCK_MS:
            self._alerted[one.id] = now_ms
            return lead(self._hub, partial(_press, machine_id=one.id))
        silent_ms = now_ms - self._silent.get(one.id, now_ms)
        if silent_ms >= self._hub.rules.lease.right_ms and not one.busy:
            return self._give_back(one, "no word from its agent for longer than any right lasts")
        return False

    def _let_rest(self, one: Machine, since_ms: int, now_ms: int) -> bool:
        """What is owned is not given back: one that does not come, or does not stop, is left alone."""
        if one.power == Power.RESUMING and one.ordered_ms <= since_ms:
            why = f"it did not come up in {(now_ms - one.ordered_ms) // 1000} s after it was switched on"
            return lead(self._hub, partial(switched.rest, machine_id=one.id, why=why))
        if one.power == Power.SUSPENDING and now_ms - one.since_ms >= STUCK_MS:
            return lead(self._hub, partial(switched.awake, machine_id=one.id))
        return False

    def _give_back(self, one: Machine, why: str) -> bool:
        return lead(self._hub, partial(turn, machine_id=one.id, power=Power.DELETING, why=why))


def patience_ms(pool: Pool, power: Power) -> int:
    """How long a machine of this pool may take to come."""
    takes = pool.resume if power == Power.RESUMING and pool.resume else pool.boot
    return max(min(max(TIMES_P95 * takes.p95_ms, LEAST_MS), MOST_MS), 2 * takes.p95_ms)


def alert(step: Step, reason: str) -> None:
    """Tell people."""
    step.tell(Event(kind="farm", state="alert", reason=reason))


def _is_silent(one: Machine) -> bool:
    return not one.session or one.health == Health.SUSPECT


def _look(provider: Provider, now_ms: int) -> _Looked:
    """What it has and what it will take back."""
    try:
        return _Looked(now_ms, provider.list(), provider.notices())
    except Exception as problem:  # whatever a library raises: nothing was learnt
        return _Looked(now_ms, None, problem=problem)


def _delete(provider: Provider, id_: str) -> None:
    """Once; if it is still there, a later listing shows it again."""
    with suppress(Exception):
        provider.delete(id_)


def _compare_switches(step: Step, pool: str, looked: _Looked, unheard: dict[str, int]) -> None:
    """Bring the books to what the switches of owned machines said."""
    assert looked.listing is not None
    switched.compare(step, pool, looked.at_ms, looked.listing, unheard)


def _said(listing: Listing) -> dict[str, str]:
    """What a provider says of machines that are coming, by their rows; "" = nothing any more."""
    return {
        one.tags.get(TAG_MACHINE, ""): one.why if one.state == "coming" else "" for one in listing.instances
    }


def _compare(
    step: Step, pool: str, looked: _Looked, missing: dict[str, int], unborn: set[str]
) -> tuple[list[str], bool]:
    """Bring the books to what was listed. Returns what is in no book, and whether more are gone than one pass finds.
    `missing` is kept up; `unborn` gets those whose provider says why they are gone before their agents called: what is
    ordered next would hardly fare better."""
    assert looked.listing is not None
    mine = {step.farm.incarnation, *step.farm.adopted}
    strange, seen, gone = [], set(), 0
    warned = leaving(looked.notices, looked.at_ms)
    books = _in_books(step, pool)  # read at once: one by one thousands take longer than all else here
    for one in books if warned else ():  # first: what is gone by now was taken away
        warn(step, one, warned.get(one.provider_id, 0))
    for instance in looked.listing.instances:
        if instance.tags.get(TAG_FARM) != step.farm.uid or instance.tags.get(TAG_INCARNATION) not in mine:
            continue
        machine = step.tx.get(Machine, instance.tags.get(TAG_MACHINE, ""))
        if machine is None or machine.power == Power.GONE or machine.provider_id not in ("", instance.id):
            if instance.state not in ("going", "gone"):
                strange.append(instance.id)
        else:
            seen.add(machine.id)
            gone += instance.state == "gone"
            if instance.state == "gone" and gone > LOST_AT_ONCE:
                continue
            if instance.state == "gone" and instance.why and machine.power in COMING:
                unborn.add(machine.id)
            # Of one whose creation was answered by nobody its provider's name for it is learnt only here.
            _follow(step, warn(step, machine, warned.get(instance.id, 0)), instance, looked)
    if looked.listing.complete:
        _miss(step, [one for one in books if one.id not in seen], looked, missing)
    return strange, gone > LOST_AT_ONCE


def _follow(step: Step, machine: Machine, instance: Instance, looked: _Looked) -> None:
    """One machine as its provider has it."""
    settled = looked.at_ms - machine.since_ms >= SETTLED_MS
    if instance.state == "gone":
        taken = machine.leaves_ms > 0
        gone = "its provider has taken it away" if taken else "it is not there any more"
        vanished(step, machine.id, instance.why or gone, taken)
    elif machine.power == Power.REQUESTED:
        found = msgspec.structs.replace(machine, provider_id=instance.id)
        step.put(
            msgspec.structs.replace(
                powered(found, Power.BOOTING, machine.power_reason, step.now_ms), called=True
            )
        )
    elif not machine.provider_id:
        step.put(msgspec.structs.replace(machine, provider_id=instance.id))
    elif machine.power == Power.BOOTING and instance.state == "up":
        after = powered(machine, Power.REGISTERING, explained(machine.power_reason, ""), step.now_ms)
        step.put(msgspec.structs.replace(after, called=True))
    elif machine.power == Power.SUSPENDING and instance.state == "stopped" and machine.called:
        after = powered(machine, Power.SUSPENDED, machine.power_reason, step.now_ms)
        step.put(msgspec.structs.replace(after, called=True))
    elif settled and machine.called and _undone(machine, instance):
        step.put(msgspec.structs.replace(machine, called=False, since_ms=machine.since_ms))
    elif settled and machine.power == Power.UP and instance.state in ("stopping", "stopped"):
        _stopped_by_others(step, machine)
    elif machine.power in COMING and instance.state == "coming":
        why = explained(machine.power_reason, instance.why)
        if why != machine.power_reason:
            step.put(msgspec.structs.replace(machine, power_reason=why))


def _undone(machine: Machine, instance: Instance) -> bool:
    """Whether what its provider was called for long ago has not begun: then it is called again."""
    return (machine.power, instance.state) in (
        (Power.SUSPENDING, "up"),
        (Power.DELETING, "up"),
        (Power.DELETING, "stopped"),
        (Power.RESUMING, "stopped"),
    )


def _stopped_by_others(step: Step, machine: Machine) -> None:
    """Somebody stopped a machine that we use: what ran there is lost, the machine goes."""
    alert(step, f"{machine.name} was stopped at its provider, not by this farm")
    vanished(step, machine.id, "it was stopped by somebody else", False)


def _miss(step: Step, unseen: list[Machine], looked: _Looked, missing: dict[str, int]) -> None:
    """What the books have and two complete listings a minute apart have not, is lost. `unseen`: what this one has not."""
    absent, lost = {}, 0
    for machine in unseen:
        if not machine.client_token:
            continue  # an agent that enrolled by itself
        if looked.at_ms - machine.ordered_ms < SETTLED_MS:
            continue
        since_ms = missing.get(machine.id, looked.at_ms)
        if looked.at_ms - since_ms >= APART_MS and lost < LOST_AT_ONCE:
            lost += 1
            vanished(step, machine.id, "its provider does not list it any more", False)
        else:
            absent[machine.id] = since_ms
    missing.clear()
    missing.update(absent)


def _press(step: Step, machine_id: str) -> bool:
    """Deleting takes too long: ask again, and tell people what it costs."""
    machine = step.need(Machine, machine_id)
    if machine.power != Power.DELETING:
        return False
    step.put(msgspec.structs.replace(machine, called=False))
    alert(step, f"{machine.name} is still not given back after {STUCK_MS // 1000} s, and may cost money")
    return True


def _in_books(step: Step, pool: str) -> list[Machine]:
    """Machines of a pool that are not gone."""
    found = [one for power in (Power.UP, *ASLEEP) for one in step.tx.find(Machine, "power", power)]
    return [one for one in found if one.pool == pool]
