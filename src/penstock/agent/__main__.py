"""`penstock agent`: runs attempts for a hub on this machine. Works with `python3 -S -E` and nothing installed."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.agent.deadman import DeadMan
    from penstock.agent.place import Place

_PR_SET_PDEATHSIG = 1
_APT = (
    "bubblewrap is missing (apt install bubblewrap); --no-sandbox does without and protects this machine less"
)


def main(argv: list[str] | None = None) -> int:
    """Run the agent; returns the exit status: 0 drained, 1 not accepted, 2 bad usage, 130 killed."""
    options = parse(argv)
    if options.die_with_parent is not None and not die_with_parent(options.die_with_parent):
        return 1
    problem = usage_problem(options)
    if problem:
        print(f"penstock agent: {problem}", file=sys.stderr)
        return 2
    return run(options)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    return _parser().parse_args(argv, argparse.Namespace(name=socket.gethostname()))


@cache
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="penstock agent", description="Run attempts for a hub on this machine."
    )
    add = parser.add_argument
    add(
        "--hub",
        required=True,
        action="append",
        metavar="URL",
        help="where the hub is; again for other addresses",
    )
    add("--token-file", required=True, metavar="FILE", help="holds the one-time enrolment token")
    add("--pool", default="", metavar="P", help="what the operator calls the pool; the token decides it")
    add("--slots", type=int, default=1, metavar="N", help="attempts at a time (1)")
    add("--work-dir", default="penstock-agent", metavar="D", help="folder for everything (./penstock-agent)")
    add("--name", metavar="N", help="name of this machine (its host name)")
    add("--no-sandbox", action="store_true", help="plain processes instead of bubblewrap")
    add(
        "--cache-mb",
        type=int,
        default=20480,
        metavar="N",
        help="disk for kept trees, sources and mirrors (20480)",
    )
    add(
        "--die-with-parent",
        type=int,
        nargs="?",
        const=0,
        metavar="PID",
        help="end when the process that started this one (PID) ends",
    )
    _of_farms(add)
    add("--insecure", action="store_true", help="allow plain http to another machine")
    add("--ca-file", default=None, metavar="FILE", help="certificate authority of the hub")
    return parser


def _of_farms(add: Callable[..., object]) -> None:
    """What is said to machines that the farm itself rents, wakes and cleans."""
    add(
        "--power-off-after",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="rented machines: power off when no hub has answered for so long (0 = never)",
    )
    add("--power-off-command", default=None, metavar="PROGRAM", help="what does it (systemctl poweroff)")
    add(
        "--power-off-when-told",
        action="store_true",
        help="power off when the hub wants this machine to sleep",
    )
    add(
        "--clean-command",
        default="",
        metavar="PROGRAM",
        help="run after so many jobs as the hub says, before the next one",
    )
    add(
        "--cloud",
        choices=("ec2",),
        default=None,
        help="rented machines: say which instance this is, and when it will be taken back",
    )


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill us when the thread that started us ends; False when `parent` is gone already.

    With 0 the parent of now is taken, who may be a stranger that adopted us before we could ask. Process 1 is one,
    except where the hub is process 1 of its container.
    """
    import ctypes

    before = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent:
        return os.getppid() == parent
    return os.getppid() == before and (
        before != 1 or os.path.realpath("/proc/1/exe") == os.path.realpath(sys.executable)
    )


def usage_problem(options: argparse.Namespace) -> str:
    """Why this machine cannot run an agent of these options, in one line; "" where it can."""
    if options.slots < 1:
        return "--slots must be 1 or more"
    if options.cache_mb < 0:
        return "--cache-mb must be 0 or more"
    if not options.no_sandbox and shutil.which("bwrap") is None:
        return _APT
    return _power_problem(options)


def _power_problem(options: argparse.Namespace) -> str:
    """A machine that cannot power itself off must not be taken for one that does."""
    from penstock.agent.deadman import power_off_command

    if not 0 <= options.power_off_after < float("inf"):
        return "--power-off-after must be 0 or more minutes"
    if options.clean_command and shutil.which(options.clean_command) is None:
        return f"--clean-command {options.clean_command}: there is no such program that this user may run"
    option = "--power-off-after" if options.power_off_after else "--power-off-when-told"
    if not options.power_off_after and not options.power_off_when_told:
        return ""
    if os.geteuid() and not options.power_off_command:
        return f"{option} needs root, or --power-off-command PROGRAM, which this user may run"
    if power_off_command(options.power_off_command) is None:
        return f"{option}: nothing here powers a machine off; name a program with --power-off-command"
    return ""


def _missing(options: argparse.Namespace) -> str:
    """Which file is forgotten: said at once, because no patience brings it."""
    if options.ca_file is not None and not os.access(options.ca_file, os.R_OK):
        return f"--ca-file {options.ca_file}: cannot be read; name the PEM file of the hub's certificate authority"
    kept = Path(options.work_dir) / "credential.json"
    if not kept.exists() and not _read_token(Path(options.token_file)):
        return (
            f"--token-file {options.token_file}: holds no token that can be read, and this machine has no credential yet; "
            "`penstock tokens create --pool POOL` on the hub's machine makes one"
        )
    return ""


def run(options: argparse.Namespace, place: Place | None = None) -> int:
    """Run an agent whose options are good; its exit status. `place`: what it has of its machine, where that was made before."""
    from penstock.agent.cleaning import anew
    from penstock.agent.loop import Loop, say
    from penstock.agent.session import Unwelcome
    from penstock.agent.workspace import Busy
    from penstock.wire.client import Insecure

    try:
        loop: Loop = _assemble(options, place)
    except (Busy, Insecure, OSError, ValueError) as error:
        say(str(error))
        return 2
    _listen_to_signals(loop)
    try:
        status = loop.run()
    except Unwelcome as error:
        say(str(error))
        return 1
    if loop.to_clean:
        anew()
    return status


def _assemble(options: argparse.Namespace, place: Place | None) -> Any:
    from penstock.agent.deadman import power_off, power_off_command
    from penstock.agent.loop import Loop, say
    from penstock.agent.place import Place
    from penstock.agent.session import Identity, Session
    from penstock.wire.client import Address

    addresses = [Address(url, ca_file=options.ca_file, insecure=options.insecure) for url in options.hub]
    if problem := _missing(options):
        raise ValueError(problem)
    token_file = Path(options.token_file).resolve()
    place = place or Place(options)
    folder = place.shop.folder
    # The folder is ours from here on; no slot has a thread yet.
    dead_man = _dead_man(options, folder)
    identity = Identity(folder / "credential.json", options.hub)
    session = Session(addresses, identity, lambda: _read_token(token_file))
    if options.cloud:
        from penstock.agent.cloud import Instance

        instance = Instance()
        session.shown = instance.shown
    loop = Loop(place.about(options.name), session, place.shop, place.means(session))
    if options.cloud:
        loop.instance = instance
        instance.watch(loop.tell)
    loop.dead_man = dead_man
    loop.cleaning = place.cleaning
    command = power_off_command(options.power_off_command) if options.power_off_when_told else None
    loop.power_off = partial(power_off, command, say)
    return loop


def _dead_man(options: argparse.Namespace, folder: Path) -> DeadMan | None:
    """What powers a rented machine off; an owned one never is."""
    from penstock.agent.deadman import DeadMan, call_off, power_off_command

    if not options.power_off_after:
        call_off(folder)
        return None
    command = power_off_command(options.power_off_command)
    assert command is not None
    return DeadMan(folder, options.power_off_after * 60, command)


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _listen_to_signals(loop: Any) -> None:
    """The first SIGTERM drains, SIGUSR1 (the machine was asleep) has it poll anew, everything else kills.

    A thread acts on it: a handler may interrupt a lock's holder.
    """
    read, write = os.pipe()

    def tell(number: int, _frame: object) -> None:
        os.write(write, bytes([number]))

    def act() -> None:
        drained = False
        while True:
            number = os.read(read, 1)[0]
            if number == signal.SIGTERM and not drained:
                drained = True
                loop.drain()
            elif number == signal.SIGUSR1:
                loop.ask_again()
            else:
                loop.kill()

    threading.Thread(target=act, name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    sys.exit(main())
