"""Process 1 of a virtual machine: obeys its host, has one child that is the agent, and ends the machine with it.

Until it is told who it is nothing is open and nothing secret is there, and all that the agent needs of Python is loaded:
a machine in that state can be copied any number of times.
"""

import contextlib
import importlib
import os
import select
import signal
import sys
import time
from typing import Any

from penstock.providers.guest import agent, machine
from penstock.providers.guest.channel import Channel, port
from penstock.providers.guest.lease import Lease
from penstock.providers.guest.waiting import Delivery, Waiting

_LOADED = (
    "__future__ argparse base64 calendar contextlib ctypes dataclasses errno fcntl filecmp gc hashlib http.client ipaddress json math queue re "
    "runpy select shlex shutil signal socket ssl stat struct subprocess tempfile threading time traceback typing "
    "urllib.parse urllib.request zipimport zlib"
)
"""What agents import; loading takes longer than all the rest of a start."""
_LOOK_MS = 1000
_ANSWER_S = 0.05


class Guest:
    """The state of process 1: which machine it is, and who its agent is."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.lease = Lease()
        self.name = ""
        self.agent = 0
        self._delivery = Delivery()
        self._waiting: Waiting | None = None

    def obey(self, order: dict[str, Any]) -> None:
        """Do what one line says, and answer it. A line that cannot be obeyed is answered with why."""
        self.lease.renew()
        try:
            self._obey(order)
        except (KeyError, ValueError, TypeError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            self._channel.say({"kind": "error", "reason": reason})
            print(f"penstock guest: not obeyed: {order.get('kind')}: {reason}", file=sys.stderr, flush=True)

    def _obey(self, order: dict[str, Any]) -> None:
        kind = order.get("kind")
        if kind == "identity":
            self._become(order)
        elif kind == "agent":
            self._delivery.take(order)
        elif kind == "prepare":
            self._prepare(order["agent_sha256"], [str(word) for word in order["words"]])
        elif kind == "resumed":
            machine.set_clock(int(order["time_ms"]))
            machine.reseed(order["seed"])
            self._tell(signal.SIGUSR1)
        elif kind == "bye":
            self._channel.say({"kind": "ok", "name": self.name})
            # The answer has to leave the machine before its end does.
            time.sleep(_ANSWER_S)
            machine.power_off()
        elif kind != "renewed":
            raise ValueError("kind: write identity, agent, prepare, resumed, renewed or bye")
        self._channel.say({"kind": "ok", "name": self.name})

    def _become(self, order: dict[str, Any]) -> None:
        """Be somebody. Told the same once more, for its answer was lost: that is answered again, and nothing is done."""
        if self.agent:
            if order["name"] != self.name:
                raise ValueError(f"this machine is {self.name} already")
            return
        machine.set_clock(int(order["time_ms"]))
        machine.reseed(order["seed"])
        machine.name(order["name"], order["machine_id"])
        machine.set_address(order["mac"])
        self.agent = agent.start(order, self._waiting)
        self._drop()
        self.name = order["name"]
        self.lease.limit(float(order.get("power_off_after_s") or 0))

    def _prepare(self, digest: str, words: list[str]) -> None:
        """Have the agent wait that was delivered: what is here already when somebody copies this machine needs no time then."""
        if self.agent:
            raise ValueError(f"this machine is {self.name} already")
        self._drop()
        machine.practise()
        self._waiting = agent.prepared(self._delivery.whole(digest), digest, words)

    def _drop(self) -> None:
        """No agent waits any more."""
        if self._waiting is not None:
            self._waiting.close()
        self._waiting = None

    def _tell(self, number: int) -> None:
        """Tell the agent that what it waits for may never come: its connections are of before."""
        if self.agent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.agent, number)

    def bury(self) -> None:
        """Take in the dead: process 1 gets everybody's. The agent's end is the machine's."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.agent:
                    status = os.waitstatus_to_exitcode(ended[1])
                    print(
                        f"penstock guest: the agent ended with status {status}", file=sys.stderr, flush=True
                    )
                    machine.power_off()


def main() -> int:
    """Run as process 1; returns never, for the machine ends first."""
    for name in _LOADED.split():
        importlib.import_module(name)
    agent.WORK.mkdir(parents=True, exist_ok=True)
    awake = _awake()
    channel = Channel(port())
    channel.announce()
    guest = Guest(channel)
    look = select.poll()
    look.register(awake, select.POLLIN)
    while True:
        for order in channel.orders():
            guest.obey(order)
        guest.bury()
        if guest.lease.over:
            print("penstock guest: nobody has renewed this machine for too long", file=sys.stderr, flush=True)
            machine.power_off()
        # A signal that came between the two looks lies in the pipe by now.
        if look.poll(_LOOK_MS):
            with contextlib.suppress(BlockingIOError):
                os.read(awake, 4096)


def _awake() -> int:
    """A handle that can be read when a signal came. SIGUSR2 is what `poweroff` sends to process 1."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGIO):
        signal.signal(number, lambda _number, _frame: None)
    signal.signal(signal.SIGUSR2, lambda _number, _frame: machine.power_off())
    return read


if __name__ == "__main__":
    sys.exit(main())
