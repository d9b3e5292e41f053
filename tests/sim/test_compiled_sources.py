"""What was compiled is used again only while everything that went into it is as it was."""

from penstock.policy.capacity import presets
from penstock.sim import compiling


def test_numbers_that_are_compiled_in_belong_to_the_digest() -> None:
    """A module that only gives numbers is in no function's globals as a module: a changed number was not noticed."""
    sources = compiling._sources(compiling.reached(presets))
    assert {"penstock.policy.capacity.columns", "penstock.policy.capacity.preset_numbers"} <= set(sources)
