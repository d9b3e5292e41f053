"""Whether a secret may go to an agent now: what the plan allowed, held once more against job, machine and pool."""

from penstock.hub.context import Hub, Refused
from penstock.hub.queue import may_write
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.machine import Machine, Session
from penstock.model.rules import Rules
from penstock.model.secret import Secret
from penstock.model.states import AttemptState
from penstock.policy.secrets import given_now
from penstock.ports import Tx

ONLY = ("trusted",)


def secret_for(hub: Hub, session: Session, attempt: str, fence: str, name: str) -> Secret | None:
    """The secret that this attempt is to be given; None where it is not for it: which of many reasons is not told.

    It runs (acknowledged, not ended) on this session's machine, which is sandboxed and, as its pool, takes trusted jobs
    only. Raises Refused when the right has ended, NotFound for another's attempt.
    """
    found = may_write(hub, session, attempt, fence)
    if found.state != AttemptState.RUNNING:
        raise Refused("it does not run yet: acknowledge it first", stop=False)

    def check(tx: Tx, _: Farm) -> bool:
        job, machine = tx.get(Job, found.job), tx.get(Machine, session.machine)
        if job is None or machine is None or not given_now(job.spec, name, hub.rules.secrets):
            return False
        return machine.sandbox == "bubblewrap" and machine.trust == ONLY and _trusted(hub.rules, machine.pool)

    return hub.rules.secrets[name] if look(hub, check) else None


def _trusted(rules: Rules, pool: str) -> bool:
    """Whether farm.toml says so now: a machine keeps what its pool was when it registered."""
    return any(one.name == pool and one.trust == ONLY for one in rules.pools)
