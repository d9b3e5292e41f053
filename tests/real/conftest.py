"""What tests with real farms share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from real.killing import Running

if TYPE_CHECKING:
    from real.ec2cloud import Cloud


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    """A test that fails in the middle of a build ends that build."""
    yield
    while Running.begun:
        Running.begun.pop().end()


@pytest.fixture(scope="module")
def region() -> Iterator[Cloud]:
    """EC2, for the tests of one file."""
    from real.ec2cloud import begun  # its libraries are for these tests alone

    yield from begun()


@pytest.fixture
def cloud(region: Cloud) -> Cloud:
    """The region with nothing in it, and nothing going wrong."""
    region.again()
    return region
