"""The agent's loop: one long poll says everything (slots, renewals, acknowledgements, finishes) and learns everything.

One thread polls; each slot has a thread that lives as long as the agent, because sandboxes die with the thread that
started them. The hub decides; the agent keeps only what it must: what it holds and which ends the hub has not heard of.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from penstock.agent.attempt import Attempt
from penstock.agent.prefix import Trees
from penstock.agent.session import API, Session, Unwelcome, write_private
from penstock.agent.workspace import Workshop
from penstock.wire.client import Denied, HubError, Interrupted, Refused, Unreachable

_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_REGISTER_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_NEVER_MARGIN_S = 30.0
_GOODBYE_S = 3.0
_ANSWER_S = 15.0


class Held:
    """One attempt that we hold. `state`: "offered" until the hub confirmed our acknowledgement, then "running"."""

    def __init__(self, offer: dict[str, Any], attempt: Attempt) -> None:
        self.offer = offer
        self.attempt = attempt
        self.state = "offered"
        self.acknowledged = False

    def named(self) -> dict[str, Any]:
        """How a poll names it."""
        return {"attempt": self.offer["attempt"], "fence": self.offer["fence"], "state": self.state}


class Loop:
    """The agent between its first registration and its end."""

    def __init__(self, about: dict[str, Any], session: Session, shop: Workshop, trees: Trees) -> None:
        self._about = about
        self._session = session
        self._shop = shop
        self._trees = trees
        self._client = session.client()
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._finishes = _recall(shop.folder / "finishes")
        self._wake = threading.Event()
        self._killed = False
        self._draining = False
        self._failures = 0
        self._polling = False
        self._call = 0
        self._renewed = time.monotonic()
        self._slots: list[queue.SimpleQueue[Held | None]] = []
        self._busy: set[int] = set()

    def drain(self) -> None:
        """Finish what runs, take nothing new, then end. May be called from any thread."""
        self._draining = True
        self._interrupt()

    def kill(self) -> None:
        """End what runs, say so if the hub listens, then end. May be called from any thread."""
        self._killed = self._draining = True
        self._wake.set()
        self._client.interrupt()

    def run(self) -> int:
        """Run until drained or killed; returns the exit status. Raises Unwelcome when the first enrolment fails."""
        for number in range(self._about["slots"]):
            self._slots.append(queue.SimpleQueue())
            threading.Thread(target=self._serve, args=(number,), name=f"slot-{number}", daemon=True).start()
        if not self._register(first=True):
            return 130 if self._killed else 0
        while not self._ended():
            self._turn()
        if self._killed:
            self._goodbye()
        self._shop.close()
        return 130 if self._killed else 0

    # What the hub is told and tells ----------------------------------------------------------------------------

    def _turn(self) -> None:
        """One poll, whatever becomes of it."""
        self._stop_doomed()
        self._wake.clear()
        self._client.rearm()
        if self._killed:
            return
        self._polling = True
        if self._wake.is_set():
            return
        began = time.monotonic()
        body = self._poll_body()
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
            self._back_off(str(error))
        else:
            self._failures, self._renewed = 0, began
            self._learn(answer)

    def _poll_body(self) -> dict[str, Any]:
        self._call += 1
        with self._lock:
            held = list(self._held.values())
            finishes = list(self._finishes.values())
            taken = self._busy | {h.offer["slot"] for h in held if h.state != "finishing"}
        acknowledge = [
            {"attempt": h.offer["attempt"], "fence": h.offer["fence"]} for h in held if not h.acknowledged
        ]
        return {
            "call": self._call,
            "free_slots": [] if self._draining else [n for n in range(len(self._slots)) if n not in taken],
            "holds": [h.named() for h in held] + [_finishing(body) for body in finishes],
            "acknowledge": acknowledge,
            "finish": finishes,
            "wait_s": 0.0 if acknowledge or finishes else self._session.wait_s,
            "draining": self._draining,
        }

    def _patience(self, body: dict[str, Any]) -> float:
        """How long to wait for the answer: never past the moment at which something must be stopped."""
        longest = float(body["wait_s"]) + _ANSWER_S
        doom = self._doom()
        return longest if doom is None else max(0.5, min(longest, doom - time.monotonic()))

    def _learn(self, answer: dict[str, Any]) -> None:
        for done in answer.get("finished") or []:
            if done.get("status") in (200, 201, 204, 404, 409):
                self._forget_finish(done["attempt"])
        for done in answer.get("acknowledged") or []:
            self._confirmed(done)
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
            if held.acknowledged:
                held.attempt.cancel.set("cancelled", order.get("reason") or "stopped by the hub")
            else:
                self._drop(held)

    def _take(self, offer: dict[str, Any]) -> None:
        """An offer is acknowledged with the next poll. One that we hold already means: our word was lost."""
        with self._lock:
            held = self._held.get(offer["attempt"])
            if held is not None:
                held.acknowledged = False
                return
            slot = offer.get("slot", 0)
            taken = self._busy | {h.offer["slot"] for h in self._held.values()}
            if self._draining or offer["attempt"] in self._finishes or not 0 <= slot < len(self._slots):
                return
            if slot not in taken:
                attempt = Attempt(offer, self._session, self._shop, self._trees)
                self._held[offer["attempt"]] = Held(offer, attempt)

    def _confirmed(self, done: dict[str, Any]) -> None:
        with self._lock:
            held = self._held.get(done.get("attempt", ""))
        if held is None or held.acknowledged:
            return
        if done.get("status") == 200:
            held.acknowledged = True
            if held.state == "offered":
                held.state = "running"
                self._busy.add(held.offer["slot"])
                self._slots[held.offer["slot"]].put(held)
        elif done.get("status") in (404, 409):
            if held.state == "offered":
                self._drop(held)
            else:
                held.acknowledged = True
                held.attempt.cancel.set("", done.get("reason") or "the right has ended")

    def _register(self, first: bool = False) -> bool:
        """Begin a session, however long it takes; False when killed meanwhile."""
        number, self._polling = 0, False
        while not self._killed and not (first and self._draining):
            self._stop_doomed()
            self._wake.clear()
            self._client.rearm()
            with self._lock:
                holds = [h.named() for h in self._held.values()] + [
                    _finishing(b) for b in self._finishes.values()
                ]
            began = time.monotonic()
            try:
                answer = self._session.register({**self._about, "holds": holds}, self._client)
            except Unwelcome as error:
                if first:
                    raise
                say(str(error))
            except (Unreachable, HubError) as error:
                say(f"cannot register: {error}")
            else:
                self._renewed, self._call = began, 0
                say(f"registered as {answer.get('machine')}, session {answer.get('session')}")
                self._obey(answer.get("orders") or [])
                return True
            self._wake.wait(_REGISTER_S[min(number, len(_REGISTER_S) - 1)])
            number += 1
        return False

    def _back_off(self, why: str) -> None:
        if self._failures == 0:
            say(f"no contact: {why}")
        pause = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        doom = self._doom()
        self._wake.wait(pause if doom is None else max(0.05, min(pause, doom - time.monotonic())))

    # Rights ----------------------------------------------------------------------------------------------------

    def _doom(self) -> float | None:
        """When attempts that must never run twice have to be stopped if the hub stays silent (monotonic seconds)."""
        with self._lock:
            held = [h for h in self._held.values() if h.acknowledged and h.offer.get("retry") == "never"]
        live = [h for h in held if h.state == "running" and not h.attempt.cancel.is_set()]
        right = self._session.right_s
        return self._renewed + right - min(_NEVER_MARGIN_S, right / 4) if live else None

    def _stop_doomed(self) -> None:
        doom = self._doom()
        if doom is None or time.monotonic() < doom:
            return
        with self._lock:
            held = [h for h in self._held.values() if h.offer.get("retry") == "never"]
        for one in held:
            one.attempt.cancel.set(
                "cancelled", "out of contact until its right ended, and it must never run twice"
            )

    def _stop_all(self, result: str, reason: str) -> None:
        with self._lock:
            held = list(self._held.values())
        for one in held:
            if one.state == "offered":
                self._drop(one)
            else:
                one.attempt.cancel.set(result, reason)

    # Slots and ends --------------------------------------------------------------------------------------------

    def _serve(self, number: int) -> None:
        """One slot's thread."""
        while True:
            held = self._slots[number].get()
            if held is None:
                return
            try:
                finish = held.attempt.run()
            except Exception as error:
                # Nothing may end this thread: the slot would be lost for good.
                finish = _broken(held.offer, error)
            if finish is not None:
                path = self._shop.folder / "finishes" / f"{held.offer['attempt']}.json"
                self._keep(path, finish)
            with self._lock:
                if finish is not None:
                    self._finishes[held.offer["attempt"]] = finish
                self._held.pop(held.offer["attempt"], None)
                self._busy.discard(number)
            held.attempt.cancel.close()
            self._interrupt()

    def _keep(self, path: Path, finish: dict[str, Any]) -> None:
        """On disk before it is first sent: a repeat after a restart must be the same to the byte."""
        try:
            write_private(path, json.dumps(finish).encode())
        except OSError as error:
            say(f"cannot keep the end of {finish['attempt']}: {error}")

    def _forget_finish(self, attempt: str) -> None:
        with self._lock:
            self._finishes.pop(attempt, None)
        (self._shop.folder / "finishes" / f"{attempt}.json").unlink(missing_ok=True)

    def _drop(self, held: Held) -> None:
        with self._lock:
            self._held.pop(held.offer["attempt"], None)
        held.attempt.cancel.close()

    def _ended(self) -> bool:
        if self._killed:
            return True
        with self._lock:
            return self._draining and not self._held and not self._finishes

    def _goodbye(self) -> None:
        """Killed: end everything now; tell the hub in one short call, so that it need not wait for the right to end."""
        self._stop_all("preempted", "the agent was told to stop")
        until = time.monotonic() + _GOODBYE_S
        while self._held and time.monotonic() < until:
            self._wake.wait(max(0.01, until - time.monotonic()))
            self._wake.clear()
        self._client.rearm()
        if self._finishes:
            try:
                body = {**self._poll_body(), "wait_s": 0.0}
                self._learn(self._client.call("POST", f"{API}/poll", body, timeout_s=_GOODBYE_S, tries=1))
            except (Unreachable, HubError):
                say("the hub could not be told; it learns of the end when this machine registers again")

    def _interrupt(self) -> None:
        """There is news: break off a poll that waits, but never a registration, whose answer holds the credential."""
        self._wake.set()
        if self._polling:
            self._client.interrupt()


def say(text: str) -> None:
    """A line for the machine's own log."""
    print(f"penstock agent: {text}", file=sys.stderr, flush=True)


def _finishing(body: dict[str, Any]) -> dict[str, Any]:
    return {"attempt": body["attempt"], "fence": body["fence"], "state": "finishing"}


def _broken(offer: dict[str, Any], error: Exception) -> dict[str, Any]:
    cause = f"the agent failed: {type(error).__name__}: {error}"
    return {
        "attempt": offer["attempt"],
        "fence": offer["fence"],
        "result": "refused",
        "cause": cause,
        "remember": False,
    }


def _recall(folder: Path) -> dict[str, dict[str, Any]]:
    """Ends that an earlier agent could not tell."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            body = json.loads(path.read_text())
            found[str(body["attempt"])] = body
        except (OSError, ValueError, KeyError):
            os.unlink(path)
    return found
