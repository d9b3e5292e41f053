"""Bugs to be planted in the live services, each a line or two, as somebody might write them. The storm has to find each.

A bug is a function that plants it; SEEDS says on which days it is found, every one of them. Days change with the storm:
`python -m tests.planted` finds such days anew.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from penstock.hub import (
    archive,
    capacityview,
    placer,
    pruner,
    queue,
    reconciler,
    releaser,
    renter,
    rescuer,
    settler,
    steps,
    timekeeper,
)
from penstock.hub.capacityview import CapacityView
from penstock.hub.renter import Renter
from penstock.hub.warned import Notices
from penstock.model.rented import TAG_MACHINE, Order
from penstock.model.states import ModuleState, Power
from penstock.policy import retry
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import rows
from penstock.policy.capacity.view import Ended
from penstock.policy.charging import attempts
from penstock.ports import StoreError
from penstock.sim.storm import collector, lived
from penstock.store import objectblobs, objectuploads

Plant = Callable[[pytest.MonkeyPatch], None]


def fence_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(queue, "_fenced", lambda attempt, right: attempt)


def row_is_written_after_the_call(patch: pytest.MonkeyPatch) -> None:
    usual = Renter._order

    def order(self: Any, boot: Any, now_ms: int) -> Any:
        tags = {TAG_MACHINE: "not yet"}
        wanted = Order(offer=boot.pool, token=self._hub.entropy.token(12), tags=tags, secret="", name="early")
        self._hub.providers[boot.pool].create(wanted)
        return usual(self, boot, now_ms)

    patch.setattr(Renter, "_order", order)


def one_listing_is_enough_to_delete(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconciler, "APART_MS", 0)


def a_part_of_a_listing_is_taken_for_all(patch: pytest.MonkeyPatch) -> None:
    usual = reconciler._look

    def look(provider: Any, now_ms: int) -> Any:
        seen = usual(provider, now_ms)
        whole = seen.listing and msgspec.structs.replace(seen.listing, complete=True)
        return dataclasses.replace(seen, listing=whole)

    patch.setattr(reconciler, "_look", look)


def busy_machines_are_read_as_idle_and_stopped(patch: pytest.MonkeyPatch) -> None:
    usual = renter.turn

    def gone(self: Any, tx: Any, view: Any) -> Any:
        state = self.rows.farm.jobs[c.JOB_STATE]
        return tuple(Ended(name, 1000) for name, row in self.rows.jobs.items() if state[row] == c.RUNNING), ()

    def turn(step: Any, machine_id: str, power: Any, why: str) -> bool:
        machine = step.tx.get(renter.Machine, machine_id)
        if machine is not None and machine.busy:
            step.put(msgspec.structs.replace(machine, busy=()))
        return usual(step, machine_id, power, why)

    patch.setattr(CapacityView, "_gone_jobs", gone)
    patch.setattr(renter, "turn", turn)


def jobs_that_must_not_run_twice_do(patch: pytest.MonkeyPatch) -> None:
    usual = retry.after

    def after(job: Any, *asked: Any) -> Any:
        spec = msgspec.structs.replace(job.spec, retry="farm")
        return usual(msgspec.structs.replace(job, spec=spec), *asked)

    patch.setattr(retry, "after", after)


def reclaimed_jobs_go_back_to_machines_that_are_reclaimed(patch: pytest.MonkeyPatch) -> None:
    usual = retry.after

    def after(*asked: Any) -> Any:
        then = usual(*asked)
        return msgspec.structs.replace(then, steady=False) if isinstance(then, retry.Again) else then

    patch.setattr(retry, "after", after)


def notices_are_not_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconciler, "warn", lambda step, machine, leaves_ms: machine)
    patch.setattr(Notices, "catch_up", lambda self, machines: None)


def refusals_are_not_told_to_the_policy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CapacityView, "failed", lambda self, failures: None)


def orphans_are_never_deleted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconciler, "_delete", lambda provider, id_: None)


def what_is_coming_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    usual = capacityview.is_ours
    coming = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING)
    patch.setattr(capacityview, "is_ours", lambda hub, one: usual(hub, one) and one.power not in coming)


def a_parent_that_ends_counts_twice(patch: pytest.MonkeyPatch) -> None:
    usual = releaser._one_less

    def less(step: Any, edge: Any, child: Any) -> Any:
        return usual(step, edge, msgspec.structs.replace(child, unmet=child.unmet - 1))

    patch.setattr(releaser, "_one_less", less)


def rights_are_given_by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    def renewed(step: Any, attempt: Any) -> Any:
        until_ms = min(step.wall_ms + step.hub.rules.lease.right_ms, attempt.limit_ms)
        return msgspec.structs.replace(attempt, right_until_ms=until_ms, extended=False)

    patch.setattr(queue, "_renewed", renewed)


def trust_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    for place, name in ((capacityview, "kind_refusals"), (rows, "of_pool")):
        usual = getattr(place, name)
        patch.setattr(
            place, name, lambda *asked, usual=usual: [one for one in usual(*asked) if one.code != "trust"]
        )


def who_led_before_goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "_led", lambda hub, operation, frozen_too=False: operation)


def time_makes_up_for_a_stall(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timekeeper, "STEP_MS", 10**9)


def a_millionth_more_is_entered(patch: pytest.MonkeyPatch) -> None:
    usual = attempts.enter

    def enter(*asked: Any, **how: Any) -> Any:
        entry, meter = usual(*asked, **how)
        return msgspec.structs.replace(entry, amount_micros=entry.amount_micros + 1), meter

    patch.setattr(attempts, "enter", enter)


def rights_that_ended_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rescuer, "_end", lambda step, attempt_id: 0)


def what_ran_on_a_machine_that_is_gone_runs_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(renter, "lose", lambda step, attempt, state, cause: None)


def offers_are_written_whatever_the_machine_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(placer, "take_slot", lambda machine, slot, attempt: machine)


def what_a_ticket_reaches_is_digested(patch: pytest.MonkeyPatch) -> None:
    def digested(objects: Any, folder: str, path: str) -> tuple[str, int]:
        digits, size = objectuploads.digest_chunks(objects.open(path + objectuploads.SENT)[1])
        objects.put(f"{path}{objectuploads.SENT}.{digits}", b"")
        return f"sha256:{digits}", size

    patch.setattr(objectuploads, "_digest_sent", digested)


def what_was_not_read_is_published(patch: pytest.MonkeyPatch) -> None:
    usual = objectblobs.ObjectBlobs.publish

    def publish(self: Any, name: str, digest: str) -> None:
        whole = [path for path, size in self._objects.below(objectblobs.folder_of(name)) if size > 0]
        if whole and self.size(digest) is None:
            self._copy(whole[0], objectblobs._object(digest), 0)
        usual(self, name, digest)

    patch.setattr(objectblobs.ObjectBlobs, "publish", publish)


def half_of_a_blob_can_be_seen(patch: pytest.MonkeyPatch) -> None:
    def copy(self: Any, source: str, target: str, size: int) -> None:
        data = b"".join(self._objects.open(source)[1])
        self._objects.put(target, data[: len(data) // 2])
        self._objects.put(target, data)

    patch.setattr(objectblobs.ObjectBlobs, "_copy", copy)


def an_end_is_settled_though_nothing_was_published(patch: pytest.MonkeyPatch) -> None:
    usual = settler._publish

    def publish(*asked: Any) -> str:
        try:
            return usual(*asked)
        except StoreError:
            return ""

    patch.setattr(settler, "_publish", publish)


def what_is_collected_is_read_still(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collector, "pinned", lambda tx: set())


def what_expires_is_published_again(patch: pytest.MonkeyPatch) -> None:
    usual = settler._load

    def load(*asked: Any) -> Any:
        case = usual(*asked)
        return case and dataclasses.replace(case, blocked=False, booked=True)

    patch.setattr(settler, "_load", load)


def what_expires_is_reused(patch: pytest.MonkeyPatch) -> None:
    usual = archive.answer

    def answer(spec: Any, modules: Any, *asked: Any) -> Any:
        kept = ModuleState.VERIFIED
        old = (ModuleState.EXPIRING, ModuleState.COLLECTED)
        found = [
            msgspec.structs.replace(one, state=kept) if one.state in old and one.output else one
            for one in modules
        ]
        return usual(spec, found, *asked)

    patch.setattr(archive, "answer", answer)


def uploads_are_never_pruned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pruner, "_useless", lambda hub, view, names: [])


SEEDS: dict[Plant, tuple[int, ...]] = {
    fence_is_not_checked: (8, 5),
    row_is_written_after_the_call: (0, 1),
    one_listing_is_enough_to_delete: (3, 6),
    a_part_of_a_listing_is_taken_for_all: (1, 6),
    busy_machines_are_read_as_idle_and_stopped: (5, 0),
    jobs_that_must_not_run_twice_do: (3, 4),
    reclaimed_jobs_go_back_to_machines_that_are_reclaimed: (18, 0),
    notices_are_not_read: (75, 157),
    refusals_are_not_told_to_the_policy: (0, 2),
    orphans_are_never_deleted: (2, 4),
    what_is_coming_is_not_counted: (0, 1),
    a_parent_that_ends_counts_twice: (0, 1),
    rights_are_given_by_the_wall_clock: (0, 2),
    trust_is_not_looked_at: (1, 2),
    who_led_before_goes_on: (0, 1),
    time_makes_up_for_a_stall: (0, 2),
    a_millionth_more_is_entered: (1, 3),
    rights_that_ended_are_not_ended: (6, 10),
    what_ran_on_a_machine_that_is_gone_runs_on: (0, 2),
    offers_are_written_whatever_the_machine_is: (4, 5),
    what_a_ticket_reaches_is_digested: (0, 1),
    what_was_not_read_is_published: (2, 21),
    half_of_a_blob_can_be_seen: (0, 1),
    an_end_is_settled_though_nothing_was_published: (4, 5),
    what_is_collected_is_read_still: (0, 1),
    what_expires_is_published_again: (6, 20),
    what_expires_is_reused: (2, 10),
    uploads_are_never_pruned: (4, 13),
}


def found(plant: Plant, seeds: Iterable[int]) -> dict[int, str]:
    """The seeds of these on which the bug is found, and what is found first."""
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        days = {seed: lived(seed).wrong[:1] for seed in seeds}
    return {seed: wrong[0] for seed, wrong in days.items() if wrong}


def quickest(plant: Plant, few: int = 2, most: int = 60) -> list[int]:
    """Days on which it is found, the quickest first."""
    times: list[tuple[float, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        for seed in range(most):
            began = time.process_time()
            if lived(seed).wrong:
                times.append((time.process_time() - began, seed))
            if len(times) == 2 * few:
                break
    return [seed for _, seed in sorted(times)[:few]]


if __name__ == "__main__":
    for bug in SEEDS:
        print(f"    {bug.__name__}: {tuple(quickest(bug))},", flush=True)
