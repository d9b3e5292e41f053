"""Asks the provider of a rented machine about it before its agent registers: outside any transaction, and only for secrets that
this farm has given out."""

from typing import Protocol, runtime_checkable

from penstock.hub.context import Hub, Unauthorized
from penstock.hub.steps import look
from penstock.model.machine import Credential, Machine
from penstock.model.rented import Shown
from penstock.policy.instances import Evidence, read, started_ms
from penstock.ports import ProviderError, Tx, UnknownMachine


@runtime_checkable
class Vouches(Protocol):
    """A provider whose machines can say which one they are; of calls the same is true as of Provider's."""

    def unsigned(self, document: str, signature: str) -> str:
        """Why the provider has not signed what a machine says about itself; "" where it has, or nobody wants to know."""
        ...

    def shown(self, id_: str, started_ms: int) -> Shown:
        """A machine as it is now; what is known already will do if it says that the machine was started then."""
        ...


def evidence(hub: Hub, token: str, document: str, signature: str) -> Evidence | None:
    """What is known of the machine that has this secret (its digest is `token`). None where its provider vouches for nothing, or
    has not said yet which one it is; also where it does not answer and the machine has enrolled before. Raises Unauthorized
    where it does not answer and has not."""
    found = look(hub, lambda tx, farm: _asked_for(tx, token))
    provider = hub.providers.get(found[1].pool) if found else None
    if found is None or not isinstance(provider, Vouches):
        return None
    credential, machine = found
    if unsigned := provider.unsigned(document, signature):
        return Evidence(unsigned=unsigned)
    try:
        return Evidence(shown=provider.shown(machine.provider_id, started_ms(read(document))))
    except UnknownMachine:
        return Evidence()
    except ProviderError as problem:
        if credential.kind == "machine":
            return None
        raise Unauthorized(f"its provider does not answer ({problem}): come again") from problem


def _asked_for(tx: Tx, token: str) -> tuple[Credential, Machine] | None:
    """The machine that was ordered, and made by its provider, for whom this secret is."""
    credential = tx.get(Credential, token)
    machine = tx.get(Machine, credential.machine) if credential and not credential.revoked else None
    if credential is None or machine is None or not (machine.client_token and machine.provider_id):
        return None
    return credential, machine
