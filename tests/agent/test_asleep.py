"""A machine that slept: the answer that its agent waits for never comes, so whoever woke it tells the agent."""

import signal

import pytest
from agent.conftest import Agent
from agent.fakehub import FakeHub

pytestmark = pytest.mark.needs("bwrap")


def test_told_that_its_machine_slept_it_polls_anew(hub: FakeHub, agent: Agent) -> None:
    agent.start()
    hub.wait(lambda: hub.polls and hub.polls[-1]["wait_s"] > 0)
    before = len(hub.polls)
    assert agent.process is not None
    agent.process.send_signal(signal.SIGUSR1)
    hub.wait(lambda: len(hub.polls) > before)
    hub.offer("a", "true")
    hub.wait(lambda: "a" in hub.finishes)
    assert hub.finishes["a"][0]["result"] == "passed"
    assert len(hub.registrations) == 1
