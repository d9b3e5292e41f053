"""Books that add up, and each way in which they might not."""

from collections.abc import Callable

import msgspec
import pytest
from conformance import samples

from penstock.model.balance import Accounts, unbalanced, unfollowed
from penstock.model.job import Attempt
from penstock.model.ledger import Account, BuildCost, Entry, Ledger, Meter, Span, Tally
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Power

HOUR_MS = 3_600_000
Records = dict[str, msgspec.Struct]


def direct(amount: int, **changes: object) -> Entry:
    values: dict[str, object] = {
        "day": 7,
        "at_ms": 20,
        "account": Account.DIRECT,
        "amount_micros": amount,
        "machine": "m",
        "span_ms": 10,
        "attempt": "a",
    }
    return Entry(**(values | changes))  # type: ignore[arg-type]


def sound() -> Records:
    """One machine for two hours, cut once: an attempt over the cut, and one that runs on."""
    span = Span(
        machine="m", from_ms=10, until_ms=10 + HOUR_MS, pool="p", power=Power.UP, price_micros=101,
        amount_micros=101, counted_ms=HOUR_MS, run_ms=10,
    )  # fmt: skip
    last = msgspec.structs.replace(
        span, from_ms=10 + HOUR_MS, until_ms=10 + 2 * HOUR_MS, amount_micros=108, extra_micros=7
    )
    since_ms = 10 + 2 * HOUR_MS
    return {
        "ledger": Ledger(from_ms=5),
        "span": span,
        "last": last,
        "meter": Meter(
            machine="m", pool="p", power=Power.SUSPENDED, since_ms=since_ms, price_micros=1, direct_micros=3, run_ms=since_ms
        ),
        "tally": Tally(
            day=7, project="", platform="", pool="", klass="", account=Account.DIRECT, outcome="", amount_micros=93, count=2
        ),
        "ended": Tally(
            day=7, project="", platform="", pool="", klass="", account=Account.DIRECT, outcome="PASSED", amount_micros=30, count=1
        ),
        "idle": Tally(
            day=7, project="", platform="", pool="", klass="", account=Account.IDLE, outcome="", amount_micros=89, count=3
        ),
        "build": BuildCost(build="b", day=7, amount_micros=120),
        "piece": direct(90),
        "end": direct(30, span_ms=10 + HOUR_MS, outcome="PASSED", final=True),
        "other": direct(3, attempt="c", span_ms=since_ms),
        "rest": direct(11, account=Account.IDLE, attempt=""),
        "rest2": direct(71, account=Account.IDLE, attempt="", span_ms=10 + HOUR_MS),
        "rounding": direct(7, account=Account.IDLE, attempt="", span_ms=10 + HOUR_MS),
    }  # fmt: skip


ATTEMPTS: dict[str, Attempt] = {
    "a": samples.attempt("a", state=AttemptState.PASSED, cost_micros=120, offered_ms=10, settled=True),
    "c": samples.attempt("c", state=AttemptState.RUNNING, offered_ms=20),
}


def wrong(records: Records) -> list[str]:
    entries = [one for one in records.values() if isinstance(one, Entry)]
    return [text for _, text in unbalanced(Accounts(list(records.values()), entries), ATTEMPTS)]


def with_(name: str, **changes: object) -> Callable[[Records], None]:
    return lambda records: records.__setitem__(name, msgspec.structs.replace(records[name], **changes))


def add(record: msgspec.Struct) -> Callable[[Records], None]:
    return lambda records: records.__setitem__("more", record)


def test_sound_books_add_up() -> None:
    assert wrong(sound()) == []
    assert wrong({}) == []


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (with_("rest", amount_micros=10), "cost 101 in the span that began at 10, 100 is entered"),
        (add(direct(5, span_ms=99)), "cost 0 in the span that began at 99, 5 is entered"),
        (with_("meter", direct_micros=4), "cost 4 in the span that began at 7200010, 3 is entered"),
        (with_("span", amount_micros=102), "cost 202 in the run since 10, its spans say 203"),
        (with_("span", counted_ms=HOUR_MS // 2), "cost 152 in the run since 10, its spans say 202"),
        (with_("meter", run_paid_micros=2), "2 of its run is paid, its spans say 0"),
        (with_("end", amount_micros=29), "cost 120, 119 is entered"),
        (add(direct(0, final=True)), "was entered to its end twice"),
        (with_("end", attempt="nobody"), "has entries of 30, and is no attempt"),
        (
            with_("tally", amount_micros=94),
            "(amount, quantity, entries) is (94, 0, 2), entered is (93, 0, 2)",
        ),
        (with_("idle", day=8), "(amount, quantity, entries) is (89, 0, 3), entered is (0, 0, 0)"),
        (with_("build", amount_micros=121), "cost 120, its record says 121"),
    ],
)
def test_what_does_not_add_up_is_said(act: Callable[[Records], None], text: str) -> None:
    records = sound()
    act(records)
    assert text in wrong(records)


def test_what_ran_before_the_books_began_need_not_add_up() -> None:
    records = sound()
    with_("ledger", from_ms=50)(records)
    with_("end", amount_micros=29)(records)
    assert not any(text.startswith("cost 120") for text in wrong(records))


def test_entries_of_no_machine_belong_to_no_span() -> None:
    records = sound()
    add(direct(5, account=Account.OVERHEAD, machine="", span_ms=0, attempt="", day=9))(records)
    (text,) = wrong(records)
    assert text.endswith("entered is (5, 0, 1)")


def machine(id_: str, **changes: object) -> Machine:
    return samples.machine(id_, **({"power": Power.UP, "name": "box"} | changes))


@pytest.mark.parametrize(
    ("machines", "wrong"),
    [
        ([machine("m", power=Power.SUSPENDED)], []),
        ([machine("m")], [("m", "is up, its meter says suspended")]),
        (
            [machine("m", power=Power.SUSPENDED), machine("n", name="other")],
            [("n", "is up, its meter says GONE")],
        ),
        ([machine("m", power=Power.SUSPENDED), machine("n")], []),
        (
            [machine("m", power=Power.SUSPENDED), machine("n", session="s")],
            [("n", "is up, its meter says GONE")],
        ),
        ([machine("gone", power=Power.GONE)], []),
    ],
)
def test_machines_have_meters_that_know_their_power(
    machines: list[Machine], wrong: list[tuple[str, str]]
) -> None:
    """One of the same name that nobody speaks for may have been replaced."""
    accounts = Accounts(list(sound().values()))
    assert list(unfollowed(accounts, {one.id: one for one in machines})) == wrong
