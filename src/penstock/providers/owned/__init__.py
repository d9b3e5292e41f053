"""Provider "owned": machines that are there anyway and have a switch. They are woken and sent to sleep, never made, never given back.

Its machines' ids are their names in `[[pool.control]]`: the hub knows its rows by them. A switch that does not answer is left
out of a listing, which is incomplete then.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from penstock.model.pool_power import IPMI, REDFISH, Control, place_of
from penstock.model.rented import Instance, InstanceState, Listing, Notice, Offer, Order
from penstock.model.rules import Pool, Quantiles
from penstock.ports import NoAnswer, ProviderError, QuotaReached, UnknownMachine
from penstock.providers.owned.ipmi import Ipmi
from penstock.providers.owned.redfish import Redfish
from penstock.providers.owned.wake import Wake

T = TypeVar("T")
LONGEST_S = 4.8
"""No call takes longer."""
THREADS_MAX = 64
SOFT_MS = 120_000
"""A machine that was asked to shut down is switched off hard when it is asked again so much later, or after twice the time that
suspending takes."""
COMING_MS = 30_000
"""For so long a machine that was switched on is said to be coming though its switch still says off."""
FORGOTTEN_MS = 600_000
"""What a machine was told longer ago has ended, however it did: the same again is another wish."""


class Switch(Protocol):
    """One machine's switch. All raise ProviderError."""

    def is_on(self) -> bool | None:
        """Whether the machine has power; None where the switch cannot tell."""
        ...

    def on(self) -> None:
        """Switch it on; one that is on is let alone."""
        ...

    def off(self, hard: bool) -> None:
        """Have it shut down, or take its power away; one that is off is let alone."""
        ...


@dataclass(frozen=True)
class _Told:
    """What a machine was told last, and when first. `heard`: whether its switch has taken it."""

    on: bool
    at_ms: int
    heard: bool = False


def switch_of(control: Control) -> Switch:
    """What speaks to the switch of this address."""
    place = place_of(control.address)
    if place.kind == IPMI:
        return Ipmi(control, place)
    return Redfish(control, place) if place.kind == REDFISH else Wake(place)


class Owned:
    """One pool's machines that have a switch. `now`: what time it is, in milliseconds."""

    def __init__(
        self, pool: Pool, now: Callable[[], int], switches: Mapping[str, Switch] | None = None
    ) -> None:
        self._pool, self._now = pool, now
        self._switches = dict(switches or {one.machine: switch_of(one) for one in pool.controls})
        self._soft_ms = max(SOFT_MS, 2 * pool.suspend_ms)
        self._lock = threading.Lock()
        self._told: dict[str, _Told] = {}

    def offers(self) -> tuple[Offer, ...]:
        """As ports.Provider: what its machines cost; there are no more of them."""
        pool = self._pool
        return (
            Offer(
                name=pool.name,
                price_per_hour_micros=pool.price_per_hour_micros,
                stopped_price_per_hour_micros=pool.stopped_price_per_hour_micros,
                boot=pool.resume or Quantiles(),
                resume=pool.resume,
                quota_left=0,
            ),
        )

    def create(self, order: Order) -> str:
        """As ports.Provider: never."""
        raise QuotaReached(f"{self._pool.name} is owned: there are no more machines than there are")

    def resume(self, id_: str) -> None:
        """As ports.Provider."""
        switch = self._switch(id_)
        self._tell(id_, True)
        self._alone(id_, switch.on)

    def suspend(self, id_: str) -> None:
        """As ports.Provider: softly, and hard when it is asked again much later."""
        switch = self._switch(id_)
        told = self._tell(id_, False)
        hard = self._now() - told.at_ms >= self._soft_ms
        if hard or not told.heard:
            self._alone(id_, lambda: switch.off(hard))
            with self._lock:
                self._told[id_] = replace(told, heard=True)

    def delete(self, id_: str) -> None:
        """As ports.Provider: never."""
        self._switch(id_)
        raise ProviderError(f"{id_} of {self._pool.name} is owned: it is switched off, never given back")

    def list(self) -> Listing:
        """As ports.Provider: all switches are asked at the same time."""
        answers = _within({name: one.is_on for name, one in self._switches.items()})
        known = {name: answer for name, answer in answers.items() if not isinstance(answer, ProviderError)}
        found = tuple(Instance(id=name, state=self._state(name, on)) for name, on in known.items())
        return Listing(instances=found, complete=len(found) == len(answers))

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider: nobody takes them back."""
        return ()

    def console(self, id_: str) -> str:
        """As ports.Provider: a switch hears nothing of what its machine prints."""
        self._switch(id_)
        return ""

    def _switch(self, id_: str) -> Switch:
        if id_ not in self._switches:
            raise UnknownMachine(f"{self._pool.name} has no [[pool.control]] for {id_}")
        return self._switches[id_]

    def _tell(self, id_: str, on: bool) -> _Told:
        """Note what the machine is told, unless it was told so already."""
        with self._lock:
            told = self._told.get(id_)
            if told is None or told.on != on or self._now() - told.at_ms > FORGOTTEN_MS:
                told = self._told[id_] = _Told(on, self._now())
            return told

    def _state(self, id_: str, on: bool | None) -> InstanceState:
        """What is so; where the switch cannot tell, what was asked for, once it had time."""
        with self._lock:
            told = self._told.get(id_)
            if on is False and told is not None and not told.on:
                del self._told[id_]  # done
        ago_ms = self._now() - told.at_ms if told else 0
        if on is None and told is not None and not told.on and ago_ms <= FORGOTTEN_MS:
            return "stopped" if ago_ms >= max(self._pool.suspend_ms, COMING_MS) else "stopping"
        if on is not False:
            return "stopping" if on and told is not None and not told.on else "up"
        return "coming" if told is not None and told.on and ago_ms < COMING_MS else "stopped"

    def _alone(self, id_: str, act: Callable[[], None]) -> None:
        """One call. Raises what became of it."""
        answer = _within({id_: act})[id_]
        if isinstance(answer, ProviderError):
            raise answer


def _within(acts: Mapping[str, Callable[[], T]]) -> dict[str, T | ProviderError]:
    """Do all at the same time. What has no answer in LONGEST_S is left to end by itself."""
    if not acts:
        return {}
    pool = ThreadPoolExecutor(min(len(acts), THREADS_MAX), "switch")
    begun: dict[str, Future[T]] = {name: pool.submit(act) for name, act in acts.items()}
    wait(begun.values(), LONGEST_S)
    pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[str, T | ProviderError] = {}
    for name, one in begun.items():
        answer = _answer(name, one)
        answers[name] = answer
    return answers


def _answer(name: str, begun: Future[T]) -> T | ProviderError:
    if not begun.done() or begun.cancelled():
        return NoAnswer(f"the switch of {name} did not answer in {LONGEST_S:g} s")
    try:
        return begun.result()
    except ProviderError as problem:
        return type(problem)(f"the switch of {name}: {problem}")
    except OSError as problem:
        return NoAnswer(f"the switch of {name}: {problem}")
