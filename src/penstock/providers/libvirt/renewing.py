"""Tells machines that run another system's agent that somebody still knows them: they power off when nobody does.

Their agents call no hub, so the word comes over the channel, from whoever lists them: that is who leads the farm.
"""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from penstock.model.pool_foreign import OURS
from penstock.model.rules import Pool
from penstock.providers.libvirt.channel import Tell
from penstock.providers.libvirt.files import Files

SHARE = 20
"""A machine is told so often in the time that it waits for."""
MOST_S = 60.0
WAIT_S = 5.0
"""A machine that does not answer in this time is told the next time."""


class Renewals:
    """One pool's. `words`: a message as it is sent now. `clock`: seconds."""

    def __init__(
        self,
        pool: Pool,
        files: Files,
        say: Tell,
        words: Callable[[dict[str, Any]], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limit_s = pool.power_off_after_ms / 1000 if pool.agent != OURS else 0
        self._every_s = min(MOST_S, limit_s / SHARE)
        self._files, self._say, self._words, self._clock = files, say, words, clock
        self._lock = threading.Lock()
        self._begun_s: float | None = None
        self._telling: threading.Thread | None = None

    def due(self, ids: Iterable[str]) -> None:
        """These machines are up, by a look of now. Returns at once."""
        now_s = self._clock()
        with self._lock:
            early = self._begun_s is not None and now_s - self._begun_s < self._every_s
            if not self._every_s or early or (self._telling is not None and self._telling.is_alive()):
                return
            self._begun_s = now_s
            self._telling = threading.Thread(target=self._tell, args=(tuple(ids),), daemon=True)
            self._telling.start()

    def _tell(self, ids: tuple[str, ...]) -> None:
        for id_ in ids:
            until_s = self._clock() + WAIT_S
            message = partial(self._words, {"kind": "renewed"})
            self._say(self._files.channel(id_), message, partial(self._is_before, until_s))

    def _is_before(self, until_s: float) -> bool:
        return self._clock() < until_s
