"""What is to be said of a whole pool that keeps jobs waiting or machines from coming, until when, and who can change it."""

from collections.abc import Iterator, Sequence

from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.dealings import Dealing, dealings
from penstock.hub.explain.systems import unanswered
from penstock.hub.explain.told import About, span
from penstock.model.curb import Curb
from penstock.model.farm import Farm
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.model.units import NEVER_MS
from penstock.policy import retry, silence
from penstock.ports import Tx

LATELY_MS = 900_000
"""Of an order that came to nothing it is told for so long, or as long as nothing is ordered because of it."""
NAMED = 3
"""So many machines are named."""


def conditions(hub: Hub, tx: Tx, farm: Farm) -> list[About]:
    """Of all pools of farm.toml, in its order."""
    standing = dealings(tx)
    curbs, found = curbs_now(hub, tx), []
    for pool in hub.rules.pools:
        machines, now = tx.find(Machine, "pool", pool.name), standing.get(pool.name, Dealing())
        found += [*_curbed(pool.name, curbs, farm.time_ms), *_held(pool.name, machines, curbs, farm.time_ms)]
        found += [*of_pool(pool, machines, now, farm.time_ms)]
    return [*unanswered(tx, hub.rules.pools, farm.time_ms), *found]


def _curbed(pool: str, curbs: Sequence[Curb], now_ms: int) -> Iterator[About]:
    """What people and guards keep from happening in a pool, whatever the job."""
    for one in curbs:
        since = span(max(0, now_ms - one.since_ms))
        if silence.held(one):
            continue
        if one.stopped == pool:
            text = f"it is stopped since {since}: {one.why}; an operator can start it again: penstock pools start {pool}"
            yield About(subject=f"pool {pool}", code="stopped", text=text)
        elif pool in one.barred or pool in dict(one.most):
            some = f"but for jobs of class {', '.join(one.exempt)} " if one.exempt else ""
            left = dict(one.most).get(pool)
            what = (
                "lets nothing start there"
                if pool in one.barred
                else f"lets no more than {left} of its machines be at work"
                if left
                else "lets nothing be rented or woken there"
            )
            text = f"guard {one.guard} {some}{what} since {since}: {one.why}; an operator can take it back: penstock costs undo"
            yield About(subject=f"pool {pool}", code="guard", text=f"{text} {one.guard}")


def _held(pool: str, machines: Sequence[Machine], curbs: Sequence[Curb], now_ms: int) -> Iterator[About]:
    """That so many of its machines say nothing that it is left as it is."""
    for one in curbs:
        if silence.held(one) == pool:
            silent, up = silence.counted(machines)
            text = (
                f"{silent} of its {up} machines that are up say nothing, so it is held as it is since "
                f"{span(max(0, now_ms - one.since_ms))}: nothing is rented, woken, suspended or given back there, jobs start on "
                f"machines that answer. It ends when no more than {max(silence.FEW, silence.PERCENT * up // 100)} are silent; one "
                "that is not there any more can be retired: penstock retire"
            )
            yield About(subject=f"pool {pool}", code="silent", text=text)


def of_pool(pool: Pool, machines: Sequence[Machine], standing: Dealing, now_ms: int) -> Iterator[About]:
    """Of one pool; `machines`: all that are known, those that are gone as well."""
    there = [one for one in machines if one.power != Power.GONE]
    name = f"pool {pool.name}"
    if said := _together(pool, there, now_ms):
        yield About(subject=name, code="together", text=said)
    if standing.away_since_ms:
        since, why = span(now_ms - standing.away_since_ms), standing.why
        text = (
            f"its provider has not answered for {since} ({why}): until it does nobody knows what is there, and "
            "orders and stops may come to nothing; what runs goes on"
        )
        yield About(subject=name, code="away", text=text)
    if said := _in_vain(machines, standing, now_ms):
        yield About(subject=name, code="in-vain", text=said)
    if pool.max is not None and len(there) >= pool.max and all(one.power != Power.SUSPENDED for one in there):
        text = f"it has as many machines as farm.toml allows (max = {pool.max})"
        yield About(subject=name, code="max", text=text)
    yield from _orphans(pool, standing)


def _together(pool: Pool, there: Sequence[Machine], now_ms: int) -> str:
    until_ms = retry.suspected_until_ms(there, now_ms)
    if not until_ms:
        return ""
    failed = [one.name for one in retry.failing(there, now_ms)]
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return (
        f"{len(failed)} of its {len(there)} machines failed within {span(retry.TOGETHER_MS)} ({', '.join(failed[:NAMED])}{more}): "
        f"nothing starts there for {span(until_ms - now_ms)} more, or until an operator says that they are well: "
        f"penstock pools trust {pool.name}"
    )


def _in_vain(machines: Sequence[Machine], standing: Dealing, now_ms: int) -> str:
    """The last order that came to nothing, in its provider's words, and when another one may be made."""
    vain = [one for one in machines if one.power == Power.GONE and one.client_token and not one.starts]
    last = max(vain, key=lambda one: one.since_ms, default=None)
    paused_ms = standing.paused_ms - now_ms if standing.paused_ms < NEVER_MS else 0
    again = f"; the next is made in {span(paused_ms)} at the earliest" if paused_ms > 0 else ""
    if last is not None and (again or now_ms - last.since_ms < LATELY_MS):
        return f"an order came to nothing {span(now_ms - last.since_ms)} ago: {last.power_reason}{again}"
    return (
        f"nothing is ordered there for {span(paused_ms)} more: its last orders came to nothing"
        if again
        else ""
    )


def _orphans(pool: Pool, standing: Dealing) -> Iterator[About]:
    """Machines that carry this farm's tag and are in no book: they cost money and count against quotas."""
    name, what = f"pool {pool.name}", "with this farm's tag in no book"
    if standing.second:
        text = f"{_machines(standing.second)} {what}: deleted if a listing a minute after the first has them again"
        yield About(subject=name, code="orphans", text=text)
    if standing.person:
        text = (
            f"{_machines(standing.person)} {what}, too many to delete unasked: if none of them is somebody's, "
            f"penstock pools clear {pool.name}"
        )
        yield About(subject=name, code="orphans-ask", text=text)
    if standing.going:
        text = f"{_machines(standing.going)} {what}: being deleted"
        yield About(subject=name, code="orphans-going", text=text)


def _machines(count: int) -> str:
    return f"{count} machine{'' if count == 1 else 's'}"
