"""What a simulated policy reckons with."""

from penstock.model.rules import Rules, Waiting
from penstock.model.trial import Policy

FARM = Rules(waiting=Waiting(price_per_hour_micros=5_000_000, target_ms=600_000))


def test_a_policy_reckons_as_its_farm_does() -> None:
    assert Policy().reckons(FARM) is FARM


def test_a_policy_may_reckon_waiting_otherwise() -> None:
    decides = Policy(waiting={"price_per_hour_micros": 0}).reckons(FARM)
    assert decides.waiting == Waiting(price_per_hour_micros=0, target_ms=600_000)
    assert FARM.waiting.price_per_hour_micros == 5_000_000, "what comes of it is judged by the farm's"
