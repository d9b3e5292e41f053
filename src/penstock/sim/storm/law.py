"""What a world can say of a step that books alone cannot: how rows became what they are, and what their provider knows."""

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.hub.capacityview import CapacityView
from penstock.hub.provisioner import QUIET_MS
from penstock.hub.timekeeper import STEP_MS
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rules import Rules
from penstock.model.snapshot import ask_of
from penstock.model.states import AttemptState, Power
from penstock.policy import retry
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.setting import is_owned
from penstock.policy.suitability import of_pool
from penstock.ports import Tx
from penstock.sim.storm.provider import Stormy
from penstock.sim.storm.witness import Watched, Witness

Row = Any
UNLISTED = "its provider does not list it any more"


class Law:
    """One world's. `now_ms` is true time."""

    def __init__(
        self, rules: Rules, store: Watched, witness: Witness, providers: Mapping[str, Stormy]
    ) -> None:
        self._rules, self._store, self._witness, self._providers = rules, store, witness, providers
        self._now_ms: int | None = None
        self._farm_ms = self._due_ms = 0
        self._led = True
        self._seen: CapacityView | None = None
        self._looks_ms = 0

    def hold(self, rows: Iterable[tuple[Row | None, Row | None]], now_ms: int, leads: bool) -> None:
        """Hold what one step wrote against it. `leads`: whether anybody does, so that farm time goes on."""
        farm = self._store.read(lambda tx: tx.get(Farm, "farm"))
        assert farm is not None
        self._time(farm, now_ms, leads)
        for old, new in rows:
            if isinstance(new, Attempt):
                self._attempt(old, new, farm, now_ms)
            elif isinstance(new, Machine) and old is not None and new.power == Power.GONE != old.power:
                self._gone(new)

    def _time(self, farm: Farm, now_ms: int, leads: bool) -> None:
        """I10: farm time never goes back, nor faster than time does; after a time without a leader it goes on by one step."""
        if self._now_ms is None:
            self._due_ms = farm.time_ms
        else:
            unled_ms = STEP_MS if leads else 0
            self._due_ms += now_ms - self._now_ms if self._led else unled_ms
            if not self._farm_ms <= farm.time_ms <= self._due_ms:
                self._witness.say(
                    "I10", "farm", f"time is {farm.time_ms}, after {self._farm_ms}, at most {self._due_ms}"
                )
        self._now_ms, self._farm_ms, self._led = now_ms, farm.time_ms, leads

    def _attempt(self, old: Attempt | None, new: Attempt, farm: Farm, now_ms: int) -> None:
        if new.live and new.state == AttemptState.RUNNING:
            most_ms = farm.time_ms + self._rules.lease.right_ms
            if new.right_until_ms > most_ms:
                self._witness.say(
                    "I10", new.id, f"has a right until {new.right_until_ms}, {most_ms} is the most"
                )
        if old is None:
            self._granted(new, now_ms)
        elif new.cause == retry.RIGHT_ENDED.text and old.live and old.right_until_ms > farm.time_ms:
            self._witness.say("I10", new.id, "lost its right before it ended")

    def _granted(self, attempt: Attempt, now_ms: int) -> None:
        job, machine, before = self._store.read(lambda tx: _about(tx, attempt))
        assert job is not None
        assert machine is not None
        provider = self._providers.get(machine.pool)
        noticed_ms = provider.noticed.get(machine.provider_id, now_ms) if provider is not None else now_ms
        if noticed_ms < now_ms:
            self._witness.say("7.5", attempt.id, f"was offered to {machine.name}, which is being taken back")
        if job.spec.retry == "never" and any(one.started_ms for one in before):
            self._witness.say("I4", attempt.id, "is a second try at a job that must not run twice")
        pools = {pool.name: pool for pool in self._rules.pools}
        taken = any(one.cause.startswith(retry.preempted("").text) for one in before)
        if taken and pools[attempt.pool].reclaim_per_hour > 0:
            safe = [
                pool.name
                for pool in self._rules.pools
                if not pool.reclaim_per_hour and not of_pool(ask_of(job), pool)
            ]
            if safe:
                self._witness.say("I5", attempt.id, f"goes to {attempt.pool} after a reclaim, {safe} suit it")
        owned = is_owned(pools[attempt.pool])
        if not owned and not machine.client_token:
            self._witness.say("I6", machine.id, "was never ordered and is used")

    def _gone(self, machine: Machine) -> None:
        """I6: what is not listed is lost only after two complete listings a minute apart."""
        provider = self._providers.get(machine.pool)
        if provider is None or machine.power_reason != UNLISTED or not machine.provider_id:
            return
        if not provider.missed(machine.provider_id):
            self._witness.say("I6", machine.id, "is given up as lost, and was listed a minute ago")

    def settled(self, sight: CapacityView | None) -> None:
        """I3: when the services have passed, nothing is held by a right that is over. I7: what the policy counts is what the
        books have, each machine in one list."""
        farm, first = self._store.read(
            lambda tx: (tx.get(Farm, "farm"), tx.find(Attempt, "live", True, limit=1))
        )
        if farm is not None and first and first[0].right_until_ms <= farm.time_ms:
            self._witness.say(
                "I3", first[0].id, f"is live {farm.time_ms - first[0].right_until_ms} ms after its right"
            )
        now_ms = self._now_ms or 0
        if sight is not None and sight is not self._seen:
            self._seen, self._looks_ms = sight, now_ms + QUIET_MS  # before that it looks at nothing
        elif sight is not None and now_ms >= self._looks_ms:
            self._counted(sight)

    def _counted(self, sight: CapacityView) -> None:
        rows = sight.rows
        rented = {
            name
            for name, row in rows.machines.items()
            if rows.farm.machines[c.MACHINE_POOL][row] in self._columns(sight)
        }
        known = [
            one
            for pool in self._providers
            for one in self._store.read(lambda tx, pool=pool: tx.find(Machine, "pool", pool))  # type: ignore[misc]
        ]
        books = {one.id for one in known if one.power != Power.GONE}
        # What the last try of a pass was refused is told to the policy in the next one.
        refused = {one.id for one in known if one.power == Power.GONE and one.since_ms == self._farm_ms}
        if odd := (rented ^ books) - refused:
            self._witness.say("I7", "capacity", f"{sorted(odd)} are not counted once")
        if sum(rows.farm.lists[c.LIST_COUNT]) != len(rows.machines):
            self._witness.say("I7", "capacity", "a machine is in two lists, or in none")

    def _columns(self, sight: CapacityView) -> set[int]:
        return {sight.rows.pools[pool] for pool in self._providers}


def _about(tx: Tx, attempt: Attempt) -> tuple[Job | None, Machine | None, list[Attempt]]:
    tries = tx.find(Attempt, "job", attempt.job)
    before = [one for one in tries if one.n < attempt.n]
    return tx.get(Job, attempt.job), tx.get(Machine, attempt.machine), before
