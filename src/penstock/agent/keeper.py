"""The process above a slot's attempts: starts them, adopts what they leave behind, ends it all.

One for each slot, a program of its own that lives as long as the agent: starting an attempt from here costs a
fraction of starting it from the agent's many threads. As a subreaper it becomes the parent of every orphan below it,
so "nothing is left" is known in both ways, with namespaces and without. It reads orders from a socket; when the
agent dies the socket ends, and so does everything here. As root it runs plain attempts as another user.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from penstock.agent.alone import Alone
from penstock.agent.mounts import Sight
from penstock.agent.usage import descendants

START, KILL = b"S", b"K"
SANDBOX, NO_NETWORK = "bwrap", "--unshare-net"
"""The first word of an order; and as the second what makes a network of its own, not needed where we have one to give."""
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_ONE_WAY = 4096, 16384, 1 << 19
_LIBC = ctypes.CDLL(None, use_errno=True)
_DEFAULT = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE}
_CHILDREN = "/proc/self/task/%d/children"
_DYING_S = 0.1
_HANDLES_MAX = 32
_HEAD = 5
"""Bytes before an order: START and its length."""


def main(text: str) -> None:
    """Serve until the agent is gone.

    `text`: {"channel": descriptor, "place": [real folder, where it is seen] or null, "plain": whether it is for
    ordinary processes}.
    """
    said = json.loads(text)
    channel = socket.socket(fileno=said["channel"])
    os.set_inheritable(said["channel"], False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if said.get("place"):
        try:
            own_place(*said["place"])
        except OSError:
            if _is_left_alone(channel):
                return  # its agent was killed, and the next one has thrown its folders away
            raise
    if said.get("plain"):
        # For good: bubblewrap may have to be setuid, what a plain attempt starts may not.
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if not os.geteuid():
            os.setgroups([])
    os.umask(0o022)
    os.chdir("/")
    try:
        _serve(channel, _Bell())
    except ConnectionError:
        # The agent is gone, and had not read our last word.
        return


def _is_left_alone(channel: socket.socket) -> bool:
    """Whether the agent is gone, though its words may still be here."""
    watch = select.poll()
    watch.register(channel, 0)
    return any(event & select.POLLHUP for _, event in watch.poll(0))


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    _LIBC.prctl(option, value, 0, 0, 0)


def own_place(real: str, seen: str) -> None:
    """From now this process and all below it see the folder `real` at the path `seen`. Raises OSError.

    A mount namespace of its own does that; whoever is not root needs a user namespace for it, too.
    """
    uid, gid = os.geteuid(), os.getegid()
    _checked(_LIBC.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)))
    if uid:
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    _checked(_LIBC.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_ONE_WAY), None))
    _checked(_LIBC.mount(os.fsencode(real), os.fsencode(seen), None, ctypes.c_ulong(_MS_BIND), None))


def _checked(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _Bell:
    """Readable when a child has ended."""

    def __init__(self) -> None:
        self.read, write = os.pipe()
        for handle in (self.read, write):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def clear(self) -> None:
        """Forget earlier rings; of very many some stay, and only make whoever listens look once more."""
        try:
            os.read(self.read, 4096)
        except BlockingIOError:
            return


def _serve(channel: socket.socket, bell: _Bell) -> None:
    while True:
        head, handles, _, _ = socket.recv_fds(channel, _HEAD, _HANDLES_MAX, socket.MSG_CMSG_CLOEXEC)
        if not head:
            return
        # To kill what has ended by itself is an order that came too late.
        head = head.lstrip(KILL)
        if head:
            head += _exactly(channel, _HEAD - len(head))
            order = json.loads(_exactly(channel, int.from_bytes(head[1:], "big")))
            done = json.dumps(_attempt(order, list(handles), channel, bell)).encode()
            channel.sendall(len(done).to_bytes(4, "big") + done)
            if order.get("stuck"):
                return


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def _attempt(
    order: dict[str, Any], handles: list[int], channel: socket.socket, bell: _Bell
) -> dict[str, Any]:
    """Run one order to its end. `status` as a shell says it; CPU time and the largest process among all that was
    reaped here; `problem` where nothing could be started; `stuck`: this keeper could not go back to its own groups."""
    reaped = _Reaped()
    try:
        _join(order)
        child = _start(order, handles)
    except (OSError, ValueError) as error:
        return {"status": 127, "problem": str(error), "stuck": _back(order)}
    finally:
        for handle in handles:
            os.close(handle)
    stuck = _back(order)
    if not _await(child, reaped, channel, bell):
        end_all(reaped, bell)
        sys.exit(0)
    end_all(reaped, bell)
    return {"status": reaped.status_of(child), "problem": "", "stuck": stuck, **reaped.figures()}


_staying: list[str] = []
_sight = Sight()


def _join(order: dict[str, Any]) -> None:
    """Enter control groups: what is started from here is born in them. Where we may stay we enter only once."""
    if order["leaves"] or _staying != order["joins"]:
        _move(order["joins"])
        _staying[:] = order["joins"]


def _move(groups: list[str]) -> None:
    for path in groups:
        handle = _sight.open(path)
        try:
            os.write(handle, b"0")
        finally:
            os.close(handle)


def _back(order: dict[str, Any]) -> bool:
    """Return to the agent's own groups; True where we may not: then the attempt's group can only go with us."""
    try:
        _move(order["leaves"])
    except OSError:
        order["stuck"] = True
    return bool(order.get("stuck"))


def _start(order: dict[str, Any], handles: list[int]) -> int:
    """Start the program without a fork of our own, which would cost more than the program does."""
    words = order["arguments"]
    if words[0] == SANDBOX:
        _sight.narrow([path for option, path in zip(words, words[1:]) if option.endswith("-bind")])
    _network(words)
    if folder := order.get("folder"):
        os.chdir(folder)
    _first_to_go(True)
    try:
        return _as_owner(order, handles) if order.get("owner") else _spawn(order, handles)
    finally:
        _first_to_go(False)
        if folder:
            os.chdir("/")


_alone = Alone()


def _network(arguments: list[str]) -> None:
    """Be where the program is to be: in a network of the slot's own, or in the machine's. Raises OSError."""
    if arguments[1:2] != [NO_NETWORK]:
        _alone.leave()
    elif _alone.enter():
        del arguments[1]


_score: list[int] = []


def _first_to_go(first: bool) -> None:
    """What is started now is what the kernel kills when memory runs out, and not this process, which may sit in the
    same control group and is larger than most of what it starts. Going back to 0 needs no privilege."""
    try:
        if not _score:
            _score.append(os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC))
        os.write(_score[0], b"1000" if first else b"0")
    except OSError:
        return


def _as_owner(order: dict[str, Any], handles: list[int]) -> int:
    """As another user: whoever's real ids differ from the effective ones has a child that drops the latter.

    As long as ours do, that user may send us signals, so the script waits at descriptor 3 until they are back.
    """
    uid, gid = order["owner"]
    gate, opened = os.pipe()
    try:
        os.setresgid(gid, 0, 0)
        os.setresuid(uid, 0, 0)
        return _spawn(order, [*handles, gate], resetids=True)
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.close(gate)
        os.close(opened)


def _spawn(order: dict[str, Any], handles: list[int], resetids: bool = False) -> int:
    arguments = order["arguments"]
    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(handles, 1)]
    return os.posix_spawnp(
        arguments[0],
        arguments,
        order["environment"],
        file_actions=actions,
        setsid=True,
        setsigdef=_DEFAULT,
        resetids=resetids,
    )


class _Reaped:
    """What was waited for: how each ended, and what all of it used."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self._cpu_s = 0.0
        self._largest_kb = 0

    def reap(self, pid: int, options: int) -> int:
        """wait4(2). Raises ChildProcessError."""
        found, status, used = os.wait4(pid, options)
        if found:
            self._ends[found] = status
            self._cpu_s += used.ru_utime + used.ru_stime
            self._largest_kb = max(self._largest_kb, used.ru_maxrss)
        return found

    def has(self, pid: int) -> bool:
        """Whether it ended."""
        return pid in self._ends

    def status_of(self, pid: int) -> int:
        """Exit status, 128 + signal for who was killed."""
        status = self._ends[pid]
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def figures(self) -> dict[str, int]:
        """CPU time in ms, and the largest single process in KiB."""
        return {"cpu_ms": int(self._cpu_s * 1000), "largest_kb": self._largest_kb}


def _await(child: int, reaped: _Reaped, channel: socket.socket, bell: _Bell) -> bool:
    """Wait for the child's end or the order to kill it; False when the agent is gone."""
    watch = select.poll()
    watch.register(bell.read, select.POLLIN)
    watch.register(channel, select.POLLIN)
    while not reaped.has(child):
        for handle, _ in watch.poll():
            if handle == channel.fileno():
                try:
                    return bool(channel.recv(1))
                finally:
                    end_all(reaped, bell)
        bell.clear()
        while not reaped.has(child) and reaped.reap(-1, os.WNOHANG):
            pass
    return True


def end_all(reaped: _Reaped, bell: _Bell) -> None:
    """Kill and reap everything below this process; who is killed leaves children to us, hence again and again.

    Our own children are killed first, and their end rings: to look for all below them costs a walk through /proc, which
    is done only where that does not help.
    """
    rung = True
    while True:
        try:
            while reaped.reap(-1, os.WNOHANG):
                rung = True
        except ChildProcessError:
            return
        children = _children() if rung else []
        for pid in children or descendants(os.getpid()):
            if pid != os.getpid():
                _kill(pid)
        rung = bool(select.select([bell.read], [], [], _DYING_S)[0])
        bell.clear()


def _children() -> list[int]:
    """Our own children: the kernel may not tell (then descendants() looks through all of /proc)."""
    try:
        with open(_CHILDREN % os.getpid()) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
