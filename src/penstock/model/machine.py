"""Machines and the sessions of agents on them."""

import msgspec

from penstock.model import states
from penstock.model.job import Trust
from penstock.model.states import Health, Power, SessionState
from penstock.model.units import Size

FORWARDS = "+forward"
"""What is put behind the release of an agent that leads jobs to the world through the hub; others ignore that they should."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine. Power, health and session are three state machines (I8).

    `has` is what it can give in all, `taken` what live attempts hold of it and `busy` the slots that they sit
    in (guarded by `version`, I13). `sized` is False where it runs one job per slot whatever its size.
    `identity` is the measured fingerprint of its platform; `sandbox` says how its agent runs commands.
    `agent` is the release of its agent, and what that can which others cannot. `accepting`: its agent's open session takes offers. `streak` counts attempts in a row that it may be to
    blame for, `blamed` names their jobs, each once; `failed_ms` is when the last of them ended, in farm time.

    Of what is rented: its row is the intent, written before its provider is called (I6). `provider_id` is its name
    there, "" until the provider has answered; `client_token` goes with every call that makes it, `offer` is what was asked
    for. `power_reason` says why its power is what it is, since `since_ms`; `called`: its provider has taken the call that this
    power stands for. `ordered_ms`: when it was last booted or resumed, `starts`: jobs begun on its disk, `leaves_ms`:
    when it will be reclaimed, 0 = not known. All in farm time.
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
    provider_id: str = ""
    client_token: str = ""
    offer: str = ""
    power_reason: str = ""
    called: bool = False
    since_ms: int = 0
    ordered_ms: int = 0
    starts: int = 0
    leaves_ms: int = 0
    version: int = 0

    @property
    def forwards(self) -> bool:
        """Whether its agent leads jobs to the world through the hub."""
        return self.agent.endswith(FORWARDS)


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


def powered(machine: Machine, power: Power, why: str, now_ms: int) -> Machine:
    """The machine after one step of its power (not written). Raises NotAllowed for one that the table does not have."""
    states.step(states.POWER, machine.power, power)
    return msgspec.structs.replace(machine, power=power, power_reason=why, since_ms=now_ms, called=False)
