"""Full mode is the quick engine with everything in between: where nothing takes time in between, it comes to the same."""

from array import array
from pathlib import Path

import msgspec
import pytest
from fullfarms import BURST, OWN, history, rules

from penstock.history import bitcoin_ci, normal
from penstock.history.importing import import_history
from penstock.hub import provisioner
from penstock.model.decision import Decision
from penstock.model.outcome import Outcome
from penstock.model.rules import Pool, Rules, Waiting
from penstock.model.trial import Policy
from penstock.model.workload import Workload
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import decide, view
from penstock.policy.capacity.columns import Farm
from penstock.policy.capacity.rows import Rows, unpacked
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.view import Seen
from penstock.sim import run, world
from penstock.sim.tables import Tables

NO_STOPPED = Pool(
    name="plain",
    provider="simulated",
    platforms=("linux",),
    price_per_hour_micros=403_200,
    boot=BURST.boot,
    cold_cache_ms=60_000,
    delete_ms=5_000,
)
WIDE = Pool(name="own", provider="owned", platforms=("linux",), machines=2, slots=3)


def both(given: Workload, farm: Rules, policy: Policy = Policy()) -> tuple[Outcome, Outcome]:
    full = world.FullRun(given, farm, policy, every_ms=0)
    full.go()
    return run.simulate(given, farm, policy), full.outcome()


@pytest.mark.parametrize(
    ("seed", "farm"),
    [
        (1, rules()),
        (2, rules(BURST)),
        (3, rules(OWN, NO_STOPPED)),
        (4, rules(WIDE, BURST)),
        (5, rules(OWN, BURST, NO_STOPPED)),
    ],
)
def test_a_history_comes_to_the_same_starts_boots_and_bills(seed: int, farm: Rules) -> None:
    quick, full = both(history(80, seed), farm)
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert list(full.end_ms) == list(quick.end_ms)
    assert list(full.pool) == list(quick.pool)
    assert (full.boots, full.resumes, full.peaks, full.peak) == (
        quick.boots,
        quick.resumes,
        quick.peaks,
        quick.peak,
    )
    assert (full.costs, full.work_ms) == (quick.costs, quick.work_ms)
    assert (full.begun_ms, full.ended_ms) == (quick.begun_ms, quick.ended_ms)


@pytest.mark.parametrize("preset", ["penstock", "stop-when-idle"])
def test_a_pool_has_its_least_from_the_start_alike(preset: str) -> None:
    """Of two islands one has nothing to do in the first hours, and one never has."""
    late = msgspec.structs.replace(NO_STOPPED, name="late", platforms=("wasm",), min=1)
    never = msgspec.structs.replace(NO_STOPPED, name="never", platforms=("none",), min=2)
    farm = rules(OWN, msgspec.structs.replace(BURST, min=1), late, never)
    given = history(20, 8)
    platform = array("q", [0] * 19 + [1])
    given = given._replace(platform=platform, platforms=["linux", "wasm"])
    quick, full = both(given, farm, Policy(name=preset, preset=preset))
    assert quick.boots[2:] == [1, 2]
    assert quick.costs[3].idle > 0
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert quick.first_start_ms[19] == quick.ready_ms[19]
    assert (full.boots, full.resumes, full.costs) == (quick.boots, quick.resumes, quick.costs)


@pytest.mark.parametrize("preset", ["taskcluster", "gitlab", "cluster-autoscaler", "stop-when-idle"])
def test_rules_of_others_come_to_the_same(preset: str) -> None:
    quick, full = both(history(50, 2), rules(OWN, BURST), Policy(name=preset, preset=preset))
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert (full.boots, full.resumes, full.costs) == (quick.boots, quick.resumes, quick.costs)


def test_jobs_that_need_others_wait_for_them_alike() -> None:
    jobs = 60
    needs = [[row - 1] if row % 3 == 2 else [row - 3, row - 2] if row % 7 == 5 else [] for row in range(jobs)]
    given = history(jobs, 11)._replace(
        needs_from=array("q", [sum(map(len, needs[:row])) for row in range(jobs + 1)]),
        needs=array("q", [need for some in needs for need in some]),
    )
    quick, full = both(given, rules(OWN, msgspec.structs.replace(BURST, uses=2)))
    assert list(full.ready_ms) == list(quick.ready_ms)
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert (full.boots, full.costs) == (quick.boots, quick.costs)


def head(data: Path, folder: Path, skip: int, jobs: int) -> Workload:
    """Jobs of Bitcoin Core's CI as they were recorded, on one platform."""
    out = folder / "bitcoin.jsonl"
    import_history(bitcoin_ci.rows, [data / "bitcoin-ci" / "tasks.json.gz"], out)
    whole, _ = normal.load([out])
    taken = slice(skip, skip + jobs)
    zeros = array("q", [0] * jobs)
    return whole._replace(
        ids=whole.ids[taken],
        submitted_ms=whole.submitted_ms[taken],
        duration_ms=whole.duration_ms[taken],
        started_ms=whole.started_ms[taken],
        name=whole.name[taken],
        branch=whole.branch[taken],
        klass=zeros,
        project=zeros,
        platform=zeros,
        cores=zeros,
        memory_mb=zeros,
        needs_from=array("q"),
        needs=array("q"),
        platforms=["linux"],
        classes=["change"],
        projects=[""],
    )


@pytest.mark.parametrize("lateness", ["avoid", "spend"])
def test_a_recorded_day_comes_to_the_same(shared_data: Path, tmp_path: Path, lateness: str) -> None:
    """Most of a thousand starts: which job, when, where, after how many boots and resumes, and at what cost."""
    farm = msgspec.structs.replace(rules(OWN, BURST), waiting=Waiting(lateness=lateness))
    quick, full = both(head(shared_data, tmp_path, 1000, 300), farm)
    assert sum(quick.boots) > 5
    assert list(full.first_start_ms) == list(quick.first_start_ms)
    assert (full.boots, full.resumes, full.costs) == (quick.boots, quick.resumes, quick.costs)


RULES = rules()


def test_every_decision_can_be_made_again_from_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the bytes of the memory and what was seen, the same decision follows, and the same memory."""
    full = world.FullRun(history(60, 7), RULES, Policy())
    made: list[tuple[Decision, str]] = []
    again: list[tuple[Decision, str]] = []
    decide = view.decide

    def told(rows: Rows, seen: Seen) -> None:
        copy = unpacked(rows.pack(), RULES, Choice())
        copy.machine_versions = dict(rows.machine_versions)
        seen_again = msgspec.json.decode(msgspec.json.encode(seen), type=Seen)
        again.append((decide(copy, seen_again), copy.digest()))

    def deciding(rows: Rows, seen: Seen) -> Decision:
        decision = decide(rows, seen)
        made.append((decision, rows.digest()))
        return decision

    full.world.services.provisioner.told = told
    monkeypatch.setattr(provisioner.policy, "decide", deciding)
    full.go()
    assert len(made) > 100
    assert sum(bool(decision.power) for decision, _ in made) > 20
    assert again == made


def test_what_one_mode_decides_the_other_decides_again() -> None:
    """Columns before each decision of full mode, given to what is compiled; and those of the engine, to the hub's own."""
    given, engine = history(60, 8), run.Engine(10**6)
    recorded: list[tuple[Farm, int, int, list[list[int]]]] = []
    plain = decide.decide

    def deciding(farm: Farm, island: int, now_ms: int) -> None:
        before = copied(farm)
        plain(farm, island, now_ms)
        recorded.append((before, island, now_ms, acts(farm)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decide, "decide", deciding)
        world.simulate(given, RULES, Policy())
        live = len(recorded)
        patched.setenv("PENSTOCK_COMPILED", "0")
        run.simulate(given, RULES, Policy())
    assert min(live, len(recorded) - live) > 100
    for before, island, now_ms, told in recorded:
        tables = Farm(*(Tables(True).same(part) for part in before))
        engine.call(decide, "decide", tables, island, now_ms)
        assert acts(tables) == told
        again = copied(before)
        decide.decide(again, island, now_ms)
        assert acts(again) == told
        assert parts(tables) == parts(again)


def copied(farm: Farm) -> Farm:
    return Farm(
        *(part[:] if isinstance(part, array) else tuple(column[:] for column in part) for part in farm)
    )


def acts(farm: Farm) -> list[list[int]]:
    return [[int(value) for value in column[: farm.head[c.HEAD_ACTS]]] for column in farm.acts]


def parts(farm: Farm) -> list[bytes]:
    """All that outlives a decision, as bytes."""
    kept = [part for field, part in zip(farm._fields, farm, strict=True) if field not in ("acts", "scratch")]
    return [
        b"".join(column.tobytes() for column in part) if isinstance(part, tuple) else part.tobytes()
        for part in kept
    ]
