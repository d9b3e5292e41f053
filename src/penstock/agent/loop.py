"""The agent's loop: one long poll says everything (slots, renewals, acknowledgements, finishes) and learns everything.

One thread polls; each slot has a thread of its own. The hub decides; the agent keeps only what it must: what it holds,
which offers it has taken and which ends the hub has not heard of.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable

from penstock.agent.attempt import Attempt, Means
from penstock.agent.cleaning import Cleaning
from penstock.agent.cloud import Instance
from penstock.agent.deadman import DeadMan
from penstock.agent.finishes import Finishes
from penstock.agent.session import API, Session, Unwelcome
from penstock.agent.slots import Held, Slot
from penstock.agent.workspace import Workshop
from penstock.wire.client import Denied, HubError, Interrupted, Refused, Unreachable

_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_REGISTER_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_NEVER_MARGIN_S = 30.0
_GOODBYE_S = 3.0
_ANSWER_S = 15.0
_LINGER_S = 0.1
_TOGETHER_S = 0.03


class Loop:
    """The agent between its first registration and its end."""

    def __init__(self, about: dict[str, Any], session: Session, shop: Workshop, means: list[Means]) -> None:
        self._about = about
        self._session = session
        self._shop = shop
        self._client = session.client()
        self._trouble = means[0].trouble
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._acks: dict[str, str] = {}
        self._finishes = Finishes(shop.folder / "finishes", say)
        self._wake = threading.Event()
        self._killed = False
        self._draining = False
        self._failures = self._call = 0
        self._waiting = self._gathering = False
        self._renewed = time.monotonic()
        self.dead_man: DeadMan | None = None
        self.cleaning = Cleaning(shop.folder)
        self.power_off: Callable[[], bool] = lambda: False
        self.instance: Instance | None = None
        self._slots = [Slot(number, one, self._end) for number, one in enumerate(means)]
        self._busy: set[int] = set()

    def drain(self) -> None:
        """Finish what runs, take nothing new, then end. May be called from any thread."""
        self._draining = True
        self._interrupt()

    def tell(self) -> None:
        """There is news for the hub, such as that this machine will be taken away. May be called from any thread."""
        self._interrupt()

    def kill(self) -> None:
        """End what runs, say so if the hub listens, then end. May be called from any thread."""
        self._killed = self._draining = True
        self._wake.set()
        self._client.interrupt()

    def ask_again(self) -> None:
        """The machine was asleep: the answer that is waited for may never come. May be called from any thread."""
        self._interrupt()

    @property
    def to_clean(self) -> bool:
        """Whether it ended only to be cleaned, and goes on after that."""
        return self.cleaning.due and not self._draining

    def run(self) -> int:
        """Run until drained or killed; returns the exit status. Raises Unwelcome when the first enrolment fails."""
        if not self._register(first=True):
            return 130 if self._killed else 0
        while not self._ended():
            self._turn()
        if self._killed:
            self._goodbye()
        else:
            self._last_word("learns that this agent has ended by its silence")
        for slot in self._slots:
            slot.close()
        self._shop.close()
        return 130 if self._killed else 0

    # What the hub is told and tells ----------------------------------------------------------------------------

    def _turn(self) -> None:
        """One poll, whatever becomes of it."""
        self._linger()
        self._stop_doomed()
        self._wake.clear()
        self._client.rearm()
        if self._killed:
            return
        body = self._poll_body()
        # A poll that waits is broken off when there is news; one that does not is short.
        self._waiting = bool(body["wait_s"])
        if self._wake.is_set() and self._waiting:
            return
        began = time.monotonic()
        self._client.move(self._session.address)
        try:
            answer = self._client.call("POST", f"{API}/poll", body, timeout_s=self._patience(body), tries=1)
        except Interrupted:
            return
        except Denied:
            self._register()
        except Refused as error:
            # Another session of this machine took over: nothing that we hold is ours any more.
            self._stop_all("", error.reason or "the session has ended")
            self._register()
        except (Unreachable, HubError) as error:
            self._follow(getattr(error, "body", {}))
            self._back_off(str(error))
        else:
            self._failures = 0
            self._answered(began)
            self._trouble.forget(body["trouble"])
            self._learn(answer)
            self._follow(answer)
        finally:
            self._waiting = False

    def _linger(self) -> None:
        """With every slot taken a poll can only tell that offers were taken: what ends in a moment can go along.

        Where one ends as soon as that, others that began with it may, too: one poll for four costs the hub half.
        """
        with self._lock:
            quick = self._acks and len(self._taken()) == len(self._slots) and not self._finishes
            waiting = any(held.never_twice and not held.confirmed for held in self._held.values())
        if not quick or waiting or self._draining or not self._wake.wait(_LINGER_S):
            return
        self._gathering, until = True, time.monotonic() + _TOGETHER_S
        while self._may_end() and (left_s := until - time.monotonic()) > 0:
            self._wake.clear()
            self._wake.wait(left_s)
        self._gathering = False

    def _may_end(self) -> bool:
        """Whether anything else that began just now is still under way."""
        with self._lock:
            return not self._draining and any(name in self._acks for name in self._held)

    @property
    def _closed(self) -> bool:
        """Whether nothing new is taken."""
        return self._draining or self.cleaning.due

    def _taken(self) -> set[int]:
        return self._busy | {held.offer["slot"] for held in self._held.values()}

    def _poll_body(self) -> dict[str, Any]:
        self._call += 1
        finishes = self._finishes.to_send()
        with self._lock:
            told = {body["attempt"] for body in finishes}
            held = [held for name, held in self._held.items() if name not in told]
            acknowledge = [{"attempt": name, "fence": fence} for name, fence in self._acks.items()]
            taken = self._taken()
        return {
            "call": self._call,
            "free_slots": [] if self._closed else [n for n in range(len(self._slots)) if n not in taken],
            "holds": [h.named() for h in held] + self._finishes.named(),
            "acknowledge": acknowledge,
            "finish": finishes,
            "wait_s": 0.0 if acknowledge or finishes else self._session.wait_s,
            **self.cleaning.told(self._closed),
            "trouble": self._trouble.told(),
            "leaves_in_s": self.instance.leaves_in_s if self.instance is not None else None,
        }

    def _answered(self, began: float) -> None:
        """A hub has answered what was asked then."""
        self._renewed = began
        if self.dead_man is not None:
            self.dead_man.renewed()

    def _patience(self, body: dict[str, Any]) -> float:
        """How long to wait for the answer: never past the moment at which something must be stopped."""
        longest, doom = float(body["wait_s"]) + _ANSWER_S, self._doom()
        return longest if doom is None else max(0.5, min(longest, doom - time.monotonic()))

    def _learn(self, answer: dict[str, Any]) -> None:
        for done in answer.get("acknowledged") or []:
            self._confirmed(done)
        for done in answer.get("finished") or []:
            if done.get("status") in (200, 201, 204, 404, 409):
                self._finishes.forget(done["attempt"])
        self._obey(answer.get("orders") or [])
        if answer.get("drain"):
            self._draining = True
        for offer in answer.get("offers") or []:
            self._take(offer)

    def _obey(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            with self._lock:
                held = self._held.get(order.get("attempt", ""))
            if held is None or order.get("order") != "stop":
                continue
            reason = order.get("reason") or "stopped by the hub"
            self._give_up(held, "cancelled" if held.confirmed else "", reason)

    def _take(self, offer: dict[str, Any]) -> None:
        """An offer is begun at once and acknowledged with the next poll, what must never run twice the other way round.

        One that we hold or have ended already means: our word was lost. See docs/decisions/0090.
        """
        name = offer["attempt"]
        with self._lock:
            if name in self._held or name in self._finishes:
                self._acks[name] = offer["fence"]
                return
            slot = offer.get("slot", 0)
            if self._closed or not 0 <= slot < len(self._slots) or slot in self._taken():
                return
            held = self._held[name] = Held(offer, Attempt(offer, self._slots[slot].means))
            self._acks[name] = offer["fence"]
            if not held.never_twice:
                self._begin(held)

    def _begin(self, held: Held) -> None:
        self.cleaning.begun()
        self._busy.add(held.offer["slot"])
        self._slots[held.offer["slot"]].begin(held)

    def _confirmed(self, done: dict[str, Any]) -> None:
        name, status = done.get("attempt", ""), done.get("status")
        if status not in (200, 404, 409):
            return
        with self._lock:
            self._acks.pop(name, None)
            held = self._held.get(name)
            if held is None:
                return
            if status == 200:
                held.confirmed = True
                held.attempt.confirmed.set()
                if not held.begun:
                    self._begin(held)
                return
        self._give_up(held, "", done.get("reason") or "the right has ended")

    def _give_up(self, held: Held, result: str, reason: str) -> None:
        """End what was begun; forget what was not."""
        with self._lock:
            if not held.begun:
                self._held.pop(held.offer["attempt"], None)
                self._acks.pop(held.offer["attempt"], None)
        held.attempt.cancel.set(result, reason)

    def _register(self, first: bool = False) -> bool:
        """Begin a session, however long it takes; False when killed meanwhile."""
        number, self._waiting = 0, False
        while not self._killed and not (first and self._draining):
            self._stop_doomed()
            self._wake.clear()
            self._client.rearm()
            with self._lock:
                holds = [held.named() for held in self._held.values()]
            began = time.monotonic()
            try:
                told = self.cleaning.told(self._closed)
                about = {**self._about, **told, "holds": holds + self._finishes.named()}
                about.pop("file", None)
                answer = self._session.register(about, self._client)
            except Unwelcome as error:
                if first:
                    raise
                say(str(error))
            except (Unreachable, HubError) as error:
                say(f"cannot register: {error}")
                if not self._follow(getattr(error, "body", {})):
                    self._session.next_address()
            else:
                self._call = 0
                self._answered(began)
                say(f"registered as {answer.get('machine')}, session {answer.get('session')}")
                self.cleaning.every(int(answer.get("clean_after") or 0))
                if answer.get("power_off"):
                    self._draining = self.power_off() or self._draining
                if other := self._session.other_agent(answer, self._about):
                    say(other)
                self._follow(answer)
                self._obey(answer.get("orders") or [])
                return True
            self._wake.wait(_REGISTER_S[min(number, len(_REGISTER_S) - 1)])
            number += 1
        return False

    def _follow(self, answer: dict[str, Any]) -> bool:
        """Go where the hub says that it will be; with 503 it says that it is not here any more. True when we go."""
        url = answer.get("address")
        if not url or url == self._session.address.url:
            return False
        problem = self._session.follow(str(url))
        say(f"not followed: {problem}" if problem else f"the hub has moved to {url}")
        return not problem

    def _back_off(self, why: str) -> None:
        if self._failures == 0:
            say(f"no contact: {why}")
        pause = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        # One failure may be a restart; a hub with other addresses is asked there after the second.
        if self._failures > 1 and self._session.next_address():
            say(f"trying {self._session.address.url}")
        doom = self._doom()
        self._wake.wait(pause if doom is None else max(0.05, min(pause, doom - time.monotonic())))

    # Rights ----------------------------------------------------------------------------------------------------

    def _doom(self) -> float | None:
        """When attempts that must never run twice have to be stopped if the hub stays silent (monotonic seconds)."""
        with self._lock:
            live = [h for h in self._held.values() if h.begun and h.never_twice]
        right = self._session.right_s
        if all(held.attempt.cancel.is_set() for held in live):
            return None
        return self._renewed + right - min(_NEVER_MARGIN_S, right / 4)

    def _stop_doomed(self) -> None:
        doom = self._doom()
        if doom is None or time.monotonic() < doom:
            return
        with self._lock:
            held = [h for h in self._held.values() if h.never_twice]
        why = "out of contact until its right ended, and it must never run twice"
        for one in held:
            self._give_up(one, "cancelled", why)

    def _stop_all(self, result: str, reason: str) -> None:
        with self._lock:
            held = list(self._held.values())
        for one in held:
            self._give_up(one, result, reason)

    # Ends ------------------------------------------------------------------------------------------------------

    def _end(self, held: Held, finish: dict[str, Any] | None) -> None:
        """Called by a slot's thread: the slot is free, and there may be an end to tell."""
        with self._lock:
            if finish is not None:
                self._finishes.add(finish)
            else:
                self._acks.pop(held.offer["attempt"], None)
            self._held.pop(held.offer["attempt"], None)
            self._busy.discard(held.offer["slot"])
        # Who gathers ends needs to be woken only by the last of them.
        if not self._gathering or not self._may_end():
            self._interrupt()

    def _ended(self) -> bool:
        with self._lock:
            ends = self._draining or self.cleaning.ready
            return self._killed or (ends and not self._held and not self._finishes)

    def _goodbye(self) -> None:
        """Killed: end everything now; tell the hub in one short call, so that it need not wait for the right to end."""
        self._stop_all("preempted", "the agent was told to stop")
        until = time.monotonic() + _GOODBYE_S
        while self._held and time.monotonic() < until:
            self._wake.wait(max(0.01, until - time.monotonic()))
            self._wake.clear()
        if self._finishes:
            self._last_word("learns of the end when this machine registers again")

    def _last_word(self, otherwise: str) -> None:
        """One short poll: or the hub would make offers to a machine where nobody is left to take them."""
        self._client.rearm()
        try:
            body = {**self._poll_body(), "wait_s": 0.0}
            self._learn(self._client.call("POST", f"{API}/poll", body, timeout_s=_GOODBYE_S, tries=1))
        except (Unreachable, HubError):
            say(f"the hub could not be told; it {otherwise}")

    def _interrupt(self) -> None:
        """There is news: break off a poll that waits, but never a registration, whose answer holds the credential."""
        self._wake.set()
        if self._waiting:
            self._client.interrupt()


def say(text: str) -> None:
    """A line for the machine's own log."""
    print(f"penstock agent: {text}", file=sys.stderr, flush=True)
