"""A machine's power moves by its table, and says why and since when."""

import pytest
from conformance import samples

from penstock.model.machine import powered
from penstock.model.states import NotAllowed, Power


def test_a_step_says_why_and_since_when_and_is_still_to_be_called() -> None:
    machine = samples.machine(power=Power.UP, called=True, since_ms=1)
    after = powered(machine, Power.SUSPENDING, "idle", 500)
    assert (after.power, after.power_reason, after.since_ms, after.called) == (
        "suspending",
        "idle",
        500,
        False,
    )


def test_a_step_that_the_table_does_not_have_is_refused() -> None:
    with pytest.raises(NotAllowed, match="GONE cannot become up"):
        powered(samples.machine(power=Power.GONE), Power.UP, "", 0)
