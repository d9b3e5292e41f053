"""A hub that starts while its object store is away for a moment."""

from pathlib import Path

import pytest

from penstock import wiring
from penstock.cli import serve
from penstock.cli.serve import patiently
from penstock.model.rules import Rules
from penstock.ports import Away, StoreError
from penstock.web.bell import Bell
from penstock.wiring import assemble


def test_a_store_that_is_away_for_a_moment_is_asked_again_and_nothing_is_left_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, right, noted, paused = iter([True, True, False]), wiring.open_blobs, [], []

    def sometimes(url: str, folder: Path) -> object:
        if next(tries):
            raise Away("the bucket did not answer")
        return right(url, folder)

    monkeypatch.setattr(wiring, "open_blobs", sometimes)
    rules = Rules(folder=str(tmp_path), state=f"sqlite:///{tmp_path}/penstock.db", blobs="file:blobs")
    parts = patiently(lambda: assemble(rules, tmp_path, Bell()), noted.append, paused.append)
    parts.close()
    assert [str(problem) for problem in noted] == ["the bucket did not answer"] * 2
    assert len(paused) == 2


@pytest.mark.parametrize(("problem", "noted"), [(Away("away"), 1), (StoreError("no such bucket"), 0)])
def test_it_is_not_asked_for_ever_and_what_does_not_pass_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, problem: StoreError, noted: int
) -> None:
    told: list[Exception] = []

    def fails() -> wiring.Parts:
        raise problem

    with pytest.raises(StoreError, match=str(problem)):
        patiently(fails, told.append, lambda _: monkeypatch.setattr(serve.time, "monotonic", lambda: 1e12))
    assert len(told) == noted
