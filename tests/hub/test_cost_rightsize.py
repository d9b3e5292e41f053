"""What was asked for beside what was used: jobs at the prices of the pools that they ran in, and how busy pools were."""

from penstock.hub.costs.reading import Days
from penstock.hub.costs.rightsize import rightsize
from penstock.model.ledger import Ledger, Meter, Span
from penstock.model.states import Power
from tests.ledgers import NOW_MS, TODAY, direct, entry, foot, ledger_farm, ms_of

TWO_DAYS = Days(TODAY - 1, TODAY + 1)


def up(machine: str, day: int, hours: tuple[float, float], **about: object) -> Span:
    values = {"pool": "rack", "power": Power.UP, "price_micros": 0, "amount_micros": 0}
    return Span(
        machine=machine, from_ms=ms_of(day, hours[0]), until_ms=ms_of(day, hours[1]), **(values | about)
    )  # type: ignore[arg-type]


def test_jobs_and_what_smaller_ones_would_save() -> None:
    farm = ledger_farm(
        foot("zlib:build"),
        foot("png:build", attempts=3),
        foot("old:build", day=TODAY - 2),
        direct(30),
        direct(10, pool="gone"),
    )
    document = rightsize(farm.hub, TWO_DAYS, 50)
    zlib, png = document["jobs"]
    assert (zlib["asked_memory_mb"], zlib["p95_memory_mb"], zlib["memory_mb"]) == (8192, 1020, 1536)
    assert (zlib["asked_cores"], zlib["p95_cores"], zlib["cores"]) == (4, 1.507, 3)
    # In `burst` a machine has 4 cores: 3 of 4 are left.
    assert (zlib["cost"], zlib["saving"], document["saving"]) == ("10.000000", "2.500000", "2.500000")
    assert (png["why"], png["cores"], png["saving"]) == ("fewer than 20 attempts", None, "0.000000")
    assert document["definitions"]["recommended"].startswith("used and 50 %")


def test_how_busy_pools_were() -> None:
    held = [
        entry("direct", 1, at_ms=ms_of(TODAY, 12), quantity=12 * 3_600_000, pool="rack", day=TODAY)
        for _ in "123"
    ]
    farm = ledger_farm(
        Ledger(from_ms=ms_of(TODAY), until_ms=NOW_MS, day=TODAY),
        *held,
        entry("idle", 1, quantity=99, pool="rack"),
        up("m1", TODAY, (0, 6)),
        up("m2", TODAY, (0, 12)),
        up("pool:rack", TODAY, (0, 12), power=Power.ABSENT, count=2),
        Meter(machine="m1", pool="rack", power=Power.UP, since_ms=ms_of(TODAY, 6), price_micros=0),
        Meter(machine="m3", pool="rack", power=Power.SUSPENDED, since_ms=ms_of(TODAY, 6), price_micros=0),
        foot("zlib:build"),
    )
    rack, burst = rightsize(farm.hub, TWO_DAYS)["pools"]
    assert rack == {
        "pool": "rack", "machines": 2, "slots": 2, "machine_cores": 8, "p95_slots_held": 3.0, "p95_machines_up": 2.0,
        "needed": 2, "p95_cores_at_work": 4.521, "held_share": 0.75,
    }  # fmt: skip
    assert (burst["machines"], burst["needed"], burst["held_share"]) == (None, 0, None)


def test_nothing_is_there_yet() -> None:
    document = rightsize(ledger_farm().hub, TWO_DAYS)
    assert (document["jobs"], document["saving"]) == ([], "0.000000")
    assert document["pools"][0]["p95_cores_at_work"] is None
