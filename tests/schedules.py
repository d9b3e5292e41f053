"""Any schedule of calls, losses, repeats, restarts and clocks on a farm of four agents, as a state machine.

After every step the books keep all invariants; in the end, when agents behave, every job ends and every build has
a verdict.
"""

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from farms import KEY, POOL, Agent, TestFarm, planned
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.hub import intake, people, queue, sessions
from penstock.hub.context import NotLeading, Refused, Unauthorized
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending, Work
from penstock.hub.sessions import Held
from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.plan import PlannedJob
from penstock.model.rules import Billing, Charge, Platform, Pool, Rules
from penstock.model.states import AttemptState, JobState
from penstock.model.units import Size
from penstock.ports import Store

OWN = msgspec.structs.replace(POOL, machines=3, price_per_hour_micros=403_200)
LOCAL = Pool(name="here", provider="local", platforms=("linux",), slots=1, price_per_hour_micros=70_001)
SPOT = Pool(
    name="spot",
    provider="ec2",
    platforms=("linux",),
    slots=2,
    size=Size(4, 8192),
    reclaim_per_hour=0.1,
    price_per_hour_micros=161_003,
    billing=Billing(minimum_ms=60_000),
    egress_per_gb_micros=90_000,
)
RULES = Rules(
    platforms={"linux": Platform(name="linux")},
    pools=(OWN, LOCAL, SPOT),
    charges=(Charge(name="control plane", per_month_micros=73_000_000, pool="spot"),),
    storage_per_gb_month_micros=23_000,
)
PLANS = {
    "one": (planned("zlib"),),
    "pair": (planned("zlib"), planned("png", needs=["zlib"])),
    "tests": (planned("zlib"), planned("zlib", "test", needs=["zlib"]), planned("png", needs=["zlib"])),
    "diamond": (
        planned("zlib"),
        planned("png", needs=["zlib"]),
        planned("tiff", needs=["zlib"]),
        planned("viewer", needs=["png", "tiff"]),
        planned("viewer", "test", needs=["viewer"]),
    ),
    "careful": (planned("zlib"), planned("sign", needs=["zlib"], retry="never")),
    "big": (planned("chrome", size=Size(2, 4000)),),
    "fetched": (
        planned("deps", "fetch", network="full"),
        planned("deps", needs=["deps:fetch"], source_from="fetch"),
    ),
    "worktree": (
        planned("zlib", keep_worktree=True),
        planned("zlib", "test", needs=["zlib"], source_from="build"),
    ),
}
VERDICTS = (AttemptState.PASSED, AttemptState.FAILED, AttemptState.TIMED_OUT)
pick = st.integers(0, 10_000)
RESULTS = st.sampled_from(["passed", "failed", "timed_out", "refused", "preempted", "cancelled"])


def flavoured(job: PlannedJob, flavour: str) -> PlannedJob:
    """The same job of another source."""
    spec = msgspec.structs.replace(job.spec, environment={"FLAVOUR": flavour})
    return msgspec.structs.replace(job, spec=spec)


class Queue(RuleBasedStateMachine):
    """Three agents of three pools, people, a leader that restarts, and clocks that jump."""

    store: Store | None = None
    """Where the farm's records are; a store in memory by default."""

    @initialize()
    def begin(self) -> None:
        self.farm = TestFarm(RULES, self.store, books=True)
        self.agents = [
            Agent(self.farm, f"m{n}", pool) for n, pool in enumerate(("own", "here", "spot", "own"))
        ]
        self.seen: list[Work] = []
        self.changes = 0
        self.bodies = 0

    def choose(self, things: list[Any], number: int) -> Any:
        return things[number % len(things)] if things else None

    def jobs(self, *states: JobState) -> list[Job]:
        return [job for job in self.farm.all(Job) if not states or job.state in states]

    # What people do

    @rule(
        name=st.sampled_from(sorted(PLANS)),
        priority=st.integers(-1, 1),
        automatic=st.booleans(),
        supersede=st.sampled_from([False] * 7 + [True]),
    )
    def submit(self, name: str, priority: int, automatic: bool, supersede: bool) -> None:
        self.changes += 1
        about = {"priority": priority, "automatic": automatic}
        flavour = str(self.changes // 4)  # sources change now and then, so keys do, too
        self.farm.submit(
            f"c{self.changes}",
            *(flavoured(job, flavour) for job in PLANS[name]),
            supersede=supersede,
            **about,
        )

    @rule(what=st.sampled_from(["cancel_job", "cancel_build", "hold", "release", "repeat"]), number=pick)
    def people_act(self, what: str, number: int) -> None:
        hub = self.farm.hub
        if what == "cancel_build":
            if build := self.choose(self.farm.all(Build), number):
                assert people.cancel(hub, build.id) == build.open
        elif what == "hold":
            waiting = self.jobs(JobState.BLOCKED, JobState.QUEUED, JobState.OFFERED)
            if job := self.choose([job for job in waiting if job.wanted], number):
                assert people.hold(hub, job.id, "wait for the release")
        elif what == "release":
            if job := self.choose(self.jobs(JobState.HELD), number):
                assert people.release(hub, job.id)
        elif job := self.choose(self.jobs(), number):
            {"cancel_job": people.cancel, "repeat": people.repeat}[what](hub, job.id)

    @rule(number=pick, what=st.sampled_from(["quarantine", "unquarantine", "drain", "undrain"]))
    def machines(self, number: int, what: str) -> None:
        machine = self.choose(self.farm.all(Machine), number)
        try:
            getattr(people, what)(self.farm.hub, machine.id, *(["odd"] if what == "quarantine" else []))
        except Refused:
            return

    # Time

    @rule(passed_ms=st.sampled_from([0, 1000, 9000, 11_000, 29_000, 91_000, 1_201_000, 3_700_000]))
    def time_passes(self, passed_ms: int) -> None:
        self.farm.pass_time(passed_ms)
        self.farm.tick()

    @rule(
        what=st.sampled_from(["jump", "restart", "died", "enrol"]),
        jump_ms=st.sampled_from([-(10**10), -5000, 5000, 10**10]),
    )
    def odd_things(self, what: str, jump_ms: int) -> None:
        if what == "jump":
            self.wall_clock_jumps(jump_ms)
        elif what == "enrol":
            self.enrolment_is_repeated()
        else:
            self.leader_restarts(what == "died")

    def wall_clock_jumps(self, jump_ms: int) -> None:
        live = [attempt.id for attempt in self.farm.all(Attempt) if attempt.live]
        self.farm.clock.wall += jump_ms
        self.farm.tick()
        for attempt in live:  # a wall clock ends nobody's right
            assert self.farm.get(Attempt, attempt).state in (AttemptState.OFFERED, AttemptState.RUNNING)

    def leader_restarts(self, local_died: bool) -> None:
        old = self.farm.services
        self.farm.restart()
        if local_died:
            intake.end_stale(self.farm.hub)
            dead = self.agents[1]
            self.agents[1] = Agent(self.farm, dead.registration.name, "here")
        with pytest.raises(NotLeading):
            old.run_once(self.farm.clock.monotonic + 10_000)

    def enrolment_is_repeated(self) -> None:
        token = sessions.create_token(self.farm.hub, "spot")
        asked = self.agents[0].registration
        first = sessions.register(self.farm.hub, token, asked)
        second = sessions.register(self.farm.hub, token, asked)
        assert (first.machine.id, first.credential) == (second.machine.id, second.credential)
        people.quarantine(self.farm.hub, first.machine.id, "not in this test")

    # What agents do

    def call(self, agent: Agent, act: Any) -> bool:
        """Do what an agent does when its session has ended: register again, naming what it holds."""
        try:
            act()
        except Unauthorized:
            self.register(agent)
        except Refused:
            return False
        else:
            return True
        return False

    def register(self, agent: Agent) -> None:
        held = [Held(attempt=w.attempt.id, fence=w.attempt.fence) for w in agent.holding.values()]
        answer = agent.again(*held)
        for order in answer.orders:
            if order.order == "stop":
                agent.holding.pop(order.attempt)

    @rule(number=pick, answer_lost=st.booleans())
    def poll(self, number: int, answer_lost: bool) -> None:
        agent = self.choose(self.agents, number)
        before = dict(agent.holding)

        def act() -> None:
            heard = agent.poll()
            self.seen += heard.offers
            for order in heard.orders:
                if order.order == "stop":
                    agent.holding.pop(order.attempt, None)
            if answer_lost:
                agent.holding = before

        self.call(agent, act)

    @rule(number=pick, answer_lost=st.booleans())
    def starts(self, number: int, answer_lost: bool) -> None:
        """Time passes, and an agent takes what it is offered; the answer to its acknowledgements may be lost."""
        self.farm.tick(1000)
        agent = self.choose(self.agents, number)

        def act() -> None:
            for work in agent.poll().offers:
                self.seen.append(work)
                agent.take(work)
                if answer_lost:
                    agent.take(work)

        self.call(agent, act)

    @rule(numbers=st.lists(pick, max_size=4), result=RESULTS, remember=st.booleans())
    def works(self, numbers: list[int], result: Any, remember: bool) -> None:
        """Some agents do all that they are offered, and all of it ends alike."""
        self.farm.tick(500)
        for number in numbers:
            agent = self.choose(self.agents, number)

            def act(agent: Agent = agent) -> None:
                self.seen += agent.start()
                for work in list(agent.holding.values()):
                    if result == "passed":
                        agent.run(work)
                    else:
                        agent.finish(work, Ending(result=result, remember=remember))

            self.call(agent, act)
        self.farm.tick(500)

    @rule(number=pick, which=pick)
    def acknowledge(self, number: int, which: int) -> None:
        agent = self.choose(self.agents, number)
        if work := self.choose(list(agent.holding.values()), which):
            self.call(agent, lambda: agent.take(work))

    @rule(number=pick, which=pick)
    def renew(self, number: int, which: int) -> None:
        agent = self.choose(self.agents, number)
        if work := self.choose(list(agent.holding.values()), which):
            right = work.attempt
            self.call(agent, lambda: queue.renew(self.farm.hub, agent.session, right.id, right.fence))

    @rule(number=pick, which=pick, content=st.sampled_from([None, b"other"]))
    def passes(self, number: int, which: int, content: bytes | None) -> None:
        agent = self.choose(self.agents, number)
        if work := self.choose(list(agent.holding.values()), which):
            self.call(agent, lambda: agent.run(work, content))

    @rule(
        number=pick,
        which=pick,
        result=RESULTS,
        remember=st.booleans(),
    )
    def finishes(self, number: int, which: int, result: Any, remember: bool) -> None:
        agent = self.choose(self.agents, number)
        if work := self.choose(list(agent.holding.values()), which):
            self.call(agent, lambda: agent.finish(work, Ending(result=result, remember=remember)))

    @rule(number=pick, which=pick, body=st.sampled_from(["fin", "another"]))
    def late_or_repeated_finish(self, number: int, which: int, body: str) -> None:
        agent = self.choose(self.agents, number)
        if not (work := self.choose(self.seen, which)):
            return
        before = self.farm.get(Attempt, work.attempt.id)
        ending = Ending(result="failed")
        changed = self.call(
            agent,
            lambda: queue.finish(
                self.farm.hub, agent.session, work.attempt.id, work.attempt.fence, body, ending
            ),
        )
        if (
            changed and before.state != AttemptState.RUNNING
        ):  # a repeat: the first answer, and nothing changes
            assert self.farm.get(Attempt, work.attempt.id) == before
        if not changed and before.session == agent.session.id:
            assert self.farm.get(Attempt, work.attempt.id) == before

    @rule(number=pick, which=pick)
    def stale_fence(self, number: int, which: int) -> None:
        agent = self.choose(self.agents, number)
        if not (work := self.choose(list(agent.holding.values()), which)):
            return
        before = self.farm.get(Attempt, work.attempt.id)
        fence = f"{work.attempt.fence}0"
        assert not self.call(agent, lambda: queue.renew(self.farm.hub, agent.session, before.id, fence))
        assert self.farm.get(Attempt, before.id) == before

    @rule(number=pick, then=st.sampled_from(["poll", "register", "nothing"]))
    def agent_is_killed(self, number: int, then: str) -> None:
        """An agent forgets what it holds; started again, it says so with its first poll or registration."""
        agent = self.choose(self.agents, number)
        agent.holding = {}
        if then == "register":
            self.register(agent)
        elif then == "poll":
            self.call(agent, agent.poll)

    @rule(number=pick)
    def agent_registers_again(self, number: int) -> None:
        self.register(self.choose(self.agents, number))

    # What holds

    @precondition(lambda self: hasattr(self, "farm"))
    @invariant()
    def books_are_in_order(self) -> None:
        assert [str(violation) for violation in fsck(self.farm.hub, digest_again=True)] == []

    @precondition(lambda self: hasattr(self, "farm"))
    @invariant()
    def no_job_has_two_verdicts(self) -> None:
        judged = [a.job for a in self.farm.all(Attempt) if a.state in VERDICTS]
        assert len(judged) == len(set(judged))

    def teardown(self) -> None:
        if not hasattr(self, "farm"):
            return
        for machine in self.farm.all(Machine):
            people.unquarantine(self.farm.hub, machine.id)
            people.undrain(self.farm.hub, machine.id)
        for job in self.jobs(JobState.HELD):
            people.release(self.farm.hub, job.id)
        fresh = [Agent(self.farm, f"new{n}", key=KEY) for n in range(4)]
        for _ in range(150):
            self.farm.tick(29_000)
            for agent in fresh:
                self.call(agent, lambda agent=agent: [agent.run(work) for work in agent.start()])
            if not any(job.open for job in self.farm.all(Job)):
                break
        self.farm.tick()
        self.books_are_in_order()
        stuck = {job.name: (job.state, job.reason) for job in self.farm.all(Job) if job.open}
        assert stuck == {}
        assert [build.id for build in self.farm.all(Build) if build.open] == []
