"""One transaction at work: it reads the farm's row once, writes steps of the state tables, each with its event,
and remembers whom to wake after the commit."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

import msgspec

from penstock.hub.context import Frozen, Hub, NotFound, NotLeading
from penstock.hub.gathered import GatheredTx
from penstock.model.change import Build
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job, attempt_moved, moved
from penstock.model.machine import Machine
from penstock.model.states import JOB, AttemptState, JobState, Power
from penstock.model.units import NEVER_MS
from penstock.ports import Tx

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")
_ON_THE_WAY = (JobState.RUNNING, AttemptState.FINISHING)


class Step:
    """A transaction with the farm's row, its times, and the topics to wake."""

    def __init__(self, tx: Tx, hub: Hub, farm: Farm) -> None:
        self.tx = GatheredTx(tx)
        self.hub = hub
        self.farm = farm
        self.now_ms = farm.time_ms
        self.wall_ms = hub.clock.wall_ms()
        self.woken: set[str] = set()
        self._untold: dict[str, Machine | Job] = {}
        self._powers: dict[str, Power | None] = {}
        self._events: list[Event] = []

    def need(self, kind: type[R], *key: str) -> R:
        """The record with this key. Raises NotFound."""
        found = self.tx.get(kind, *key)
        if found is None:
            raise NotFound(kind.__name__.lower(), key[-1])
        return found

    def put(self, record: R) -> R:
        """Write a record over what was read, and give it as it is stored now. Raises Stale."""
        if isinstance(record, Machine) and record.id not in self._powers:
            before = self.tx.get(Machine, record.id)
            self._powers[record.id] = before.power if before else None
        self.tx.replace(record)
        stored = msgspec.structs.replace(record, version=record.version + 1)  # type: ignore[attr-defined]
        if isinstance(stored, Machine) or (isinstance(stored, Job) and stored.state == JobState.QUEUED):
            self._untold[stored.id] = stored
        return stored

    def move(
        self, job: Job, state: JobState, reason: str, attempt: Attempt | None = None, **changes: object
    ) -> Job:
        """One step of a job with its event. A job that ends waits for nobody and nothing any more."""
        after = moved(job, state, reason, **changes)
        if not after.open:
            after = msgspec.structs.replace(after, ended_ms=self.wall_ms, waits_on="", deadline_ms=NEVER_MS)
        stored = self.put(after)
        self.tell_job(stored, attempt)
        return stored

    def tell_job(self, job: Job, attempt: Attempt | None = None) -> None:
        """The event of a job as it stands now; written after the job, so that events of one job keep their order."""
        if job.state not in (JobState.OFFERED, JobState.RUNNING):
            self.woken.add("farm")
        self.tell(
            Event(
                kind="job",
                build=job.build,
                job=job.id,
                attempt=attempt.id if attempt else "",
                machine=attempt.machine if attempt else "",
                state=job.state,
                reason=job.reason,
            )
        )

    def tell_machine(self, machine: Machine, reason: str = "") -> None:
        """The event of a machine as its people see it: its health, and why, unless that is its own reason."""
        why = reason or machine.health_reason
        self.tell(Event(kind="machine", machine=machine.id, state=machine.health, reason=why))

    def tell_build(self, build: Build) -> None:
        """The event of a build."""
        self.tell(Event(kind="build", build=build.id, state=build.state, reason=build.reason))

    def tell(self, event: Event) -> None:
        """One event of this moment, for the outbox."""
        self._events.append(msgspec.structs.replace(event, at_ms=self.wall_ms))

    def end(self) -> None:
        """Write what waits, and the events. Nothing may be done after it."""
        self._tell_rest()
        self.tx.flush()
        ended = {event.job for event in self._events if event.kind == "job" and JOB.terminal(event.state)}
        # What began and ended in one transaction is told by its end.
        told = [event for event in self._events if event.job not in ended or event.state not in _ON_THE_WAY]
        if told:
            self.tx.append(told)

    def _tell_rest(self) -> None:
        """Tell of machines and queued jobs that were written and of which no event spoke: views follow events. The
        ledger follows the powers that they say, so a new power is told though another event spoke of its machine."""
        told = {event.job for event in self._events} | {event.machine for event in self._events}
        powers = {(event.machine, event.state) for event in self._events}
        for name, record in self._untold.items():
            if isinstance(record, Machine):
                moved = self._powers[name] != record.power and (name, record.power) not in powers
                if moved or name not in told:
                    self.tell(Event(kind="capacity", machine=record.id, state=record.power))
            elif name not in told:
                self.tell_job(record)


def end_attempt(step: Step, attempt: Attempt, state: AttemptState, cause: str, **changes: object) -> Attempt:
    """One step of an attempt into an end. Its machine's agent is woken to hear of it, unless it said so itself."""
    if attempt.state != AttemptState.FINISHING:
        step.woken.add(f"machine:{attempt.machine}")
    ended_ms = attempt.ended_ms or step.wall_ms
    return step.put(attempt_moved(attempt, state, cause, ended_ms=ended_ms, **changes))


def free_slot(machine: Machine, attempt: Attempt) -> Machine:
    """The machine without what this attempt held of it (not written)."""
    busy = tuple(slot for slot in machine.busy if slot != attempt.slot)
    return msgspec.structs.replace(machine, busy=busy, taken=machine.taken.less(attempt.size))


def take_slot(machine: Machine, slot: int, attempt: Attempt) -> Machine:
    """The machine with this attempt on that slot (not written)."""
    busy = tuple(sorted((*machine.busy, slot)))
    taken, starts = machine.taken.more(attempt.size), machine.starts + 1
    return msgspec.structs.replace(machine, busy=busy, taken=taken, starts=starts)


def change(hub: Hub, operation: Callable[[Step], T]) -> T:
    """Run `operation` in a transaction; after its commit wake whom it concerns.

    Raises NotFound where there is no farm yet, and what `operation` raises.
    """
    return _woken(hub, hub.store.write(_stepping(hub, operation)))


def begin(hub: Hub, operation: Callable[[Step], T]) -> Future[T]:
    """As `change`, without waiting: for callers that must not block. Its future is done after the commit."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # who leaves takes nothing back

    def pass_on(written: Future[tuple[T, set[str]]]) -> None:
        try:
            done.set_result(_woken(hub, written.result()))
        except BaseException as wrong:  # whatever it was, it belongs to who waits
            done.set_exception(wrong)

    hub.store.submit(_stepping(hub, operation)).add_done_callback(pass_on)
    return done


def lead(hub: Hub, operation: Callable[[Step], T], frozen_too: bool = False) -> T:
    """As `change`, for deciding services: changes nothing and raises NotLeading when another process leads, Frozen in
    a farm that was frozen since it was looked at, unless `frozen_too`."""
    return change(hub, _led(hub, operation, frozen_too))


def lead_all(hub: Hub, operations: Iterable[Callable[[Step], T]]) -> list[T]:
    """As `lead` for each, in order, each in a transaction of its own; the store may commit them together.

    All are tried; then what the first that failed raised is raised.
    """
    futures = [hub.store.submit(_stepping(hub, _led(hub, operation))) for operation in operations]
    wait(futures)
    return [_woken(hub, future.result()) for future in futures]


def _stepping(hub: Hub, operation: Callable[[Step], T]) -> Callable[[Tx], tuple[T, set[str]]]:
    """`operation` for the store, made to return also whom to wake."""

    def run(tx: Tx) -> tuple[T, set[str]]:
        step = Step(tx, hub, _farm(tx))
        result = operation(step)
        step.end()
        return result, step.woken

    return run


def _led(hub: Hub, operation: Callable[[Step], T], frozen_too: bool = False) -> Callable[[Step], T]:
    """`operation`, refused when another process leads, or nobody decides."""

    def run(step: Step) -> T:
        if step.farm.leader_epoch != hub.epoch:
            raise NotLeading(f"epoch {step.farm.leader_epoch} leads, this is {hub.epoch}")
        if step.farm.frozen and not frozen_too:
            raise Frozen(f"the farm is frozen: {step.farm.frozen_reason}")
        return operation(step)

    return run


def _woken(hub: Hub, done: tuple[T, set[str]]) -> T:
    result, topics = done
    for topic in sorted(topics):
        hub.wake.wake(topic)
    return result


def look(hub: Hub, operation: Callable[[Tx, Farm], T]) -> T:
    """Read from one consistent view, given the farm's row."""
    return hub.store.read(lambda tx: operation(tx, _farm(tx)))


def _farm(tx: Tx) -> Farm:
    farm = tx.get(Farm, "farm")
    if farm is None:
        raise NotFound("farm", "farm")
    return farm
