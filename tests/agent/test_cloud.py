"""An agent on an instance of EC2: it says which one, and that it will be taken away."""

import time
from collections.abc import Iterator

import pytest
from agent.metadata import DOCUMENT, Metadata

from penstock.agent.cloud import NAMED_BY, Instance


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    made = Metadata()
    monkeypatch.setenv(NAMED_BY, made.url)
    yield made
    made.close()


class TestInstance:
    def test_it_asks_with_one_token_and_gets_a_new_one_when_that_is_not_good_any_more(
        self, metadata: Metadata
    ) -> None:
        instance = Instance()
        assert instance.document() == instance.document() == DOCUMENT
        assert metadata.asked.count("/latest/api/token") == 1
        metadata.token = "token-2"
        assert instance.document() == ""
        assert instance.document() == DOCUMENT

    def test_no_end_is_announced_until_one_is(self, metadata: Metadata) -> None:
        instance = Instance()
        assert not instance.look()
        assert instance.leaves_in_s is None
        metadata.leave(90)
        assert instance.look()
        assert instance.leaves_in_s is not None
        assert 85 < instance.leaves_in_s <= 90

    @pytest.mark.parametrize("said", ["{", "[]", '{"action": "stop"}', '{"time": "soon"}', '{"time": 3}'])
    def test_an_announcement_that_cannot_be_read_is_one(self, metadata: Metadata, said: str) -> None:
        metadata.action = said
        instance = Instance()
        assert instance.look()
        assert instance.leaves_in_s == 0.0

    def test_where_nothing_answers_nothing_is_known(self, metadata: Metadata) -> None:
        metadata.close()
        instance = Instance(metadata.url)
        assert instance.document() == ""
        assert not instance.look()


def test_the_agent_says_which_instance_it_is_on_and_breaks_off_its_poll_for_the_news(
    agent, hub, metadata
) -> None:  # type: ignore[no-untyped-def]
    metadata.signature = "MIAG"
    agent.start("--no-sandbox", "--cloud", "ec2")
    assert hub.registrations[0]["document"] == DOCUMENT
    assert hub.registrations[0]["signature"] == "MIAG"
    hub.wait(lambda: hub.polls, agent.said())
    assert hub.polls[-1]["leaves_in_s"] is None
    assert hub.polls[-1]["wait_s"] > 10
    metadata.leave(120)
    hub.wait(lambda: hub.polls[-1]["leaves_in_s"], agent.said())
    took_s = time.monotonic() - metadata.told_s
    assert 100 < hub.polls[-1]["leaves_in_s"] <= 120
    # It looks every second; a poll that is not broken off would wait for 30.
    assert took_s < 10
    assert agent.end() == 0


def test_without_the_option_nothing_is_asked(agent, hub, metadata) -> None:  # type: ignore[no-untyped-def]
    agent.start("--no-sandbox")
    hub.wait(lambda: hub.polls, agent.said())
    assert "document" not in hub.registrations[0]
    assert hub.polls[-1]["leaves_in_s"] is None
    assert metadata.asked == []
    assert agent.end() == 0
