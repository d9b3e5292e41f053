"""What ends at the same moment is told in one poll."""

import threading
from pathlib import Path
from typing import Any

import pytest

from penstock.agent import loop
from penstock.agent.finishes import Finishes

FAR_S = 60.0


class Held:
    never_twice = confirmed = False

    def __init__(self, slot: int) -> None:
        self.offer = {"attempt": f"a{slot}", "fence": "x:1", "slot": slot}


class Wake(threading.Event):
    """Tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.awaited.set()
        return super().wait(timeout)


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A loop whose two slots have taken offers of which the hub was not told, and which lingers for ever."""
    monkeypatch.setattr(loop, "_LINGER_S", FAR_S)
    monkeypatch.setattr(loop, "_TOGETHER_S", FAR_S)
    made: Any = object.__new__(loop.Loop)
    made._lock, made._wake = threading.Lock(), Wake()
    made._held = {f"a{slot}": Held(slot) for slot in range(2)}
    made._acks = dict.fromkeys(made._held, "x:1")
    made._slots, made._busy = [None, None], {0, 1}
    made._finishes = Finishes(tmp_path, print)
    made._draining = made._waiting = made._gathering = False
    return made


def end(busy: Any, name: str) -> None:
    busy._end(busy._held[name], {**busy._held[name].offer, "result": "passed"})


def test_ends_of_one_moment_go_together(busy: Any) -> None:
    told: list[list[str]] = []

    def turn() -> None:
        busy._linger()
        told.append([body["attempt"] for body in busy._finishes.to_send()])

    lingering = threading.Thread(target=turn)
    lingering.start()
    assert busy._wake.awaited.wait(FAR_S)
    end(busy, "a0")
    end(busy, "a1")
    lingering.join(FAR_S / 2)
    assert told == [["a0", "a1"]]


def test_who_is_to_end_does_not_linger(busy: Any) -> None:
    lingering = threading.Thread(target=busy._linger)
    lingering.start()
    assert busy._wake.awaited.wait(FAR_S)
    busy._draining = True
    busy._interrupt()
    lingering.join(FAR_S / 2)
    assert not lingering.is_alive()
    assert len(busy._held) == 2


def test_who_gathers_is_woken_by_the_last_end(busy: Any) -> None:
    busy._gathering = True
    end(busy, "a0")
    assert not busy._wake.is_set()
    end(busy, "a1")
    assert busy._wake.is_set()
