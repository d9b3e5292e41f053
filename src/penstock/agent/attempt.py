"""One attempt from the acknowledged offer to its finish message, in one thread that lives as long as the agent."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.agent import cgroups, sandbox
from penstock.agent.cancel import Cancel, Stopped
from penstock.agent.logs import Log
from penstock.agent.prefix import Conflict, Damaged, Trees, unpack_verified
from penstock.agent.process import Ended, Start, run
from penstock.agent.session import API, FENCE_HEADER, Session
from penstock.agent.uploads import Uploads
from penstock.agent.workspace import Busy, Workshop
from penstock.wire.client import Client, HubError, Refused, Unreachable
from penstock.wire.trees import TreeError

_DISK_LOW = 16 << 20
_DOWNLOAD_S = 600.0
_LAST_WORDS_S = 1.0


class Verdict(Exception):
    """The end, known before the commands ended by themselves."""

    def __init__(self, result: str, cause: str, remember: bool = False) -> None:
        super().__init__(cause)
        self.result = result
        self.cause = cause
        self.remember = remember


class Attempt:
    """Runs one offer. `cancel` ends it from any thread."""

    def __init__(self, offer: dict[str, Any], session: Session, shop: Workshop, trees: Trees) -> None:
        self.offer = offer
        self.cancel = Cancel()
        # The log goes on for a moment after a stop order, so that it says why it ended.
        self._mute = Cancel()
        self._session = session
        self._shop = shop
        self._trees = trees
        self._used: dict[str, Any] = {}
        self._code: int | None = None

    def run(self) -> dict[str, Any] | None:
        """Returns the finish message; None where nothing is to be reported, because the right has ended."""
        work = self._shop.attempt(self.offer["attempt"])
        log = Log(work.log)
        client = self._session.client(self.cancel)
        shipping = threading.Thread(target=self._ship, args=(log,), name="log", daemon=True)
        shipping.start()
        outputs: list[dict[str, Any]] = []
        try:
            layout = self._prepare(work, client)
            verdict = self._judge(self._execute(layout, log), layout)
            if verdict.result == "passed":
                outputs = Uploads(self._session, client, self.cancel, log.say).send_all(self.offer, layout)
        except (Verdict, Stopped, Exception) as error:
            verdict, outputs = self._explain(error), []
        finally:
            client.close()
        if verdict.result != "passed":
            log.say(f"{verdict.result}: {verdict.cause}")
        log.close()
        while shipping.is_alive() and not self.cancel.is_set():
            shipping.join(_LAST_WORDS_S)
        shipping.join(_LAST_WORDS_S)
        self._mute.set("", "")
        shipping.join()
        self._mute.close()
        size = log.size
        log.release()
        work.close()
        return self._finish(verdict, outputs, size)

    def _finish(
        self, verdict: Verdict, outputs: list[dict[str, Any]], log_bytes: int
    ) -> dict[str, Any] | None:
        if self.cancel.is_set():
            if not self.cancel.result:
                return None
            verdict, outputs = Verdict(self.cancel.result, self.cancel.reason), []
        return {
            "attempt": self.offer["attempt"],
            "fence": self.offer["fence"],
            "result": verdict.result,
            "cause": verdict.cause,
            "exit_code": self._code,
            "remember": verdict.remember,
            "log_bytes": log_bytes,
            "outputs": outputs,
            "used": self._used,
        }

    def _ship(self, log: Log) -> None:
        client = self._session.client(self._mute)
        path = f"{API}/attempts/{self.offer['attempt']}/log"
        headers = {FENCE_HEADER: self.offer["fence"], "Content-Type": "application/octet-stream"}

        def send(offset: int, piece: bytes) -> int:
            where = f"{path}?offset={offset}"
            answer = self._session.call(client, lambda c: c.raw("POST", where, piece, headers), self._mute)
            return int(answer.get("next", offset + len(piece)))

        try:
            log.ship(send)
        except Refused as error:
            self.cancel.set("", error.reason)
        except (Stopped, HubError):
            # Stopped: the finish message says so. Another answer: the verdict matters more than the rest of the log.
            return
        finally:
            client.close()

    def _prepare(self, work: Any, client: Client) -> sandbox.Layout:
        layout: sandbox.Layout = work.open(self.cancel)
        layout.commands.write_text(sandbox.script(self.offer["commands"]))
        layout.commands.chmod(0o644)
        self._fetch_source(client, layout)
        self._compose(client, layout)
        self.cancel.check()
        return layout

    def _fetch_source(self, client: Client, layout: sandbox.Layout) -> None:
        def consume(read: Callable[[int], bytes]) -> None:
            # A try that was cut may have left something.
            self._renew(layout.source)
            unpack_verified(
                self._stoppable(read),
                self.offer.get("source", ""),
                layout.source,
                source=True,
                mtime=self.offer.get("source_date_epoch", 315532800),
                mode_mask=0o755,
                owner=self._shop.owner,
                skip=frozenset({".penstock.yml"}),
            )

        self._download(client, f"{API}/attempts/{self.offer['attempt']}/source", consume)

    def _renew(self, folder: Path) -> None:
        if any(folder.iterdir()):
            self._shop.throw_away(folder)
            folder.mkdir()
            if self._shop.owner:
                os.chown(folder, *self._shop.owner)

    def _compose(self, client: Client, layout: sandbox.Layout) -> None:
        def fetch(digest: str, consume: Callable[[Callable[[int], bytes]], None]) -> None:
            path = f"{API}/attempts/{self.offer['attempt']}/inputs/{digest}"
            self._download(client, path, lambda read: consume(self._stoppable(read)))

        keep = not self._shop.plain or self._shop.owner is not None
        self._trees.compose(self.offer.get("inputs") or [], layout.prefix, fetch, keep)

    def _download(self, client: Client, path: str, consume: Callable[[Callable[[int], bytes]], None]) -> None:
        try:
            self._session.call(client, lambda c: c.download(path, consume), self.cancel, _DOWNLOAD_S)
        except Refused:
            raise
        except (Unreachable, HubError, Damaged, TreeError) as error:
            self.cancel.check()
            where = f"{self._session.address.host}{path}"
            raise Verdict("refused", f"cannot fetch {where}: {error}") from error

    def _stoppable(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        def reading(size: int) -> bytes:
            self.cancel.check()
            return read(size)

        return reading

    def _execute(self, layout: sandbox.Layout, log: Log) -> Ended:
        name = self._shop.group_prefix + self.offer["attempt"]
        group = cgroups.create(name, self.offer.get("memory_mb"), sandbox.PIDS_MAX)
        try:
            start = self._start(layout, group)
            ended = run(start, log.add, self.cancel)
            self._code = ended.exit_code if ended.step else None
            meter = group or start.sampler
            self._used = {
                "wall_ms": ended.wall_ms,
                "cpu_ms": meter.cpu_ms() if meter else None,
                "memory_peak_mb": meter.memory_peak_mb() if meter else None,
                "measured_by": meter.measured_by if meter else "",
            }
            if group and group.out_of_memory() and not ended.complete:
                raise Verdict("failed", f"out of memory: it may use {self.offer.get('memory_mb')} MB")
            return ended
        finally:
            if group:
                group.remove()

    def _start(self, layout: sandbox.Layout, group: cgroups.Group | None) -> Start:
        status = None if self._shop.plain else os.pipe()
        if status:
            arguments = sandbox.bubblewrap(self.offer, layout, self._shop.folder / "etc", status[1])
        else:
            arguments = sandbox.plain(self.offer, layout, self._shop.owner)
        limited = group is not None and group.limits_processes
        if not limited and os.geteuid() and shutil.which("prlimit"):
            # Counts all processes of this user, hence only a last resort; root is exempt from it.
            arguments = ["prlimit", f"--nproc={2 * sandbox.PIDS_MAX}", "--", *arguments]
        arguments = sandbox.joining(group.joins if group else [], arguments)
        return Start(arguments, float(self.offer.get("timeout_s", 1800.0)), status, sample=group is None)

    def _judge(self, ended: Ended, layout: sandbox.Layout) -> Verdict:
        if ended.stopped:
            raise Stopped(self.cancel.reason)
        if ended.timed_out:
            return Verdict("timed_out", f"not done after {self.offer.get('timeout_s', 1800.0):g} s")
        if not ended.step:
            return Verdict("refused", f"the sandbox could not be started: {ended.told or ended.exit_code}")
        if ended.exit_code == 0:
            return Verdict("passed", "" if ended.complete else f"command {ended.step} ended the shell")
        commands = self.offer["commands"]
        text = commands[min(ended.step, len(commands)) - 1].strip().splitlines() or [""]
        cause = f"command {ended.step} of {len(commands)} failed with exit status {ended.exit_code}: {text[0][:200]}"
        remember = ended.exit_code <= 128 and self.offer.get("network") != "full"
        if shutil.disk_usage(layout.base).free < _DISK_LOW:
            cause, remember = f"{cause} (the disk of this machine is full)", False
        return Verdict("failed", cause, remember)

    def _explain(self, error: BaseException) -> Verdict:
        """What an exception means: the job's own fault is a failure, everything else is the farm's."""
        if isinstance(error, Verdict):
            return error
        if isinstance(error, Stopped):
            return Verdict(self.cancel.result or "cancelled", self.cancel.reason)
        if isinstance(error, Refused):
            self.cancel.set("", error.reason)
            return Verdict("cancelled", error.reason)
        if isinstance(error, (Conflict, TreeError)):
            return Verdict("failed", str(error), remember=True)
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "the disk is full" if full else os.strerror(error.errno or 0)
            return Verdict("refused", f"{what}: {error.filename or self._shop.folder}")
        if isinstance(error, (HubError, Unreachable, Busy)):
            return Verdict("refused", str(error))
        return Verdict("refused", f"the agent failed: {type(error).__name__}: {error}")
