"""What the policy was told, decided again from bytes: every act and every column comes out as it was."""

import msgspec
import pytest
from fullfarms import BURST, rules
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from seenfarm import ASK, RULES, Told, own, rented, wanted

from penstock.model.curb import Curb
from penstock.model.decision import Boot, Decision
from penstock.model.rules import Rules
from penstock.model.units import Size
from penstock.policy.capacity import view
from penstock.policy.capacity.journal import Made, Reader, Writer, packed_start
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.view import Ended, Seen

BIG = msgspec.structs.replace(ASK, size=Size(4, 4096))
BARRED = Curb(guard="g", barred=("burst",), exempt=("release",))


class Kept:
    """A farm that is told things, each written down with what came of it."""

    def __init__(self, farm: Rules = RULES) -> None:
        self.farm, self.told = farm, Told(farm)
        self.then: list[tuple[Seen, Decision, str]] = []
        self.begin()

    def begin(self) -> None:
        """A journal begins here."""
        self.start = packed_start(self.told.rows, self.farm, Choice())
        self.writer = Writer(self.told.rows)
        self.then.clear()

    def __call__(self, passed_ms: int = 1000, **seen: object) -> Decision:
        self.told.now_ms += passed_ms
        told = Seen(now_ms=self.told.now_ms, **seen)  # type: ignore[arg-type]
        self.writer.tell(told)
        decision = view.decide(self.told.rows, told)
        called = [(one.row, f"b{one.row}") for one in decision.power if isinstance(one, Boot)]
        for row, name in called:
            self.told.rows.called(row, name)
        self.writer.told(called)
        acted = bool(decision.places or decision.power)
        self.then.append((told, decision, self.told.rows.digest() if acted else ""))
        return decision

    def again(self) -> list[tuple[Seen, Decision, str]]:
        made: list[Made] = list(Reader(self.start).again(self.writer.take()))
        return [(one.seen, one.decision, one.memory) for one in made]


def test_orders_starts_and_ends_come_out_the_same() -> None:
    kept = Kept(rules(BURST))
    jobs = tuple(wanted(f"j{number}") for number in range(5))
    decision = kept(waiting=jobs)
    while not decision.power:
        decision = kept(60_000, waiting=jobs)
    boots = [one for one in decision.power if isinstance(one, Boot)]
    up = tuple(rented(f"b{one.row}", version=2) for one in boots)
    places = kept(waiting=jobs, machines=up).places
    assert places
    kept(5000, ended=tuple(Ended(one.job, 4000) for one in places))
    for _ in range(30):
        kept(600_000)
    assert kept.again() == kept.then


def test_a_journal_may_begin_anywhere_with_what_is_known_then() -> None:
    """Versions of machines and what guards forbid are in no column."""
    kept = Kept()
    kept(machines=(own(version=7), rented("b1", version=3)), waiting=(wanted("j1"), wanted("j2")))
    kept(curbs=(BARRED,), waiting=tuple(wanted(f"k{number}") for number in range(3)))
    kept.begin()
    kept(curbs=(BARRED,), waiting=(wanted("k1"), wanted("new")), ended=(Ended("j1", 9000),))
    kept(curbs=(), waiting=(wanted("k1"), wanted("new")), machines=(own(version=11),))
    assert any(decision.places for _, decision, _ in kept.then)
    assert kept.again() == kept.then


def test_the_queue_is_written_once_and_not_again_while_it_is_the_same() -> None:
    kept = Kept()
    jobs = tuple(wanted(f"job-{number:06d}", ask=BIG) for number in range(300))
    for _ in range(50):
        kept(waiting=jobs)
    fifty = kept.writer.take()
    once = Kept()
    once(waiting=jobs)
    assert len(fifty) < 1.5 * len(once.writer.take())


def test_a_job_that_changed_is_written_anew() -> None:
    kept = Kept()
    kept(waiting=(wanted("j1", ask=BIG), wanted("j2")))
    kept(waiting=(wanted("j1"), wanted("j2", 2000)), machines=(own(),))
    assert [len(line.fresh) for line in kept.writer.lines] == [2, 2]
    assert kept.again() == kept.then


def test_a_row_that_was_given_by_looking_is_given_again() -> None:
    """A hub asks which island a job belongs to before the policy hears of it, or though it never does."""
    kept = Kept()
    kept(waiting=(wanted("j1"),))
    kept.told.rows.island_of(BIG)
    kept(
        waiting=(wanted("j1"), wanted("j3", ask=msgspec.structs.replace(ASK, project="qt"))),
        machines=(own(),),
    )
    assert kept.writer.lines[1].asks
    assert kept.again() == kept.then


def test_where_the_data_lies_is_not_in_it() -> None:
    secret = msgspec.structs.replace(RULES, state="postgresql://user:secret@db/farm")
    assert b"user:secret" not in Kept(secret).start


STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 1000, 60_000, 900_000, 3_600_000)),
        st.sets(st.integers(0, 9), max_size=6),
        st.sampled_from(("", "own", "burst", "gone", "curb")),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, begin=st.integers(0, 24))
# Rows that became free were given anew in the order in which a dictionary had grown, which no column says.
@example(steps=[(1000, {3, 6}, "", False), (0, {0, 2}, "gone", False), (0, {5}, "burst", True)], begin=2)
def test_whatever_is_told_is_decided_again(steps: list[tuple[int, set[int], str, bool]], begin: int) -> None:
    kept = Kept()
    running: set[str] = set()
    for number, (passed_ms, jobs, what, end) in enumerate(steps):
        if number == begin:
            kept.begin()
        told: dict[str, object] = {
            "waiting": tuple(
                wanted(f"j{job}", ask=BIG if job % 3 == 0 else ASK)
                for job in sorted(jobs)
                if f"j{job}" not in running
            ),
            "machines": tuple(
                {"own": [own(version=number)], "burst": [rented("r1", version=number)]}.get(what, ())
            ),
            "gone": ("r1",) if what == "gone" else (),
            "curbs": (BARRED,) if what == "curb" else (),
        }
        if end and running:
            over = min(running)
            running.remove(over)
            told["ended"] = (Ended(over, 1 + passed_ms),)
        running |= {one.job for one in kept(passed_ms, **told).places}
    assert kept.again() == kept.then


@pytest.mark.parametrize("rows", [1, 70, 200])
def test_many_machines_get_their_names_again(rows: int) -> None:
    kept = Kept(rules(BURST))
    jobs = tuple(wanted(f"j{number}") for number in range(rows))
    for _ in range(20):
        if kept(60_000, waiting=jobs).power:
            break
    assert kept.again() == kept.then
