"""What will happen to a machine next, and when, as one clause."""

import msgspec

from penstock.hub.explain.told import span
from penstock.hub.reconciler import STUCK_MS, patience_ms
from penstock.hub.switched import FAILED
from penstock.hub.wishes import wish_of
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Health, Power
from penstock.policy.capacity.columns import NEVER_MS

OWN = ("owned", "local")
COMING = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING, Power.RESUMING)
_KEPT_BACK = {
    Health.QUARANTINED: "takes nothing until somebody trusts it again",
    Health.MAINTENANCE: "takes nothing until its maintenance ends",
    Health.BAD: "takes nothing until somebody has looked at it",
}


class Plan(msgspec.Struct, frozen=True):
    """What the capacity policy has fixed for an idle machine, in farm time: when it stops, and when it goes after that."""

    stop_ms: int = NEVER_MS
    gone_ms: int = NEVER_MS


def next_of(one: Machine, pool: Pool | None, plan: Plan, now_ms: int) -> str:
    """The clause. `pool`: None where farm.toml has it no more; `plan`: what the policy has fixed, as far as it is known."""
    if one.power in COMING:
        return _coming(one, pool, now_ms)
    own = pool is not None and pool.provider in OWN
    if one.power == Power.SUSPENDING and not own:
        return f"is deleted if that takes longer than {span(STUCK_MS)}"
    if one.power == Power.SUSPENDING:
        return f"is off when it has shut down; counts as up again {_at(one.since_ms + STUCK_MS, now_ms)} if it has not"
    if one.power == Power.SUSPENDED:
        return _asleep(one, own, plan, now_ms)
    if one.power == Power.DELETING:
        return "is gone when its provider says so; asked again, and people told, every 10 min until then"
    if one.power == Power.DRAINING:
        return _drained(one, pool)
    if one.leaves_ms:
        return f"is taken back by its provider {_at(one.leaves_ms, now_ms)}"
    if one.health in _KEPT_BACK:
        return _KEPT_BACK[one.health]
    if one.health == Health.SUSPECT:
        return "takes nothing until its agent is heard again"
    if pool is None:
        return "takes nothing: farm.toml does not have its pool any more"
    if one.busy:
        return _busy(one, pool)
    return _idle(pool, plan, now_ms)


def _asleep(one: Machine, own: bool, plan: Plan, now_ms: int) -> str:
    if not own:
        return "is resumed when jobs need it" + _then(", deleted", plan.gone_ms, now_ms, "")
    if one.health in _KEPT_BACK:
        return f"stays off, {_KEPT_BACK[one.health]}"
    if one.health == Health.SUSPECT and one.health_reason.startswith(FAILED):
        return f"may be switched on again {_at(one.since_ms + STUCK_MS, now_ms)}, or when its silent switch answers"
    if one.health == Health.SUSPECT:
        return "stays off until somebody switches it on and its agent calls"
    return "is switched on when jobs need it"


def _coming(one: Machine, pool: Pool | None, now_ms: int) -> str:
    if pool is not None and pool.controls and one.power == Power.RESUMING:
        late_ms = one.ordered_ms + patience_ms(pool, one.power)
        return f"takes jobs when its agent has called; left alone {_at(late_ms, now_ms)} if it has not"
    if pool is None or not one.client_token:
        return "takes jobs when its agent has called"
    left_ms = one.ordered_ms + patience_ms(pool, one.power) - now_ms
    return f"takes jobs when it is up; given back {_at(now_ms + left_ms, now_ms)} if it is not"


def _drained(one: Machine, pool: Pool | None) -> str:
    left = f"ends {len(one.busy)} job{'' if len(one.busy) == 1 else 's'}, then " if one.busy else ""
    if wish := wish_of(one):
        return left + ("is suspended" if wish == Power.SUSPENDING else "is given back")
    rented = pool is not None and pool.provider not in OWN
    if one.health == Health.RETIRED:
        return left + ("is given back" if rented else "leaves the farm")
    return f"{left}{'is given back' if rented else 'takes nothing'}, unless somebody says penstock drain --lift {one.id}"


def _busy(one: Machine, pool: Pool) -> str:
    if pool.uses and pool.provider not in OWN:
        left = max(0, pool.uses - one.starts)
        return (
            f"is replaced after {left} more job{'' if left == 1 else 's'}"
            if left
            else "is replaced after this"
        )
    return "takes the next job as a slot is free"


def _idle(pool: Pool, plan: Plan, now_ms: int) -> str:
    if pool.provider in OWN and plan.stop_ms >= NEVER_MS:
        return "waits for jobs"
    if pool.provider in OWN:
        stops = "switched off"
    else:
        stops = _stopped(pool)
    return f"takes the next job{_then(f', {stops}', plan.stop_ms, now_ms, ' if none comes')}"


def _stopped(pool: Pool) -> str:
    sleeps = pool.resume and pool.stopped_price_per_hour_micros is not None
    return "suspended" if sleeps else "given back"


def _then(what: str, moment_ms: int, now_ms: int, condition: str) -> str:
    return "" if moment_ms >= NEVER_MS else f"{what} {_at(moment_ms, now_ms)}{condition}"


def _at(moment_ms: int, now_ms: int) -> str:
    return f"in {span(moment_ms - now_ms)}" if moment_ms > now_ms else "now"
