"""What is open through the hub, by attempt: so many connections and bytes at most, cut when the attempt's right has ended."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from litestar.exceptions import HTTPException

from penstock.hub import reaching
from penstock.hub.context import Hub
from penstock.hub.queue import Right
from penstock.web.tunnel import Purse, Tunnel

MOST_OF_ATTEMPT = 48
MOST_OPEN = 512
"""Connections of one attempt, and of one hub process; an agent's own bound is smaller (agent/forward)."""
MOST_BYTES = 64 << 30
"""Of one attempt, both ways together, through one hub process."""
LOOK_UPS = 4
"""Names that one attempt may have looked up at once."""
CHECK_S = 5.0
"""So often rights are looked at; a connection outlives its right by no more."""
UNCHECKED_S = 120.0
"""Where the database does not answer for so long, nobody knows who may still do what."""
_SAYING = ThreadPoolExecutor(1, "forwarded")


class Open:
    """One connection, from the request to its end."""

    def __init__(self, account: "Account") -> None:
        self.purse = account.purse
        self.look_ups = account.look_ups
        self.number = ""
        self.tunnel: Tunnel | None = None


class Account:
    """What an attempt has open, and what it may still carry."""

    def __init__(self) -> None:
        self.purse = Purse(MOST_BYTES)
        self.look_ups = asyncio.Semaphore(LOOK_UPS)
        self.open: set[Open] = set()


class Forwarded:
    """All that one hub process forwards. Used from its event loop alone."""

    def __init__(self, hub: Hub, note: Callable[[str], None]) -> None:
        self._hub, self._note = hub, note
        self._accounts: dict[Right, Account] = {}
        self._watch: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def opening(self, right: Right, to: str) -> Iterator[Open]:
        """One connection; when it is over a line is noted. Raises HTTPException where there are too many."""
        account = self._accounts.setdefault(right, Account())
        self._refuse_too_many(account)
        one, began_s = Open(account), time.monotonic()
        account.open.add(one)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.ensure_future(self._watching())
        refused = ""
        try:
            yield one
        except HTTPException as problem:
            refused = problem.detail
            raise
        finally:
            account.open.discard(one)
            said = _line(right, to, one, refused)
            _SAYING.submit(self._note, f"{said}, {time.monotonic() - began_s:.1f} s")

    def _refuse_too_many(self, account: Account) -> None:
        if len(account.open) >= MOST_OF_ATTEMPT:
            raise HTTPException(
                f"this attempt has {MOST_OF_ATTEMPT} connections open already", status_code=429
            )
        if sum(len(each.open) for each in self._accounts.values()) >= MOST_OPEN:
            raise HTTPException("too many connections go through this hub now", status_code=503)

    async def _watching(self) -> None:
        """Look after rights as long as there are any."""
        checked_s = time.monotonic()
        while self._accounts:
            await asyncio.sleep(CHECK_S)
            try:
                over = await asyncio.to_thread(reaching.ended, self._hub, list(self._accounts))
            except Exception:
                # Whoever asks the store for anything hears of it and tells; here only time passes.
                self._drop_unchecked(time.monotonic() - checked_s)
                continue
            checked_s = time.monotonic()
            for right in over:
                self._end(right)

    def _end(self, right: Right) -> None:
        account = self._accounts[right]
        for one in account.open:
            if one.tunnel is not None:
                one.tunnel.cut("the right to this attempt has ended")
        if not account.open:
            del self._accounts[right]

    def _drop_unchecked(self, since_s: float) -> None:
        tunnels = [one.tunnel for account in self._accounts.values() for one in account.open]
        for tunnel in tunnels:
            if tunnel is not None and since_s > UNCHECKED_S:
                tunnel.drop("the database does not say any more who may do what")


def _line(right: Right, to: str, one: Open, refused: str) -> str:
    where = f"attempt {right.attempt} on {right.machine} to {to[:300]!r}"
    if one.tunnel is None:
        return f"forward: {where}: refused: {refused or 'the agent left'}"
    sent, received, cut = one.tunnel.carried
    return f"forward: {where} at {one.number}: {sent} bytes out, {received} in{cut and f', cut: {cut}'}"
