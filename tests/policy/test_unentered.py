"""What has run up and is not entered yet."""

from penstock.model.ledger import Meter
from penstock.model.states import Power
from penstock.policy.charging.meters import Moment, Terms
from penstock.policy.charging.unentered import unentered

HOUR_MS = 3_600_000


def meter(**about: object) -> Meter:
    values = {"machine": "m", "pool": "burst", "power": Power.UP, "since_ms": 1000, "price_micros": 400_000}
    return Meter(**(values | about))  # type: ignore[arg-type]


def test_time_since_the_meter_was_cut_less_what_is_entered() -> None:
    at = Moment(1000 + HOUR_MS // 2)
    found = unentered([meter(), meter(direct_micros=150_000), meter(pool="rack", count=3)], {}, at)
    assert found == {"burst": 250_000, "rack": 600_000}


def test_machines_of_a_farm_at_home_count_while_it_lives() -> None:
    at = Moment(1000 + HOUR_MS, 5000 + HOUR_MS // 4)
    found = unentered([meter(farm_ms=5000)], {"burst": Terms(mortal=True)}, at)
    assert found == {"burst": 100_000}
