"""Which job goes where, and why not elsewhere."""

import hypothesis.strategies as st
import msgspec
import pytest
from farms import spec
from hypothesis import given

from penstock.model.decision import Place
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, PoolFacts, Snapshot, ask_of, groups_of
from penstock.model.states import Health, JobState, Power
from penstock.model.units import Size
from penstock.policy.placement import decide
from penstock.policy.suitability import of_pool, refusals, why_not

MACHINE = Machine(
    id="m1",
    name="m1",
    pool="own",
    platforms=("linux",),
    slots=2,
    has=Size(4, 8192),
    power=Power.UP,
    health=Health.GOOD,
    accepting=True,
    version=5,
)
ASK = Ask("linux", "", "untrusted", "change", Size(1, 1024))


def machine(name: str = "m1", **changes: object) -> Machine:
    return msgspec.structs.replace(MACHINE, id=name, name=name, **changes)


def job(name: str, rank: int = 0, ready_ms: int = 0, **changes: object) -> Job:
    about = {
        key: changes.pop(key) for key in ("lost_on", "steady", "not_before_ms", "version") if key in changes
    }
    return Job(
        id=name,
        build="b",
        name=name,
        spec=spec("zlib", **changes),
        state=JobState.QUEUED,
        rank=rank,
        ready_ms=ready_ms,
        **about,  # type: ignore[arg-type]
    )


def view(jobs: list[Job], machines: list[Machine], **changes: object) -> Snapshot:
    groups, wake_ms = groups_of(jobs, 1000)
    snapshot = Snapshot(now_ms=1000, groups=groups, machines=tuple(machines), wake_ms=wake_ms)
    return msgspec.structs.replace(snapshot, **changes)


def placed(*places: Place) -> list[tuple[str, str, int]]:
    return [(place.job, place.machine, place.slot) for place in places]


def test_a_job_goes_to_a_machine_with_room() -> None:
    decision = decide(view([job("a", version=7)], [MACHINE]))
    place = decision.places[0]
    assert (place.job, place.job_version, place.machine, place.machine_version, place.slot) == (
        "a",
        7,
        "m1",
        5,
        0,
    )
    assert place.reason == "m1 of pool own: the cheapest with room, 1 of 2 slots taken"
    assert decision.left == ()


def test_versions_count_on_the_placements_before() -> None:
    places = decide(view([job("a"), job("b")], [MACHINE])).places
    assert [(place.slot, place.machine_version) for place in places] == [(0, 5), (1, 6)]


def test_jobs_go_in_the_order_of_the_queue() -> None:
    jobs = [job("late", 0, 9), job("urgent", -1, 5), job("early", 0, 1), job("other", 0, 2, klass="try")]
    places = decide(view(jobs, [MACHINE, machine("m2")])).places
    assert [place.job for place in places] == ["urgent", "early", "other", "late"]


def test_nothing_is_placed_where_no_slot_is_free() -> None:
    decision = decide(view([job("a"), job("b", klass="try")], [machine(busy=(0, 1))]))
    assert decision.places == ()
    assert [(name, reason.code) for name, reason in decision.left] == [("a", "busy"), ("b", "busy")]


def test_owned_machines_share_the_load_and_rented_ones_are_filled() -> None:
    jobs = [job("a"), job("b")]
    two = [machine("m1"), machine("m2")]
    assert placed(*decide(view(jobs, two)).places) == [("a", "m1", 0), ("b", "m2", 0)]
    rented = {"own": PoolFacts(name="own", rented=True)}
    assert placed(*decide(view(jobs, two, pools=rented)).places) == [("a", "m1", 0), ("b", "m1", 1)]


def test_the_cheapest_goes_first() -> None:
    two = [machine("m1", price_per_hour_micros=2), machine("m2", price_per_hour_micros=1)]
    assert placed(*decide(view([job("a")], two)).places) == [("a", "m2", 0)]


def test_memory_is_never_overcommitted() -> None:
    jobs = [job(name, size=Size(1, 5000)) for name in "ab"]
    assert placed(*decide(view(jobs, [MACHINE])).places) == [("a", "m1", 0)]


def test_a_machine_without_sizes_runs_one_job_per_slot() -> None:
    jobs = [job(name, size=Size(64, None)) for name in "abc"]
    assert len(decide(view(jobs, [machine(sized=False)])).places) == 2


def test_a_big_job_at_the_head_reserves_its_machine() -> None:
    half = machine("m1", busy=(0,), taken=Size(1, 1024))
    less = machine("m2", busy=(0,), taken=Size(2, 1024))
    jobs = [job("big", -1, size=Size(4, 1024)), *(job(f"s{n}", ready_ms=n) for n in range(3))]
    decision = decide(view(jobs, [half, less]))
    assert placed(*decision.places) == [("s0", "m2", 1)]
    assert [name for name, _ in decision.left] == ["big", "s1"]
    assert decision.left[0][1].text == "too big for what is free; m1 is reserved for it"


def test_one_reservation_is_enough() -> None:
    taken = {"busy": (0,), "taken": Size(1, 1024)}
    jobs = [job("big", -1, size=Size(4, 1024)), job("next", size=Size(4, 2048))]
    decision = decide(view(jobs, [machine("m1", **taken), machine("m2", **taken)]))
    assert [reason.code for _, reason in decision.left] == ["full", "reserved"]


def test_what_nobody_could_take_reserves_nothing() -> None:
    jobs = [job("huge", -1, size=Size(64, 1024)), job("small")]
    decision = decide(view(jobs, [MACHINE]))
    assert placed(*decision.places) == [("small", "m1", 0)]
    assert [(name, reason.code) for name, reason in decision.left] == [("huge", "none")]


def test_machines_that_a_job_was_lost_on_are_avoided_while_there_are_others() -> None:
    lost = job("a", lost_on=("m1",))
    assert placed(*decide(view([lost], [MACHINE, machine("m2")])).places) == [("a", "m2", 0)]
    assert placed(*decide(view([lost], [MACHINE])).places) == [("a", "m1", 0)]
    busy = machine("m2", busy=(0, 1))
    assert decide(view([lost], [MACHINE, busy])).places == ()


def test_a_reclaimed_job_goes_to_a_machine_that_is_not() -> None:
    spot = machine("m1", pool="spot")
    pools = {"spot": PoolFacts(name="spot", reclaimed=True, rented=True), "own": PoolFacts(name="own")}
    steady = job("a", steady=True)
    assert placed(*decide(view([steady], [spot, machine("m2")], pools=pools)).places) == [("a", "m2", 0)]
    assert placed(*decide(view([steady], [spot], pools=pools)).places) == [("a", "m1", 0)]
    both = job("a", steady=True, lost_on=("m2",))
    assert placed(*decide(view([both], [spot, machine("m2")], pools=pools)).places) == [("a", "m1", 0)]


def test_jobs_that_back_off_are_tried_when_their_time_has_come() -> None:
    jobs = [job("a", not_before_ms=1001), job("b", not_before_ms=1000), job("c", not_before_ms=5000)]
    decision = decide(view(jobs, [MACHINE]))
    assert [place.job for place in decision.places] == ["b"]
    assert decision.wake_ms == 1001


@pytest.mark.parametrize(
    ("changes", "ask", "codes"),
    [
        ({}, {}, []),
        ({"power": Power.SUSPENDED, "accepting": False}, {}, ["power"]),
        ({"accepting": False}, {}, ["session"]),
        ({"health": Health.QUARANTINED}, {}, ["health"]),
        ({"health": Health.UNKNOWN}, {}, []),
        ({"pool": "bad"}, {}, ["pool"]),
        ({"platforms": ("bsd",)}, {}, ["platform"]),
        ({"identity": "x"}, {"identity": "x"}, []),
        ({"identity": "x"}, {"identity": "y"}, ["identity"]),
        ({"platforms": ("image",)}, {"platform": "image", "identity": "y"}, []),
        ({"trust": ("trusted",)}, {}, ["trust"]),
        ({"sandbox": "plain"}, {}, []),
        ({"sandbox": "plain"}, {"trust": "trusted"}, ["sandbox"]),
        ({"pool": "nightly"}, {}, ["class"]),
        ({"pool": "nightly"}, {"klass": "nightly"}, []),
        ({"pool": "qemu"}, {}, ["project"]),
        ({"pool": "qemu"}, {"project": "qt"}, ["project"]),
        ({"pool": "qemu"}, {"project": "qemu"}, []),
        ({}, {"pools": ("own", "burst")}, []),
        ({}, {"pools": ("burst",)}, ["rule"]),
        ({}, {"size": Size(5, 1024)}, ["size"]),
        ({"health": Health.BAD, "trust": ()}, {"size": Size(5, None)}, ["health", "trust", "size"]),
    ],
)
def test_reasons_against_a_machine(
    changes: dict[str, object], ask: dict[str, object], codes: list[str]
) -> None:
    pools = {
        "bad": PoolFacts(name="bad", suspect=True),
        "nightly": PoolFacts(name="nightly", classes=("nightly",)),
        "qemu": PoolFacts(name="qemu", projects=("qemu",)),
    }
    snapshot = view([], [], pools=pools, fingerprinted=frozenset(["linux"]))
    found = refusals(msgspec.structs.replace(ASK, **ask), machine(**changes), snapshot)
    assert [reason.code for reason in found] == codes
    assert why_not(msgspec.structs.replace(ASK, **ask), machine(**changes), snapshot) == found


def test_a_pool_that_takes_no_such_jobs_says_so_in_words() -> None:
    only = {"own": PoolFacts(name="own", projects=("qemu",))}
    asks = [
        msgspec.structs.replace(ASK, project="qt", pools=("burst", "far")),
        msgspec.structs.replace(ASK, pools=("burst",)),
    ]
    assert [[why.text for why in refusals(ask, MACHINE, view([], [], pools=only))] for ask in asks] == [
        [
            "the rule for this change gives it the pools burst, far, not own",
            "its pool takes no jobs of project qt",
        ],
        [
            "the rule for this change gives it the pool burst, not own",
            "its pool takes no jobs without a project",
        ],
    ]


def test_a_pool_says_why_none_of_its_machines_could_ever_take_a_job() -> None:
    pool = Pool(name="own", provider="owned", platforms=("linux",))
    narrow = msgspec.structs.replace(
        pool,
        platforms=("bsd",),
        trust=("trusted",),
        classes=("release",),
        projects=("qt",),
        size=Size(8, 1024),
    )
    ask = msgspec.structs.replace(ASK, size=Size(9, 1024), pools=("far",))
    assert of_pool(ASK, pool) == []
    assert of_pool(ask, pool)[0].code == "rule"
    codes = [why.code for why in of_pool(ask, narrow)]
    assert codes == ["platform", "trust", "rule", "class", "project", "size"]
    assert of_pool(ASK, msgspec.structs.replace(pool, size=Size(1, None))) == []


def test_people_hear_what_is_in_the_way_now() -> None:
    snapshot = view([], [])
    assert [r.text for r in why_not(ASK, machine(busy=(0, 1)), snapshot)] == ["all 2 slots are taken"]
    full = machine(busy=(0,), taken=Size(4, 1024))
    assert [r.text for r in why_not(ASK, full, snapshot)] == [
        "0 cores, 7168 MB is free, it asks for 1 core, 1024 MB"
    ]


def test_what_a_job_asks_for() -> None:
    assert ask_of(job("a", lost_on=("m1",), steady=True)) == Ask(
        "linux", "", "untrusted", "change", Size(1, 1024), True, ("m1",)
    )


SIZES = st.sampled_from([Size(1, 512), Size(2, 1024), Size(4, 8192), Size(1, None)])
JOBS = st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 3), SIZES), max_size=12)
MACHINES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 1), st.booleans()), max_size=5
)


@given(JOBS, MACHINES, st.randoms(use_true_random=False))
def test_no_machine_is_overfilled_and_the_order_of_input_is_nothing(
    asked: list[tuple[int, int, Size]], given_: list[tuple[int, int, int, bool]], chance: object
) -> None:
    jobs = [job(f"j{n:02}", rank, ready, size=size) for n, (rank, ready, size) in enumerate(asked)]
    machines = [
        machine(f"m{n}", slots=slots, has=Size(cores, 8192), price_per_hour_micros=price, sized=sized)
        for n, (slots, cores, price, sized) in enumerate(given_)
    ]
    decision = decide(view(jobs, machines))
    assert len({(place.machine, place.slot) for place in decision.places}) == len(decision.places)
    assert len({place.job for place in decision.places}) == len(decision.places)
    sizes = {one.id: one.spec.size for one in jobs}
    for one in machines:
        mine = [place for place in decision.places if place.machine == one.id]
        assert all(place.slot < one.slots for place in mine)
        assert not one.sized or sum(sizes[place.job].cores for place in mine) <= one.has.cores
    shuffled = list(jobs)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(view(shuffled, machines)) == decision
