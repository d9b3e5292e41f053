"""What tests with real farms share."""

from collections.abc import Iterator

import pytest
from real.killing import Running


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """A test that fails in the middle of a build ends that build."""
    yield
    while Running.begun:
        Running.begun.pop().end()
