"""Machines and the sessions of agents on them."""

import msgspec

from penstock.model.job import Trust
from penstock.model.states import Health, Power, SessionState
from penstock.model.units import Size


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine. Power, health and session are three state machines (I8).

    `has` is what it can give in all, `taken` what live attempts hold of it and `busy` the slots that they sit
    in (guarded by `version`, I13). `sized` is False where it runs one job per slot whatever its size.
    `identity` is the measured fingerprint of its platform; `sandbox` says how its agent runs commands.
    `agent` is the release of its agent. `accepting`: its agent's open session takes offers. `streak` counts attempts in a row that it may be to
    blame for, `blamed` names their jobs, each once; `failed_ms` is when the last of them ended, in farm time.
    """

    id: str
    name: str
    pool: str
    platforms: tuple[str, ...] = ()
    trust: tuple[Trust, ...] = ("untrusted", "trusted")
    slots: int = 1
    has: Size = Size(1, None)
    sized: bool = True
    taken: Size = Size(0, 0)
    busy: tuple[int, ...] = ()
    identity: str = ""
    sandbox: str = "bubblewrap"
    price_per_hour_micros: int = 0
    power: Power = Power.REGISTERING
    health: Health = Health.UNKNOWN
    health_reason: str = ""
    streak: int = 0
    blamed: tuple[str, ...] = ()
    failed_ms: int = 0
    session: str = ""
    accepting: bool = False
    agent: str = ""
    version: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an agent on a machine. `token_digest` is all that is kept of its token; `call` is the
    highest number of a call seen; `contact_ms` (of the last call), `started_ms` and `expires_ms` are farm time."""

    id: str
    machine: str
    state: SessionState = SessionState.CONNECTING
    token_digest: str = ""
    call: int = 0
    contact_ms: int = 0
    started_ms: int = 0
    expires_ms: int = 0
    open: bool = True
    version: int = 0


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What may register a machine: a one-time enrolment token or a machine's own credential, hashed.

    `kind` is "enrolment" or "machine"; `key_digest` binds a used enrolment token to the key that used it, so
    that the same (token, key) may register again until `expires_ms` (farm time; 0 = never).
    """

    digest: str
    kind: str
    pool: str
    machine: str = ""
    key_digest: str = ""
    expires_ms: int = 0
    revoked: bool = False
    version: int = 0
