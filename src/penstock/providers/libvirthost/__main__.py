"""`scripts/libvirt-host --dir D --hub HOST:PORT`: runs a libvirt of one's own, and says where it is when it is up."""

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.providers.libvirthost import apart, daemon
from penstock.providers.libvirthost.relay import Hub, listener, serve

_LIMIT_S = 30.0
_LOOK_S = 0.02
_GATEWAY = "10.0.2.2"


def main(argv: list[str] | None = None) -> int:
    """Run until told to end; returns the exit status: 0 told to end, 1 libvirtd did not stay, 2 not possible here."""
    options = _parse(argv)
    folder = Path(options.dir).resolve()
    try:
        hubs = _hubs(options.hub)
        owner = _owner(options.user)
        _check(folder)
        # Before anything has threads: namespaces are left by a process alone.
        child, listening = _divide(folder, owner, hubs)
    except (OSError, ValueError) as error:
        print(f"libvirt-host: {error}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(folder, child, list(zip(listening, hubs, strict=True))))
    finally:
        _end(child)


def _hubs(texts: Sequence[str]) -> list[Hub]:
    """Raises ValueError."""
    hubs = [Hub.read(text) for text in texts]
    for number, hub in enumerate(hubs):
        if (hub.number, hub.port) in [(other.number, other.port) for other in hubs[:number]]:
            raise ValueError(f"--hub {texts[number]}: machines find another hub at this port already")
    return hubs


def _owner(user: str) -> pwd.struct_passwd | None:
    """Who runs the machines where root asks for them; None where we do. Raises ValueError."""
    if os.getuid():
        return None
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"--user {user}: there is no such user") from None
    if found.pw_uid == 0:
        raise ValueError(f"--user {user}: is root, as whom libvirt has one instance for all")
    return found


def _check(folder: Path) -> None:
    """Raises OSError, ValueError."""
    if shutil.which(daemon.PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        raise ValueError("libvirtd is not installed (apt install libvirt-daemon qemu-system-x86)")
    daemon.check(folder)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def _divide(
    folder: Path, owner: pwd.struct_passwd | None, hubs: Sequence[Hub]
) -> tuple[int, list[socket.socket]]:
    """Fork who lives in the namespace; its process id, and the sockets that listen there. Raises OSError."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _inside(folder, owner, hubs, theirs)
    theirs.close()
    with ours:
        said, handles, _, _ = socket.recv_fds(ours, 4096, len(hubs))
    if len(handles) != len(hubs):
        os.waitpid(child, 0)
        raise OSError(said.decode() or "the process in the namespace ended")
    return child, [socket.socket(fileno=handle) for handle in handles]


def _inside(folder: Path, owner: pwd.struct_passwd | None, hubs: Sequence[Hub], above: socket.socket) -> None:
    """In the child; does not return."""
    try:
        try:
            if owner is not None:
                os.chown(folder, owner.pw_uid, owner.pw_gid)
                apart.become(owner)
            daemon.prepare(folder)
            apart.leave()
            for number, address in enumerate(sorted({hub.number for hub in hubs} - {""}), 1):
                apart.add_address(number, address)
            listening = [listener(hub) for hub in hubs]
            socket.send_fds(above, [b"up"], [one.fileno() for one in listening])
        except OSError as error:
            above.sendall(str(error).encode())
            return
        for one in (above, *listening):
            one.close()
        apart.settle(signal.SIGTERM)
        daemon.keep(folder)
    finally:
        os._exit(1)


async def _run(folder: Path, child: int, served: Sequence[tuple[socket.socket, Hub]]) -> int:
    """Carry bytes until we are told to end or libvirtd is gone for good."""
    told, gone = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, gone.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waiting = [asyncio.create_task(event.wait()) for event in (told, gone)]
    carrying = [asyncio.create_task(serve(*one)) for one in served]
    try:
        if not await _up(folder, told, gone):
            return 0 if told.is_set() else 1
        said = {"uri": daemon.uri(folder), "dir": str(folder), "gateway": _GATEWAY, "process": child}
        print(json.dumps(said), flush=True)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (*carrying, *waiting):
            one.cancel()
    if told.is_set():
        return 0
    print(f"libvirt-host: libvirtd does not stay: see {folder}/libvirtd.log", file=sys.stderr)
    return 1


async def _up(folder: Path, told: asyncio.Event, gone: asyncio.Event) -> bool:
    """Wait until libvirtd answers; False when it does not, or when we are told to end."""
    path = str(daemon.socket_of(folder))
    for _ in range(int(_LIMIT_S / _LOOK_S)):
        if told.is_set() or gone.is_set():
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()
            return True
        await asyncio.sleep(_LOOK_S)
    if not told.is_set():
        print(f"libvirt-host: libvirtd does not answer: see {folder}/libvirtd.log", file=sys.stderr)
    return False


def _end(child: int) -> None:
    """However we end, the machines end, too."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="libvirt-host", description="Run a libvirt whose machines reach the hub's port and nothing else."
    )
    add = parser.add_argument
    add("--dir", required=True, metavar="D", help="folder for all that it keeps; its path must be short")
    add(
        "--hub",
        required=True,
        action="append",
        metavar="HOST:PORT",
        help="what machines may reach; again for more hubs",
    )
    add(
        "--user",
        default="nobody",
        metavar="U",
        help="started by root: who runs the machines instead (nobody)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
