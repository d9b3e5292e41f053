"""What guards of budgets keep a queued job from, since when, where it may go instead, and who can change that."""

from penstock.hub.explain.told import About, View, span
from penstock.model.curb import Curb
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, Snapshot, ask_of
from penstock.policy.budgets.curbs import BARRED, room
from penstock.policy.silence import held
from penstock.policy.suitability import of_pool


def curbed(view: View, snapshot: Snapshot) -> list[About]:
    """One reason for each guard that touches the job, and one that says what is left for it."""
    ask = ask_of(view.job)
    taking = [pool for pool in view.hub.rules.pools if not of_pool(ask, pool)]
    found = [about for one in snapshot.curbs if (about := _told(view, one, ask, taking)) is not None]
    if not found:
        return []
    open_ = [pool.name for pool in taking if room(snapshot.curbs, ask, pool.name) != BARRED]
    left = f"it may go to {_listed(open_)}" if open_ else "until then it waits"
    return [*found, About(subject=view.job.id, code="guard", text=left)]


def _told(view: View, one: Curb, ask: Ask, taking: list[Pool]) -> About | None:
    rooms = {pool.name: room((one,), ask, pool.name) for pool in taking}
    barred = [name for name, left in rooms.items() if left == BARRED]
    keeps = [f"keeps jobs of class {ask.klass} from {_listed(barred)}"] if barred else []
    keeps += [
        f"lets no more than {left} machines of pool {name} be at work"
        if left
        else f"lets nothing be rented in pool {name}"
        for name, left in rooms.items()
        if left is not None and left != BARRED
    ]
    if not keeps:
        return None
    since = span(max(0, view.farm.time_ms - one.since_ms))
    if pool := held(one):
        text = f"pool {pool} is held as it is since {since}: {one.why}; nothing is rented or woken there until fewer are silent"
        return About(subject=pool, code="silent", text=text)
    if one.stopped:
        text = f"pool {one.stopped} is stopped since {since}: {one.why}; an operator can start it again: penstock pools start"
        return About(subject=one.stopped, code="stopped", text=f"{text} {one.stopped}")
    undo = f"an operator can take it back: penstock costs undo {one.guard}"
    return About(
        subject=one.guard,
        code="guard",
        text=f"guard {one.guard} {' and '.join(keeps)} since {since}: {one.why}; {undo}",
    )


def _listed(names: list[str]) -> str:
    return f"pool{'s' if len(names) > 1 else ''} {', '.join(names)}"
