"""What agents send before they say how a job ended: through the hub and past it, cut off, twice, too late, and not what they say."""

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from penstock.hub import queue
from penstock.hub.context import Refused, Unauthorized
from penstock.hub.ending import outputs_of
from penstock.hub.queue import Ending, Work
from penstock.model.job import JobSpec, Output, Usage
from penstock.model.machine import Session
from penstock.ports import StoreError
from penstock.sim.hubworld import ENDS
from penstock.sim.storm.agents import Restless
from penstock.sim.storm.bucket import Bucket

VALID_S = 3600
"""How long a ticket may be used, as web/direct.py gives them."""
AGAIN_MS, TRIES = 120_000, 12
"""Who gets no answer sends again so soon, so often."""
DIRECT, CUT, TWICE, PAUSES, LIES, OTHER, LATE = 0.5, 0.06, 0.06, 0.2, 0.03, 0.2, 0.3
"""How often an output goes past the hub; breaks off; is sent twice; is followed by a pause; is not what its agent says;
is not what others made of the same key; is put once more by its ticket when its right is gone."""


class Sending(Protocol):
    """What an agent's uploads need of a day."""

    hub: Any
    clock: Any
    bucket: Bucket
    calm: bool
    agents: Any

    def at(self, at_ms: int, order: int, act: Callable[[], object]) -> None:
        """Let this happen then."""
        ...

    def reach(self, act: Callable[[], object]) -> None:
        """Do it when the hub is there."""
        ...


class Maker:
    """One attempt that is over. `told` is called with its end when everything was sent, or could not be."""

    def __init__(
        self, day: Sending, agent: Restless, work: Work, chance: Random, told: Callable[[Ending], None]
    ) -> None:
        self._day, self._agent, self._work, self._chance, self._told = day, agent, work, chance, told
        self._left: list[str] = []
        self._sent: list[Output] = []
        self._url, self._tries = "", 0

    def ending(self, took_ms: int) -> Ending:
        """How it will end after so long, drawn. Only what passed sends everything."""
        spec = self._work.job.spec
        drawn, made = _ending(self._chance, took_ms, spec), makes(spec)
        self._left = list(made if drawn.result == "passed" else made[-1:])
        return drawn

    def go(self, ending: Ending) -> None:
        """Send what is left, then say how it ended."""
        self._day.reach(lambda: self._go(ending))

    def _go(self, ending: Ending) -> None:
        session = self._agent.session
        if self._day.agents.get(self._agent.name) is not self._agent:
            return  # where it ran is no machine any more
        if self._work.attempt.id not in self._agent.holding:
            self._late()
            return
        try:
            if session is None or self._agent.mute or self._agent.deaf:
                raise StoreError("nobody is heard")
            while self._left:
                self._send(session, self._left[0])
                self._sent.append(self._said(self._left.pop(0)))
                if self._left and self._befalls(PAUSES):
                    self._day.at(self._day.clock.now_ms + 20_000, ENDS, lambda: self.go(ending))
                    return
        except StoreError:
            self._again(ending)
            return
        except (Refused, Unauthorized):
            self._late()
            return
        self._told(_with(ending, tuple(self._sent)))

    def _again(self, ending: Ending) -> None:
        self._tries += 1
        if self._tries > TRIES:
            self._told(Ending(result="refused", cause="nobody takes its outputs", usage=ending.usage))
        else:
            self._day.at(self._day.clock.now_ms + AGAIN_MS, ENDS, lambda: self.go(ending))

    def _send(self, session: Session, name: str) -> None:
        """As web/agents.py and web/direct.py take an output."""
        attempt, blobs = self._work.attempt, self._day.hub.blobs
        queue.may_write(self._day.hub, session, attempt.id, attempt.fence)
        upload = f"{attempt.id}/{name}"
        if self._befalls(CUT):
            self._cut(upload)
            raise StoreError("it broke off")
        if self._befalls(TWICE):
            blobs.upload(upload).write(b"something older")
        if self._chance.random() < DIRECT:
            self._url = blobs.ticket(upload, VALID_S).url
            self._day.bucket.sent(self._url, self._made(name))
            digest, size = blobs.receive(upload)
        else:
            digest, size = self._through(upload, self._made(name))
        queue.uploaded(self._day.hub, session, attempt.id, attempt.fence, Output(name, digest, size))
        if self._url and self._befalls(LATE):
            self._put_again(b"what was never read")

    def _through(self, upload: str, data: bytes) -> tuple[str, int]:
        writing = self._day.hub.blobs.upload(upload)
        half = len(data) // 2
        writing.write(data[:half])
        writing.write(data[half:])
        found: tuple[str, int] = writing.finish()
        return found

    def _cut(self, upload: str) -> None:
        """The connection breaks, or the process that reads it is killed."""
        writing = self._day.hub.blobs.upload(upload)
        writing.write(self._made("tree")[:5])
        if self._chance.random() < 0.5:
            writing.abandon()

    def _late(self) -> None:
        """It has lost its right and does not know, or does not care: its ticket is valid still."""
        if self._url and self._befalls(LATE):
            self._day.at(self._day.clock.now_ms + 60_000, ENDS, lambda: self._put_again(b"late"))

    def _put_again(self, data: bytes) -> None:
        """Put something else where its last ticket leads."""
        try:
            self._day.bucket.sent(self._url, data)
        except StoreError:
            return

    def _made(self, name: str) -> bytes:
        """What comes out: the same for the same key, mostly; the same for many keys, sometimes."""
        key = self._work.job.key
        drawn = Random(f"content {key} {name}").random()
        if drawn < OTHER:
            return f"nothing to see in this {name}".encode()
        if drawn < 2 * OTHER:
            return f"{name} of {self._work.attempt.id}".encode()
        return f"{name} of {key}".encode()

    def _said(self, name: str) -> Output:
        data = self._made(name)
        if self._befalls(LIES):
            data = b"something else"
        return Output(name, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))

    def _befalls(self, share: float) -> bool:
        return not self._day.calm and self._chance.random() < share


def makes(spec: JobSpec) -> tuple[str, ...]:
    """The outputs that a job of this sends."""
    return (*outputs_of(spec), "artifacts") if spec.artifacts else outputs_of(spec)


def _with(ending: Ending, outputs: tuple[Output, ...]) -> Ending:
    told = {name: getattr(ending, name) for name in ending.__struct_fields__}
    return Ending(**(told | {"outputs": outputs}))


def _ending(chance: Random, took_ms: int, spec: JobSpec) -> Ending:
    """Mostly it passes; the farm is to blame now and then."""
    usage = Usage(wall_ms=took_ms, measured_by="simulated")
    if took_ms >= spec.timeout_ms:
        return Ending(result="timed_out", usage=usage)
    drawn = chance.random()
    if drawn < 0.86:
        return Ending(result="passed", exit_code=0, usage=usage)
    if drawn < 0.93:
        return Ending(result="failed", exit_code=1, usage=usage)
    if drawn < 0.96:
        return Ending(result="refused", cause="its disk is full", usage=usage)
    return Ending(result="cancelled" if drawn < 0.98 else "preempted", cause="the machine goes", usage=usage)
