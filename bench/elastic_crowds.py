"""What happens to thousands at once on a large rented farm, and what the passes take that deal with it.

Each is followed by a dozen passes, two seconds of farm time apart; what is left then is dealt with among what comes next.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from penstock.hub import people
from penstock.hub.loop import Services
from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Guarding
from penstock.model.machine import Session
from penstock.model.rules import Guard
from penstock.model.states import AttemptState, GuardState, JobState
from penstock.ports import Store, Tx

RIGHTS, SILENT, TAKEN, GIVEN_UP = 700, 2_500, 1_000, 20_000
"""Rights that end: fewer than a fifth of what runs, so they are not extended."""
PASSES = 12


class Crowds:
    """`large`: the farm, with all its machines at work. `pass_`: makes a pass and notes what it took under a name."""

    def __init__(self, large: Any, pass_: Callable[[str], None]) -> None:
        self._large, self._pass = large, pass_
        self._store: Store = large.hub.store

    def run(self) -> None:
        """One after the other, on one farm."""
        self._give_up()
        self._expire()
        self._end_rights()
        self._take_back()
        self._guard()
        self._fall_silent()
        self._extend()

    def _after(self, about: str) -> None:
        for _ in range(PASSES):
            self._pass(about)

    def _running(self) -> list[Attempt]:
        found = self._store.read(lambda tx: tx.find(Attempt, "live", True))
        return [one for one in found if one.state == AttemptState.RUNNING]

    def _last(self) -> list[Job]:
        """The last of the queue: what is changed there behind everybody's back is not offered meanwhile."""
        return self._store.read(
            lambda tx: tx.find(Job, "state", JobState.QUEUED, backwards=True, limit=GIVEN_UP)
        )

    def _write(self, records: Iterable[Any]) -> None:
        """Records over what is stored, thousands in a transaction."""
        rows = list(records)

        def write(tx: Tx) -> None:
            for row in rows:
                tx.replace(row)

        self._store.write(write)

    def _end_rights(self) -> None:
        ended = self._running()[:RIGHTS]
        self._write(msgspec.structs.replace(one, right_until_ms=0) for one in ended)
        self._after(f"{RIGHTS:,} rights end")

    def _extend(self) -> None:
        ended = self._running()
        self._write(msgspec.structs.replace(one, right_until_ms=0) for one in ended)
        self._after("all rights end, and are extended once")

    def _fall_silent(self) -> None:
        found = self._store.read(lambda tx: tx.find(Session, "contact", True))[:SILENT]
        self._write(msgspec.structs.replace(one, contact_ms=-(10**9)) for one in found)
        self._after(f"{SILENT:,} machines fall silent")

    def _take_back(self) -> None:
        provider = self._large.provider
        provider.weather = msgspec.structs.replace(provider.weather, notice_ms=0)
        for id_ in list(provider.up())[-TAKEN:]:
            provider.take_back(id_)
        self._after(f"{TAKEN:,} machines are taken away")

    def _give_up(self) -> None:
        """The largest build is cancelled: one call, and the passes after it."""
        jobs = self._last()
        self._write(msgspec.structs.replace(one, build="large") for one in jobs)
        build = Build(id="large", change="c", source="s")
        self._store.write(lambda tx: tx.insert(build))
        self._large.time(
            f"the call that cancels {GIVEN_UP:,} jobs",
            lambda: people.cancel(self._large.hub, "large"),
        )
        self._after(f"{GIVEN_UP:,} jobs are cancelled")

    def _expire(self) -> None:
        jobs = self._last()
        self._write(msgspec.structs.replace(one, deadline_ms=1) for one in jobs)
        self._after(f"{GIVEN_UP:,} jobs waited too long")

    def _guard(self) -> None:
        """farm.toml is read again, with a guard; then it fires, and is taken back."""
        services: Services = self._large.services
        guard = Guard(name="stop", when="forecast > 100%", hold_ms=0, then=("frozen",), approval="manual")
        rules = msgspec.structs.replace(self._large.hub.rules, guards=(guard,))
        self._large.services = Services(
            replace(services.hub, rules=rules), None, services._timekeeper, moment_ms=0
        )
        self._after("farm.toml was read again")
        row = Guarding(name="stop", state=GuardState.ACTIVE, fired_ms=1)
        self._store.write(lambda tx: tx.insert(row))
        self._after("a guard freezes what is rented")
