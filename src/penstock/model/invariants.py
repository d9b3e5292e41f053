"""What must be true of a farm's books at every instant. Checked by fsck, by simulated steps and by property tests.

Each check is a function from the books to what breaks it; its name in INVARIANTS is that of the design's list.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from penstock.model import balance
from penstock.model.books import Books
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, JobState, ModuleState, Power
from penstock.model.units import Size

_GOOD = (JobState.PASSED, JobState.REUSED)
_VERDICTS = (AttemptState.PASSED, AttemptState.FAILED, AttemptState.TIMED_OUT)
_MAKES = (JobState.QUEUED, JobState.OFFERED, JobState.RUNNING)


class Violation(msgspec.Struct, frozen=True, order=True):
    """One thing that is not as it must be: which invariant, of what (an id), and what is wrong."""

    invariant: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.text}"


Found = Iterator[tuple[str, str]]
"""(id, what is wrong) of everything that breaks one invariant."""


def one_live_attempt(books: Books) -> Found:
    """I1: at most one live attempt per job, and it is the last one."""
    for job_id, tries in books.tries.items():
        live = [attempt.n for attempt in tries if not attempt.settled]
        if len(live) > 1:
            yield job_id, f"attempts {live} are live together"
        elif live and live[0] != tries[-1].n:
            yield job_id, f"attempt {live[0]} is live, {tries[-1].n} came after it"


def fences(books: Books) -> Found:
    """I2: no fence is granted twice, and the one that is held is the job's last."""
    for job_id, tries in books.tries.items():
        job = books.jobs[job_id]
        if len({attempt.fence for attempt in tries}) < len(tries):
            yield job_id, "one fence was granted twice"
        if [attempt.n for attempt in tries] != list(range(1, job.attempts + 1)):
            yield job_id, f"{job.attempts} attempts are counted, {len(tries)} are there"
        for attempt in tries:
            if not attempt.settled and not attempt.fence.endswith(f":{job.epoch}"):
                yield attempt.id, f"holds fence {attempt.fence}, its job is at epoch {job.epoch}"


def accounted_for(books: Books) -> Found:
    """I3: a job is terminal, queued, under a live lease, waits for a named live parent, or is held with a reason."""
    for job in books.jobs.values():
        wrong = _unaccounted(books, job)
        if wrong:
            yield job.id, f"{job.state}: {wrong}"


def only_errors_are_retried(books: Books) -> Found:
    """I4: nothing follows a verdict; an open job is below its caps."""
    for job_id, tries in books.tries.items():
        for attempt in tries[:-1]:
            if attempt.state in _VERDICTS:
                yield job_id, f"attempt {attempt.n} ended as {attempt.state} and another followed"
        job = books.jobs[job_id]
        if job.open and (job.losses >= 5 or len(job.lost_on) >= 3):
            yield job_id, f"{job.losses} losses, lost on {len(job.lost_on)} machines, and still open"


def intents(books: Books) -> Found:
    """I6: what is ordered carries the token that it is ordered with; no two rows are one machine at their provider."""
    holders: dict[tuple[str, str], str] = {}
    for machine in books.machines.values():
        if machine.power == Power.REQUESTED and not machine.client_token:
            yield machine.id, "is ordered without a token"
        if not machine.provider_id or machine.power == Power.GONE:
            continue
        other = holders.setdefault((machine.pool, machine.provider_id), machine.id)
        if other != machine.id:
            yield machine.id, f"is {machine.provider_id} at its provider, and so is {other}"


def sessions_match(books: Books) -> Found:
    """I8: a machine that takes offers has exactly the open session that it names; no machine has two."""
    opened = Counter(session.machine for session in books.sessions.values() if session.open)
    for machine_id, count in opened.items():
        if count > 1:
            yield machine_id, f"{count} open sessions"
    for machine in books.machines.values():
        session = books.sessions.get(machine.session)
        if machine.session and (session is None or not session.open or session.machine != machine.id):
            yield machine.id, f"names session {machine.session}, which is not its open one"
        if machine.accepting and not machine.session:
            yield machine.id, "takes offers without a session"


def ledger(books: Books) -> Found:
    """I9: entries sum up to usage x rate, to the micro-unit; what they are added up to is the same again."""
    yield from balance.unbalanced(books.accounts, books.attempts)
    if books.accounts.position == books.farm.position and all(event.position for event in books.events):
        yield from balance.unfollowed(books.accounts, books.machines)


def trust(books: Books) -> Found:
    """I11: a job runs where its level of trust belongs."""
    for machine in books.machines.values():
        for attempt in books.held[machine.id]:
            level = books.jobs[attempt.job].spec.trust
            if level not in machine.trust or (level == "trusted" and machine.sandbox == "plain"):
                yield attempt.id, f"a {level} job on machine {machine.name}"
            if books.jobs[attempt.job].spec.secrets and machine.trust != ("trusted",):
                yield attempt.id, f"a job with secrets on machine {machine.name}, which takes untrusted jobs"


def outputs_are_stored(books: Books) -> Found:
    """I12, I17: what a job of an open build or a module names is stored, and not being deleted. What only closed builds
    name may be collected."""
    named = {job.id: (job.output, job.worktree) for job in books.jobs.values() if job.state in _GOOD}
    closed = {job.id for job in books.jobs.values() if not books.builds[job.build].open}
    for module in books.modules.values():
        if module.state in (ModuleState.VERIFIED, ModuleState.PUBLISHED):
            named[module.key] = (module.output, module.worktree)
    for subject, digests in named.items():
        for digest in filter(None, digests):
            blob = books.blobs.get(digest)
            if blob is None or (blob.state != "stored" and subject not in closed):
                yield subject, f"{digest} is {blob.state if blob else 'unknown'}"


def machines_hold_what_is_live(books: Books) -> Found:
    """I13: a slot has one live attempt; what is taken is the sum of them, and not more than there is."""
    for machine in books.machines.values():
        live = books.held[machine.id]
        if sorted(attempt.slot for attempt in live) != list(machine.busy):
            yield machine.id, f"slots {machine.busy} are busy, live are {[(a.id, a.slot) for a in live]}"
        if len(set(machine.busy)) < len(machine.busy):
            yield machine.id, f"one slot twice: {machine.busy}"
        if _sum(live) != machine.taken:
            yield machine.id, f"{machine.taken} is taken, live attempts hold {_sum(live)}"
        if machine.sized and not _within(machine):
            yield machine.id, f"{machine.taken} is taken of {machine.has}"


def machines_are_up(books: Books) -> Found:
    """I14: what is live is on a machine that is up, or ends its work before a power command."""
    for machine in books.machines.values():
        if books.held[machine.id] and machine.power not in (Power.UP, Power.DRAINING):
            yield machine.id, f"is {machine.power} under live attempts"


def unmet_counts(books: Books) -> Found:
    """I15: `unmet` counts the edges whose parent has not ended well; the mark of an edge says the same."""
    for edge in books.edges:
        if edge.met != (books.jobs[edge.parent].state in _GOOD) and books.jobs[edge.child].open:
            yield edge.child, f"edge from {edge.parent} is {'met' if edge.met else 'not met'}"
    for job in books.jobs.values():
        unmet = sum(not edge.met for edge in books.parents[job.id])
        if job.open and unmet != job.unmet:
            yield job.id, f"counts {job.unmet} unmet parents, has {unmet}"


def positions(books: Books) -> Found:
    """I16: positions are given once, in the order of the numbers within each job, up to the farm's own."""
    stamped = sorted((e for e in books.events if e.position), key=lambda event: event.position)
    if len({event.position for event in stamped}) < len(stamped):
        yield "outbox", "one position was given twice"
    if stamped and stamped[-1].position > books.farm.position:
        yield "outbox", f"position {stamped[-1].position} is beyond the farm's {books.farm.position}"
    last: dict[str, int] = {}
    for event in stamped:
        if event.job and event.seq < last.get(event.job, 0):
            yield event.job, f"event {event.seq} comes after event {last[event.job]}"
        last[event.job] = event.seq


def shared_keys(books: Books) -> Found:
    """Sharing: what is `building` is made by a live job of that key, which goes as early as the first that waits."""
    for module in books.modules.values():
        if module.state == ModuleState.BUILDING and not _makes(books, module.producer, module.key):
            yield module.key, f"is being built by {module.producer}, which does not"
    for job in books.jobs.values():
        producer = books.jobs.get(job.waits_on)
        if producer is not None and producer.rank > job.rank:
            yield job.id, f"rank {job.rank} waits for {producer.id} of rank {producer.rank}"
        if not job.wanted and job.open and job.id not in {other.waits_on for other in books.jobs.values()}:
            yield job.id, "nobody wants it, and it goes on"


def closed_builds(books: Books) -> Found:
    """Builds: what is closed has no open job of its own."""
    for job in books.jobs.values():
        if job.open and job.wanted and not books.builds[job.build].open:
            yield job.build, f"is {books.builds[job.build].state}, its job {job.id} is {job.state}"


INVARIANTS: dict[str, Callable[[Books], Found]] = {
    "I1": one_live_attempt,
    "I2": fences,
    "I3": accounted_for,
    "I4": only_errors_are_retried,
    "I6": intents,
    "I8": sessions_match,
    "I9": ledger,
    "I11": trust,
    "I12": outputs_are_stored,
    "I13": machines_hold_what_is_live,
    "I14": machines_are_up,
    "I15": unmet_counts,
    "I16": positions,
    "sharing": shared_keys,
    "builds": closed_builds,
}


def violations(books: Books) -> list[Violation]:
    """Everything in the books that is not as it must be, by invariant; [] when all is well."""
    return [
        Violation(name, subject, text) for name, check in INVARIANTS.items() for subject, text in check(books)
    ]


def _unaccounted(books: Books, job: Job) -> str:
    """Why nothing will ever move this open job; "" when something will."""
    if not job.open or job.state == JobState.QUEUED:
        return ""
    if job.state == JobState.HELD:
        return "" if job.reason else "without a reason"
    if job.state == JobState.BLOCKED:
        return _unblocked(books, job)
    state = {
        JobState.OFFERED: (AttemptState.OFFERED,),
        JobState.RUNNING: (AttemptState.RUNNING, AttemptState.FINISHING),
    }[job.state]
    last = books.tries[job.id][-1:]
    return "" if last and last[0].state in state else "no attempt says so"


def _unblocked(books: Books, job: Job) -> str:
    if job.waits_on:
        return (
            ""
            if _makes(books, job.waits_on, job.key)
            else f"waits for {job.waits_on}, which does not make its key"
        )
    if not job.unmet:
        return "no parent is unmet"
    live = [edge.parent for edge in books.parents[job.id] if books.jobs[edge.parent].open]
    return "" if live else "no parent is live"


def _makes(books: Books, job_id: str, key: str) -> bool:
    """True when this job is on its way to make this key."""
    job = books.jobs.get(job_id)
    return job is not None and job.key == key and job.state in _MAKES


def _sum(attempts: list[Attempt]) -> Size:
    total = Size(0, 0)
    for attempt in attempts:
        total = total.more(attempt.size)
    return total


def _within(machine: Machine) -> bool:
    left = machine.has.less(machine.taken)
    return left.cores >= 0 and (left.memory_mb is None or left.memory_mb >= 0)
