"""Each invariant sees what breaks it, and nothing in books that are in order."""

from collections.abc import Callable

import msgspec
import pytest
from farms import spec

from penstock.model.artifact import Blob, Module
from penstock.model.books import Books
from penstock.model.change import Build
from penstock.model.farm import Event, Farm
from penstock.model.invariants import INVARIANTS, violations
from penstock.model.job import Attempt, Edge, Job
from penstock.model.ledger import Ledger, Meter
from penstock.model.machine import Machine, Session
from penstock.model.states import AttemptState, BuildState, JobState, ModuleState, Power
from penstock.model.units import Size

Records = dict[str, msgspec.Struct]
ZLIB, PNG, WAITER, DONE = "zlib", "png", "waiter", "done"
SIZE = Size(1, 1024)


def job(name: str, state: JobState, **changes: object) -> Job:
    is_open = str(state).islower()
    return Job(id=name, build="b", name=name, spec=spec(name), state=state, open=is_open, **changes)  # type: ignore[arg-type]


def attempt(job_id: str, n: int, state: AttemptState, **changes: object) -> Attempt:
    settled = str(state).isupper()
    about: dict[str, object] = {
        "id": f"{job_id}{n}",
        "job": job_id,
        "build": "b",
        "n": n,
        "fence": f"i:{n}",
        "machine": "m",
        "slot": 0,
        "session": "s",
        "pool": "p",
        "state": state,
        "settled": settled,
        "live": not settled and state != AttemptState.FINISHING,
        "size": SIZE,
    }
    return Attempt(**(about | changes))  # type: ignore[arg-type]


def sound() -> Records:
    """A farm at work: one job runs, one waits for it, one for its key, one is done, one is held."""
    records: list[tuple[str, msgspec.Struct]] = [
        ("build", Build(id="b", change="c", source="s")),
        (ZLIB, job(ZLIB, JobState.RUNNING, key="k", attempts=2, epoch=2)),
        ("lost", attempt(ZLIB, 1, AttemptState.LOST)),
        ("running", attempt(ZLIB, 2, AttemptState.RUNNING)),
        (PNG, job(PNG, JobState.BLOCKED, unmet=1)),
        ("edge", Edge(ZLIB, PNG)),
        (WAITER, job(WAITER, JobState.BLOCKED, key="k", waits_on=ZLIB)),
        (DONE, job(DONE, JobState.PASSED, output="d", attempts=1)),
        ("met", Edge(DONE, ZLIB, met=True)),
        ("judged", attempt(DONE, 1, AttemptState.PASSED)),
        ("held", job("held", JobState.HELD, reason="wait")),
        ("queued", job("queued", JobState.QUEUED)),
        (
            "machine",
            Machine(
                id="m",
                name="m",
                pool="p",
                slots=2,
                has=Size(2, 4096),
                busy=(0,),
                taken=SIZE,
                power=Power.UP,
                session="s",
                accepting=True,
            ),
        ),
        ("session", Session(id="s", machine="m")),
        ("building", Module(trust="untrusted", key="k", state=ModuleState.BUILDING, producer=ZLIB)),
        (
            "verified",
            Module(trust="untrusted", key="v", state=ModuleState.VERIFIED, producer=DONE, output="d"),
        ),
        ("blob", Blob(digest="d", size_bytes=1)),
        ("event1", Event(seq=1, position=1, job=ZLIB)),
        ("event2", Event(seq=2, position=2, job=ZLIB)),
        ("event3", Event(seq=3)),
    ]
    return dict(records)


def broken(records: Records) -> list[str]:
    return [violation.invariant for violation in violations(Books(Farm(position=2), list(records.values())))]


def with_(name: str, **changes: object) -> Callable[[Records], None]:
    """Change fields of one record."""

    def act(records: Records) -> None:
        records[name] = msgspec.structs.replace(records[name], **changes)

    return act


def add(name: str, record: msgspec.Struct) -> Callable[[Records], None]:
    return lambda records: records.__setitem__(name, record)


def drop(name: str) -> Callable[[Records], None]:
    return lambda records: records.__delitem__(name)


def rented(name: str, power: Power = Power.BOOTING, token: str = "t", provider_id: str = "i-1") -> Machine:
    return Machine(id=name, name=name, pool="r", power=power, client_token=token, provider_id=provider_id)


BREAKS: list[tuple[str, str, list[Callable[[Records], None]]]] = [
    ("I6", "no token", [add("rented", rented("r1", Power.REQUESTED, "", ""))]),
    ("I6", "one machine twice", [add("one", rented("r1")), add("two", rented("r2", token="u"))]),
    (
        "I1",
        "two live",
        [
            with_("lost", state=AttemptState.RUNNING, settled=False, slot=1, live=True, fence="i:02"),
            with_("machine", busy=(0, 1), taken=Size(2, 2048)),
            with_(ZLIB, epoch=2),
        ],
    ),
    (
        "I1",
        "not the last",
        [
            with_("lost", state=AttemptState.RUNNING, settled=False, live=True, fence="j:2"),
            with_("running", state=AttemptState.LOST, settled=True, live=False),
        ],
    ),
    ("I2", "fence twice", [with_("lost", fence="i:2")]),
    ("I2", "miscounted", [with_(ZLIB, attempts=3)]),
    ("I2", "stale fence", [with_(ZLIB, epoch=3)]),
    ("I3", "no attempt", [with_("queued", state=JobState.OFFERED)]),
    ("I3", "held for nothing", [with_("held", reason="")]),
    ("I3", "blocked by nothing", [with_(PNG, unmet=0), with_("edge", met=True)]),
    ("I3", "blocked by the dead", [with_("edge", parent="gone"), add("gone", job("gone", JobState.FAILED))]),
    ("I3", "waits for another key", [with_(WAITER, key="other")]),
    ("I3", "waits for nobody", [with_(WAITER, waits_on="nobody")]),
    ("I4", "retried after a verdict", [with_("lost", state=AttemptState.FAILED)]),
    ("I4", "beyond the cap", [with_(ZLIB, losses=5)]),
    ("I4", "poison", [with_(ZLIB, lost_on=("a", "b", "c"))]),
    ("I8", "two sessions", [add("other", Session(id="t", machine="m"))]),
    ("I8", "session is closed", [with_("session", open=False)]),
    ("I8", "takes offers alone", [with_("machine", session="")]),
    (
        "I9",
        "entered without an entry",
        [
            add(
                "meter",
                Meter(machine="m", pool="p", power=Power.UP, since_ms=1, price_micros=1, direct_micros=5),
            )
        ],
    ),
    (
        "I9",
        "a machine that nobody counts",
        [add("ledger", Ledger(position=2)), with_("event3", position=1), with_("event1", position=2)],
    ),
    ("I11", "level", [with_("machine", trust=("trusted",))]),
    (
        "I11",
        "no sandbox",
        [with_(ZLIB, spec=spec(ZLIB, trust="trusted")), with_("machine", sandbox="plain")],
    ),
    ("I11", "secrets among untrusted", [with_(ZLIB, spec=spec(ZLIB, trust="trusted", secrets=("KEY",)))]),
    ("I12", "unknown blob", [drop("blob")]),
    ("I12", "blob is being deleted", [with_("blob", state="expiring")]),
    (
        "I12",
        "unknown blob of a closed build",
        [with_("build", open=False, state=BuildState.PASSED), drop("verified"), drop("blob")],
    ),
    ("I13", "slots", [with_("machine", busy=(0, 1))]),
    ("I13", "one slot twice", [with_("machine", busy=(0, 0))]),
    ("I13", "taken", [with_("machine", taken=Size(2, 1024))]),
    ("I13", "too much", [with_("machine", has=Size(1, 512))]),
    ("I13", "too many cores", [with_("machine", has=Size(0, None))]),
    ("I14", "suspended", [with_("machine", power=Power.SUSPENDED)]),
    ("I15", "mark", [with_("met", met=False), with_(ZLIB, unmet=1)]),
    ("I15", "marked too early", [with_("edge", met=True), with_(PNG, unmet=0)]),
    ("I15", "count", [with_(PNG, unmet=2)]),
    ("I16", "twice", [with_("event2", position=1)]),
    ("I16", "beyond", [with_("event2", position=3)]),
    ("I16", "order", [with_("event1", position=2), with_("event2", position=1)]),
    ("sharing", "made by nobody", [with_("building", key="other")]),
    ("sharing", "rank", [with_(WAITER, rank=-1)]),
    ("sharing", "unwanted", [with_("queued", wanted=False)]),
    ("builds", "closed", [with_("build", open=False, state=BuildState.PASSED)]),
]


def test_sound_books_break_nothing() -> None:
    assert broken(sound()) == []


@pytest.mark.parametrize(
    "changes",
    [
        with_("running", state=AttemptState.FINISHING, live=False),
        with_("machine", sized=False, has=Size(0, None), session="", accepting=False),
        with_("running", live=False, state=AttemptState.FINISHING, machine="elsewhere"),
    ],
)
def test_variations_of_sound_books(changes: Callable[[Records], None]) -> None:
    records = sound()
    changes(records)
    if not records["running"].live:  # type: ignore[attr-defined]
        with_("machine", busy=(), taken=Size(0, 0))(records)
    if not records["machine"].session:  # type: ignore[attr-defined]
        with_("session", open=False)(records)
    assert broken(records) == []


def test_what_only_closed_builds_name_may_be_collected() -> None:
    records = sound()
    for act in (
        with_("blob", state="COLLECTED"),
        with_("verified", state=ModuleState.COLLECTED),
    ):
        act(records)
    assert broken(records) == ["I12"]
    with_("build", open=False, state=BuildState.PASSED)(records)
    assert "I12" not in broken(records)


@pytest.mark.parametrize(
    ("invariant", "changes"), [pytest.param(name, acts, id=f"{name}-{what}") for name, what, acts in BREAKS]
)
def test_what_breaks_an_invariant_is_seen(invariant: str, changes: list[Callable[[Records], None]]) -> None:
    records = sound()
    for act in changes:
        act(records)
    assert invariant in broken(records)


def test_every_invariant_is_broken_by_something() -> None:
    assert {name for name, _, _ in BREAKS} == set(INVARIANTS)


def test_a_violation_says_what_where() -> None:
    records = sound()
    with_("held", reason="")(records)
    found = violations(Books(Farm(position=2), list(records.values())))
    assert [str(violation) for violation in found] == ["I3 held: held: without a reason"]
