"""Carries out power commands: the intent first, as the machine's row, then the call to its provider, then the answer (I6).

A call that was not answered is repeated with the same token; one that was refused is told to the policy. A leader that died
between intent and answer leaves a row that the next one finds: what was made is listed with the row's name on it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import msgspec

from penstock.hub import switched
from penstock.hub.beside import Beside
from penstock.hub.context import Hub
from penstock.hub.dealings import OPERATIONS, Dealings, explained, words_of
from penstock.hub.ender import lose
from penstock.hub.sessions import TOKEN_MS, digest, end_session
from penstock.hub.steps import Step, lead, lead_all
from penstock.hub.wishes import drains, free_name, served
from penstock.model.decision import Boot, Delete, PowerCommand, Resume, Suspend
from penstock.model.farm import Event
from penstock.model.job import Attempt
from penstock.model.machine import Credential, Machine, powered
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, TAG_POOL, Offer, Order
from penstock.model.rules import Pool
from penstock.model.states import POWER, AttemptState, Power
from penstock.model.units import Size
from penstock.policy import offering, retry
from penstock.policy.capacity.view import Failure
from penstock.ports import (
    NoAnswer,
    NoCapacity,
    ProviderError,
    QuotaReached,
    Throttled,
    UnknownMachine,
)
from penstock.queueport import QueueError

CALLED = (Power.REQUESTED, Power.RESUMING, Power.SUSPENDING, Power.DELETING)
"""What a machine's power is while its provider is to be called, or was."""
AGAIN_MS = 2_000
LAST_AGAIN_MS = 60_000
"""Calls are repeated after so long at first, and at last."""
ANSWERS_MAX = 5
"""An order that is not answered so often is given up; what it may have made is deleted when it is listed."""
_WHY: dict[type[ProviderError], Failure] = {
    NoCapacity: "capacity",
    Throttled: "throttled",
    NoAnswer: "capacity",
}


@dataclass
class _Tries:
    """How often one call was tried, and when it may be again."""

    power: Power
    count: int = 0
    not_before_ms: int = 0


class Renter:
    """One leader's dealings with providers. `failures` are orders that came to nothing since they were last taken.

    Which of a pool's offers an order is made from is decided here, by policy/offering; one that gives nothing is followed by
    the next one at once. The capacity policy hears of it when there is none left.
    """

    def __init__(self, hub: Hub, beside: Beside) -> None:
        self._hub, self._beside = hub, beside
        self._secrets: dict[str, str] = {}
        self._tries: dict[str, _Tries] = {}
        self._troubles: dict[str, dict[str, offering.Trouble]] = {}
        self._switched = switched.names(hub)
        self.failures: list[tuple[str, Failure]] = []
        self.dealings = Dealings(hub)

    def intend(self, commands: Iterable[PowerCommand], now_ms: int) -> list[str]:
        """Write the intents of commands, committed together. Returns the machines' ids, "" where one is not what it was any more."""
        intents = [self._order(one, now_ms) if isinstance(one, Boot) else _other(one) for one in commands]
        return lead_all(self._hub, intents)

    def _order(self, boot: Boot, now_ms: int) -> Callable[[Step], str]:
        """What writes the intent of a new machine."""
        machine_id, token, secret = (self._hub.entropy.token(size) for size in (8, 12, 32))
        pool = next(pool for pool in self._hub.rules.pools if pool.name == boot.pool)
        self._secrets[machine_id] = secret
        chosen = offering.choose(self._offers(pool.name), self._troubled(pool.name), now_ms)
        offer, because = chosen or (_only(pool), "")
        why = f"{boot.reason}; {because}" if because else boot.reason
        intent = partial(_intend, pool=pool, machine_id=machine_id, token=token, secret=secret)
        return partial(intent, why=why, offer=offer)

    def carry(self, machines: Iterable[Machine], now_ms: int) -> int:
        """Call providers for all intents that were not answered yet. Returns how many calls were answered now."""
        waiting = {one.id: one for one in machines if one.power in CALLED and not one.called}
        self._forget(waiting)
        due = {f"{one.power} {one.id}": one for one in waiting.values() if self._due(one, now_ms)}
        count = 0
        while due:
            answers = self._beside.results({name: partial(self._call, one) for name, one in due.items()})
            count += len(answers)
            self._note_all({name: (due[name], id_) for name, id_ in answers.items() if isinstance(id_, str)})
            turned = {name: self._answered(due.pop(name), answer, now_ms) for name, answer in answers.items()}
            again = {name: one for name, one in turned.items() if one is not None}
            if not again:
                break
            due |= again
        return count

    def wake_ms(self) -> int | None:
        """When the next call may be repeated, None where none waits for it."""
        return min((tries.not_before_ms for tries in self._tries.values()), default=None)

    def _forget(self, waiting: dict[str, Machine]) -> None:
        """Only what still waits for an answer is remembered."""
        self._secrets = {name: secret for name, secret in self._secrets.items() if name in waiting}
        self._tries = {
            name: tries
            for name, tries in self._tries.items()
            if name in waiting and waiting[name].power == tries.power
        }

    def _due(self, machine: Machine, now_ms: int) -> bool:
        tries = self._tries.get(machine.id)
        if tries is not None and tries.power == machine.power and tries.not_before_ms > now_ms:
            return False
        if machine.power == Power.REQUESTED:
            return machine.id in self._secrets
        return bool(machine.provider_id)

    def _call(self, machine: Machine) -> str | ProviderError:
        """The machine's id at its provider, or what went wrong."""
        provider = self._hub.providers[machine.pool]
        try:
            if machine.power == Power.REQUESTED:
                return provider.create(self._wanted(machine))
            call: Callable[[str], None] = {
                Power.RESUMING: provider.resume,
                Power.SUSPENDING: provider.suspend,
                Power.DELETING: provider.delete,
            }[machine.power]
            call(machine.provider_id)
        except ProviderError as problem:
            return problem
        except Exception as problem:  # whatever a library raises: it may have been carried out
            return NoAnswer(f"{type(problem).__name__}: {problem}")
        return machine.provider_id

    def _secret(self, machine: Machine, pool: Pool | None) -> str:
        """What the machine's agent says who it is with: to us, or to the system that it works for."""
        if pool is None or pool.serves is None:
            return self._secrets[machine.id]
        try:
            return self._hub.queues[pool.serves.url].secret(machine.name)
        except QueueError as problem:
            raise QuotaReached(str(problem)) from None

    def _wanted(self, machine: Machine) -> Order:
        farm, incarnation = machine.client_token.split(":")[:2]
        pool = served(self._hub.rules.pools, machine.pool)
        tags = {
            TAG_FARM: farm,
            TAG_INCARNATION: incarnation,
            TAG_MACHINE: machine.id,
            TAG_POOL: machine.pool,
        }
        return Order(
            offer=machine.offer,
            token=machine.client_token,
            tags=tags,
            secret=self._secret(machine, pool),
            name=machine.name,
            hub=(pool.serves.master or pool.serves.url) if pool and pool.serves else self._hub.rules.address,
        )

    def _note_all(self, taken: dict[str, tuple[Machine, str]]) -> None:
        """Write down which calls were taken, committed together."""
        notes = (partial(_note, machine_id=m.id, power=m.power, provider_id=id_) for m, id_ in taken.values())
        lead_all(self._hub, notes)

    def _answered(self, machine: Machine, answer: str | ProviderError, now_ms: int) -> Machine | None:
        """Write down what came of a call that was not taken. Returns the machine where it is to be ordered from another offer, now."""
        if isinstance(answer, str):
            self._tries.pop(machine.id, None)
            return None
        self.dealings.failed(machine.pool, OPERATIONS[machine.power], answer)
        if machine.pool in self._switched:
            self._not_switched(machine, answer, now_ms)
        elif isinstance(answer, UnknownMachine):
            lead(self._hub, partial(vanished, machine_id=machine.id, why=str(answer)))
        elif other := self._other_offer(machine, answer, now_ms):
            why = f"{machine.power_reason}; {machine.offer} gave none ({answer}), now {other.name}"
            return lead(self._hub, partial(_turn_to, machine_id=machine.id, offer=other, why=why))
        elif machine.power in (Power.REQUESTED, Power.RESUMING) and self._given_up(machine, answer, now_ms):
            self.failures.append((machine.id, _why(answer)))
            lead(self._hub, partial(_refused, machine_id=machine.id, why=words_of(answer)))
        elif machine.power not in (Power.REQUESTED, Power.RESUMING):
            self._later(machine, now_ms)
        return None

    def _offers(self, pool: str) -> tuple[Offer, ...]:
        """What the pool's provider offers; none where it cannot say."""
        try:
            return self._hub.providers[pool].offers()
        except ProviderError:
            return ()

    def _troubled(self, pool: str) -> dict[str, offering.Trouble]:
        return self._troubles.setdefault(pool, {})

    def _other_offer(self, machine: Machine, answer: ProviderError, now_ms: int) -> Offer | None:
        """Where an order may still be made after its offer surely gave nothing."""
        if machine.power != Power.REQUESTED or not isinstance(answer, NoCapacity | QuotaReached):
            return None
        troubles = self._troubled(machine.pool)
        why: offering.Why = "quota" if isinstance(answer, QuotaReached) else "capacity"
        troubles[machine.offer] = offering.after_failure(troubles.get(machine.offer), why, now_ms)
        left = offering.open_offers(self._offers(machine.pool), troubles, now_ms)
        return left[0] if left else None

    def _not_switched(self, machine: Machine, answer: ProviderError, now_ms: int) -> None:
        """The switch of an owned machine has failed: it alone is left out for a while, and people are told."""
        if machine.power != Power.RESUMING:
            self._later(machine, now_ms)
        elif self._given_up(machine, answer, now_ms, switched.ANSWERS_MAX):
            why = f"{switched.FAILED}{answer}"
            lead(self._hub, partial(switched.rest, machine_id=machine.id, why=why))
        else:
            lead(
                self._hub, partial(switched.waits, machine_id=machine.id, why=f"{answer}, it is asked again")
            )

    def _given_up(
        self, machine: Machine, answer: ProviderError, now_ms: int, most: int = ANSWERS_MAX
    ) -> bool:
        """Whether an order has come to nothing; one without an answer is repeated a few times first."""
        if not isinstance(answer, NoAnswer):
            return True
        return self._later(machine, now_ms).count >= most

    def _later(self, machine: Machine, now_ms: int) -> _Tries:
        tries = self._tries.get(machine.id)
        if tries is None or tries.power != machine.power:
            tries = self._tries[machine.id] = _Tries(machine.power)
        tries.not_before_ms = now_ms + min(LAST_AGAIN_MS, AGAIN_MS << min(tries.count, 8))
        tries.count += 1
        return tries


def _why(answer: ProviderError) -> Failure:
    """What the capacity policy is told of an order that came to nothing."""
    if isinstance(answer, QuotaReached):
        return "crowded" if answer.shared else "quota"
    return _WHY.get(type(answer), "capacity")


def _only(pool: Pool) -> Offer:
    """What is asked for where a provider does not say what it offers."""
    return Offer(name=pool.name, price_per_hour_micros=pool.price_per_hour_micros)


def _intend(
    step: Step, *, pool: Pool, machine_id: str, token: str, secret: str, why: str, offer: Offer
) -> str:
    """The row of a machine that is about to be ordered, and what its agent will enrol with."""
    farm = step.farm
    machine = Machine(
        id=machine_id,
        name=free_name(pool, step.tx.find(Machine, "pool", pool.name))
        if pool.serves
        else f"{pool.name}-{machine_id[-6:]}",
        pool=pool.name,
        platforms=pool.platforms,
        trust=pool.trust,
        slots=pool.slots,
        has=pool.size or Size(pool.slots, None),
        sized=pool.size is not None,
        price_per_hour_micros=offer.price_per_hour_micros,
        power=Power.REQUESTED,
        client_token=f"{farm.uid}:{farm.incarnation}:{token}",
        offer=offer.name,
        power_reason=why,
        since_ms=step.now_ms,
        ordered_ms=step.now_ms,
    )
    step.tx.insert(machine)
    if pool.serves is None:
        _let_enrol(step, machine, secret)
    _tell(step, machine)
    return machine_id


def _let_enrol(step: Step, machine: Machine, secret: str) -> None:
    """What the machine's agent will enrol with."""
    enrolment = Credential(
        digest=digest(secret),
        kind="enrolment",
        pool=machine.pool,
        machine=machine.id,
        expires_ms=step.now_ms + TOKEN_MS,
    )
    step.tx.insert(enrolment)


def _other(command: PowerCommand) -> Callable[[Step], str]:
    """What writes the intent of a command to a machine that there is."""
    assert not isinstance(command, Boot)
    power = {Resume: Power.RESUMING, Suspend: Power.SUSPENDING, Delete: Power.DELETING}[type(command)]
    act = partial(_command, machine_id=command.machine, power=power, why=command.reason)
    return lambda step: command.machine if act(step) else ""


def _command(step: Step, machine_id: str, power: Power, why: str) -> bool:
    """One command, if nothing runs there. What works for another system drains first, until that has let go of it."""
    machine = step.tx.get(Machine, machine_id)
    if machine is None or machine.busy or machine.power != Power.UP:
        return turn(step, machine_id, power, why)
    if served(step.hub.rules.pools, machine.pool) is None:
        return turn(step, machine_id, power, why)
    drains(step, machine, power, why)
    return True


def _turn_to(step: Step, machine_id: str, offer: Offer, why: str) -> Machine | None:
    """The intent of a machine that is now ordered from another offer; None where it is not to be ordered any more."""
    machine = step.need(Machine, machine_id)
    if machine.power != Power.REQUESTED or machine.provider_id:
        return None
    price = offer.price_per_hour_micros
    return step.put(
        msgspec.structs.replace(machine, offer=offer.name, price_per_hour_micros=price, power_reason=why)
    )


def turn(step: Step, machine_id: str, power: Power, why: str) -> bool:
    """One step of a machine's power, if nothing runs there and the table has it: offers and power exclude each other
    (I14). Its agent is heard no more where it is to stop."""
    machine = step.tx.get(Machine, machine_id)
    if machine is not None and power == Power.DELETING and machine.pool in switched.names(step.hub):
        power = Power.SUSPENDING  # what is owned is switched off, never given back
    if machine is None or machine.busy or not POWER.allows(machine.power, power):
        return False
    # An agent that registered once more before its machine slept has to register again: that is how it is known to be up.
    after = end_session(step, powered(machine, power, why, step.now_ms))
    if power == Power.RESUMING:
        after = msgspec.structs.replace(after, ordered_ms=step.now_ms)
    step.put(after)
    _tell(step, after)
    return True


def vanished(step: Step, machine_id: str, why: str, reclaimed: bool = False) -> bool:
    """A machine is gone at its provider: what ran there is tried again, elsewhere where it was taken away."""
    machine = step.need(Machine, machine_id)
    if machine.power == Power.GONE:
        return False
    cause = retry.preempted(why) if reclaimed else retry.gone(why)
    for attempt in step.tx.find(Attempt, "machine", machine_id, True):
        lose(step, attempt, AttemptState.PREEMPTED, cause)
    after = end_session(step, step.need(Machine, machine_id))
    after = powered(after, Power.GONE, why, step.now_ms)
    step.put(after)
    for credential in step.tx.find(Credential, "machine", machine_id):
        step.tx.delete(credential)
    _tell(step, after)
    return True


def _note(step: Step, machine_id: str, power: Power, provider_id: str) -> None:
    """The provider has taken the call."""
    machine = step.need(Machine, machine_id)
    if machine.power != power:
        if not machine.provider_id:
            step.put(msgspec.structs.replace(machine, provider_id=provider_id))
        return
    why = explained(machine.power_reason, "")
    after = msgspec.structs.replace(machine, provider_id=provider_id, power_reason=why)
    if power == Power.REQUESTED:
        after = powered(after, Power.BOOTING, why, step.now_ms)
    step.put(msgspec.structs.replace(after, called=True))


def _refused(step: Step, machine_id: str, why: str) -> None:
    """An order came to nothing: the machine is not there, or sleeps on."""
    machine = step.need(Machine, machine_id)
    if machine.power == Power.REQUESTED:
        vanished(step, machine_id, why)
    elif machine.power == Power.RESUMING:
        after = powered(machine, Power.SUSPENDED, why, step.now_ms)
        step.put(msgspec.structs.replace(after, called=True))
        _tell(step, after)


def _tell(step: Step, machine: Machine) -> None:
    """The event of a step of power: views follow it, people read why."""
    step.tell(Event(kind="power", machine=machine.id, state=machine.power, reason=machine.power_reason))
