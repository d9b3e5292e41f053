"""Machines and their agents: one-time enrolment, machine credentials, short sessions (architecture, Security).

Tokens and keys are kept as digests only. An enrolment token is good once; the same (token, key) may register
again for ten minutes, in case the answer was lost.
"""

import hashlib

import msgspec

from penstock.hub.context import Hub, Moved, Unauthorized
from penstock.hub.ender import lose
from penstock.hub.steps import Step, change, look
from penstock.hub.vouching import evidence
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.machine import Credential, Machine, Session
from penstock.model.pool_power import wakes_only
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, Health, Power, SessionState
from penstock.model.units import Size
from penstock.policy import instances, retry
from penstock.policy.instances import Evidence
from penstock.ports import Tx

SESSION_MS = 3_600_000
AGAIN_MS = 600_000
TOKEN_MS = 24 * 3_600_000
"""How long a session token, a used enrolment token, an unused one is good, in farm time."""
UNDECIDED = (Health.UNKNOWN, Health.GOOD, Health.SUSPECT, Health.BAD)
"""A machine that nobody has taken out of use yet."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that an agent says it holds. `state`: "offered", "running" or "finishing"."""

    attempt: str
    fence: str
    state: str = "running"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of its machine. `key`: 64 hex digits, its own secret; `memory_mb` None = not measured;
    `agent`: the agent's release; `document`: what its provider tells the machine about itself, `signature`: the
    provider's under it. `draining`: it takes nothing, not
    even now; `unclean`: why it could not be cleaned."""

    name: str
    key: str
    slots: int = 1
    cores: int = 1
    memory_mb: int | None = None
    identity: str = ""
    sandbox: str = "bubblewrap"
    agent: str = ""
    holds: tuple[Held, ...] = ()
    document: str = ""
    signature: str = ""
    draining: bool = False
    unclean: str = ""


class Ordered(msgspec.Struct, frozen=True):
    """What an agent is to do with one attempt: "continue", "stop" or "drain"."""

    attempt: str
    order: str
    reason: str = ""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A new session. `token` is its secret; `credential` is given at enrolment only. `power_off`: the machine is to stop, and
    nobody but its agent can do that. `clean_after`: so many jobs later it is to be cleaned, 0 = never."""

    machine: Machine
    session: Session
    token: str
    credential: str | None
    orders: tuple[Ordered, ...]
    power_off: bool = False
    clean_after: int = 0


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(hub: Hub, pool: str) -> str:
    """A one-time enrolment token for an agent of this pool, good for a day. Raises ValueError for an unknown pool."""
    _pool(hub, pool)
    token = hub.entropy.token(32)

    def write(step: Step) -> None:
        expires_ms = step.now_ms + TOKEN_MS
        step.tx.insert(Credential(digest=digest(token), kind="enrolment", pool=pool, expires_ms=expires_ms))

    change(hub, write)
    return token


def register(hub: Hub, token: str, asked: Registration) -> Registered:
    """Begin a session with an enrolment token or a machine credential; the machine's older session ends.

    Attempts of the machine that the agent runs but does not name are lost at once. Raises Unauthorized;
    ValueError for a key that is none.
    """
    if len(asked.key) != 64 or set(asked.key) - set("0123456789abcdef"):
        raise ValueError("key: 64 hex digits are needed")
    secret, session_id, machine_id = (hub.entropy.token(size) for size in (32, 12, 8))
    known = evidence(hub, digest(token), asked.document, asked.signature)
    return change(hub, lambda step: _register(step, token, asked, (secret, session_id, machine_id), known))


def authenticate(hub: Hub, token: str) -> Session:
    """The open session of this token. Raises Unauthorized when it is unknown, ended or expired; Moved."""
    return look(hub, lambda tx, farm: session_of(tx, farm, token))


def session_of(tx: Tx, farm: Farm, token: str) -> Session:
    """`authenticate` inside a transaction."""
    found = tx.find(Session, "token", digest(token), limit=1)
    if not found or not found[0].open or not token.startswith(farm.incarnation + "-"):
        raise Unauthorized("no such session: register again")
    if found[0].expires_ms <= farm.time_ms:
        raise Unauthorized("the session has expired: register again")
    refuse_where_moved(farm)
    return found[0]


def still_welcome(tx: Tx, farm: Farm, caller: Session) -> None:
    """For calls whose session was looked up before, perhaps an hour of uploading ago: what it was told may be over.

    Any open session of the machine will do: a long upload outlives the one that it began in. Raises Unauthorized, Moved.
    """
    session = tx.get(Session, caller.id)
    if session is None or not session.open:
        machine = tx.get(Machine, caller.machine)
        session = tx.get(Session, machine.session) if machine is not None and machine.session else None
        if session is None or not session.open:
            raise Unauthorized("the session has ended: register again")
    refuse_where_moved(farm)


def refuse_where_moved(farm: Farm) -> None:
    """Raise Moved in a farm that is served elsewhere: what an agent said here would be lost to it."""
    if farm.frozen and farm.address:
        raise Moved(farm.address)


def revoke(hub: Hub, machine_id: str) -> int:
    """Revoke all credentials of a machine and end its session. Returns how many credentials."""

    def write(step: Step) -> int:
        machine = step.need(Machine, machine_id)
        mine = [c for c in step.tx.find(Credential, "key") if c.machine == machine.id and not c.revoked]
        for credential in mine:
            step.put(msgspec.structs.replace(credential, revoked=True))
        step.put(end_session(step, machine))
        return len(mine)

    return change(hub, write)


def end_session(step: Step, machine: Machine) -> Machine:
    """End the open session of a machine, if it has one; the machine takes nothing more (not written)."""
    session = step.tx.get(Session, machine.session) if machine.session else None
    if session is not None and session.open:
        step.put(msgspec.structs.replace(session, state=SessionState.GONE, open=False))
        step.woken.add(f"machine:{machine.id}")
    return msgspec.structs.replace(machine, session="", accepting=False)


def _register(
    step: Step, token: str, asked: Registration, fresh: tuple[str, str, str], known: Evidence | None
) -> Registered:
    secret, session_id, machine_id = fresh
    credential, machine = _recognise(step, token, asked, machine_id)
    _refuse_elsewhere(step, machine, asked, known)
    refuse_where_moved(step.farm)
    session_token = f"{step.farm.incarnation}-{secret}"
    session = Session(
        id=session_id,
        machine=machine.id,
        token_digest=digest(session_token),
        contact_ms=step.now_ms,
        started_ms=step.now_ms,
        expires_ms=step.now_ms + SESSION_MS,
    )
    machine = _described(step.hub, end_session(step, machine), asked)
    # In one row and version with the session: no offer can be written between the two.
    taking = msgspec.structs.replace(machine, session=session.id, accepting=not asked.draining)
    step.put(_powered_up(taken_out(step, taking, asked.unclean), step.now_ms))
    step.tx.insert(session)
    orders = _adopt(step, machine.id, asked.holds)
    step.woken.add("farm")
    return Registered(
        machine=step.need(Machine, machine.id),
        session=session,
        token=session_token,
        credential=credential,
        orders=orders,
        power_off=machine.power == Power.SUSPENDING and _stops_itself(step.hub, machine),
        clean_after=_cleaned_after(_pool(step.hub, machine.pool)),
    )


def taken_out(step: Step, machine: Machine, unclean: str) -> Machine:
    """The machine (not written), in quarantine where its agent says why it could not be cleaned; people are told."""
    if not unclean or machine.health not in UNDECIDED:
        return machine
    why = f"it could not be cleaned: {unclean}"
    after = msgspec.structs.replace(machine, health=Health.QUARANTINED, health_reason=why)
    step.tell_machine(after)
    step.tell(Event(kind="farm", state="alert", reason=f"{machine.name}: {why}"))
    return after


def _cleaned_after(pool: Pool) -> int:
    """Jobs until a machine that cannot be replaced is cleaned instead, 0 = never."""
    return pool.uses if pool.provider == "owned" else 0


def _stops_itself(hub: Hub, machine: Machine) -> bool:
    """Whether its switch can only wake it."""
    controls = _pool(hub, machine.pool).controls
    return any(one.machine == machine.name and wakes_only(one) for one in controls)


def _powered_up(machine: Machine, now_ms: int) -> Machine:
    """A machine whose agent is there is up, unless it is to stop."""
    if machine.power == Power.SUSPENDING:
        return msgspec.structs.replace(machine, accepting=False)
    if machine.power in (Power.UP, Power.DRAINING):
        return machine
    return msgspec.structs.replace(machine, power=Power.UP, since_ms=now_ms, called=True)


def _recognise(step: Step, token: str, asked: Registration, fresh_id: str) -> tuple[str | None, Machine]:
    """The machine that this secret stands for, and the credential to give it, if it enrols. Raises Unauthorized."""
    found = step.tx.get(Credential, digest(token))
    if found is None or found.revoked:
        raise Unauthorized("unknown or revoked token")
    if found.expires_ms and found.expires_ms <= step.now_ms:
        raise Unauthorized("the token has expired")
    if found.key_digest and found.key_digest != digest(asked.key):
        raise Unauthorized("the token belongs to another key")
    if found.kind == "machine":
        return None, _still_there(step.need(Machine, found.machine))
    # Made from what both sides know, so that a repeated registration gives the same one.
    credential = digest(f"credential:{token}:{asked.key}")
    if not found.key_digest:
        found = _enrol(step, found, asked, (credential, fresh_id))
    return credential, _still_there(step.need(Machine, found.machine))


def _still_there(machine: Machine) -> Machine:
    if machine.power in (Power.DELETING, Power.GONE):
        raise Unauthorized(f"machine {machine.name} is {machine.power}")
    return machine


def _refuse_elsewhere(step: Step, machine: Machine, asked: Registration, known: Evidence | None) -> None:
    """A secret that was given to one instance is good on that one alone. Raises Unauthorized."""
    said = _pool(step.hub, machine.pool).ec2
    if said is None or not machine.client_token:
        return
    if why := instances.refusal(asked.document, machine, said, step.farm.uid, known):
        raise Unauthorized(why)


def _enrol(step: Step, token: Credential, asked: Registration, fresh: tuple[str, str]) -> Credential:
    """Use a one-time token up: a machine of its own, the one that it was made for, or the old one of that name in a pool
    of local agents."""
    credential, machine_id = fresh
    pool = _pool(step.hub, token.pool)
    known = _known(step, pool, asked.name)
    if token.machine:
        machine_id = token.machine
    elif known:
        machine_id = known[0].id
        step.put(_forgiven(known[0]))
    else:
        step.tx.insert(Machine(id=machine_id, name=asked.name, pool=pool.name))
    key_digest = digest(asked.key)
    step.tx.insert(
        Credential(
            digest=digest(credential),
            kind="machine",
            pool=pool.name,
            machine=machine_id,
            key_digest=key_digest,
        )
    )
    used = msgspec.structs.replace(
        token, machine=machine_id, key_digest=key_digest, expires_ms=step.now_ms + AGAIN_MS
    )
    return step.put(used)


def _known(step: Step, pool: Pool, name: str) -> list[Machine]:
    """The machine that already has this name, where the name says which machine it is: a local one, or one with a switch."""
    if pool.provider != "local" and all(one.machine != name for one in pool.controls):
        return []
    return [one for one in step.tx.find(Machine, "pool", pool.name, name) if one.power != Power.GONE]


def _forgiven(machine: Machine) -> Machine:
    """A local machine with a new agent: what the old one did is not held against it."""
    if machine.health in (Health.MAINTENANCE, Health.RETIRED):
        return machine
    return msgspec.structs.replace(machine, health=Health.UNKNOWN, health_reason="", streak=0, blamed=())


def _described(hub: Hub, machine: Machine, asked: Registration) -> Machine:
    """The machine as its agent and its pool describe it. Without a known memory it runs one job per slot."""
    pool = _pool(hub, machine.pool)
    has = pool.size or Size(asked.cores, asked.memory_mb)
    suspect = machine.health == Health.SUSPECT
    return msgspec.structs.replace(
        machine,
        platforms=pool.platforms,
        trust=pool.trust,
        slots=min(asked.slots, _cleaned_after(pool) or asked.slots),
        has=has,
        sized=pool.size is not None or asked.memory_mb is not None,
        identity=asked.identity,
        sandbox=asked.sandbox,
        agent=asked.agent,
        # What was ordered costs what the offer does that it was made from.
        price_per_hour_micros=machine.price_per_hour_micros
        if machine.client_token
        else pool.price_per_hour_micros,
        health=Health.GOOD if suspect else machine.health,
        health_reason="" if suspect else machine.health_reason,
    )


def _adopt(step: Step, machine_id: str, holds: tuple[Held, ...]) -> tuple[Ordered, ...]:
    """What becomes of the machine's attempts under its new session: named ones go on, unnamed running ones are lost."""
    fences = {held.attempt: held.fence for held in holds}
    live = step.tx.find(Attempt, "machine", machine_id, True)
    for attempt in live:
        if attempt.state == AttemptState.RUNNING and fences.get(attempt.id) != attempt.fence:
            lose(step, attempt, AttemptState.LOST, retry.NOT_NAMED)
    return tuple(order_for(step.tx.get(Attempt, held.attempt), held) for held in holds)


def order_for(attempt: Attempt | None, held: Held) -> Ordered:
    """What an agent is to do with an attempt that it says it holds."""
    if attempt is None or attempt.fence != held.fence:
        return Ordered(held.attempt, "stop", "not this agent's any more")
    if attempt.live or attempt.finish_digest or attempt.state == AttemptState.FINISHING:
        return Ordered(held.attempt, "continue")
    return Ordered(held.attempt, "stop", f"{attempt.state}: {attempt.cause}")


def _pool(hub: Hub, name: str) -> Pool:
    for pool in hub.rules.pools:
        if pool.name == name:
            return pool
    known = ", ".join(pool.name for pool in hub.rules.pools)
    raise ValueError(f"no pool is called {name!r}; write one of farm.toml: {known}")
