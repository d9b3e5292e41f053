"""What was begun without waiting goes on, whether anybody still waits for it or not."""

import logging
from concurrent.futures import Future
from typing import Any

import pytest

from penstock.hub.steps import begin
from tests.farms import TestFarm


def test_who_leaves_before_the_answer_breaks_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = TestFarm()
    written: Future[Any] = Future()
    monkeypatch.setattr(farm.store, "submit", lambda operation: written)
    with caplog.at_level(logging.ERROR):
        future = begin(farm.hub, lambda step: "done")
        assert not future.cancel()
        written.set_result(("done", {"farm"}))
    assert future.result(0) == "done"
    assert farm.bell.topics[-1] == "farm"
    assert caplog.records == []
