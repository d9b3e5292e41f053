"""One attempt from the acknowledged offer to its finish message, in one thread that lives as long as the agent."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.agent import cgroups, sandbox
from penstock.agent.cancel import Cancel, Stopped
from penstock.agent.forward import Forward
from penstock.agent.logs import Log
from penstock.agent.mirrors import Doubt, Mirrors
from penstock.agent.prefix import Conflict, Trees, unpack_verified
from penstock.agent.process import Ended, Keeper, Start, run
from penstock.agent.secrets import Secrets
from penstock.agent.session import API, FENCE_HEADER, Session
from penstock.agent.sources import EMPTY, Damaged, Sources
from penstock.agent.trouble import TAIL_BYTES, Trouble, failed_hosts, kind_of
from penstock.agent.uploads import Uploads
from penstock.agent.usage import Sampler
from penstock.agent.workspace import Busy, Workshop, Workspace
from penstock.wire.client import Client, HubError, Refused, Unreachable
from penstock.wire.trees import TreeError

_DISK_LOW = 16 << 20
_DOWNLOAD_S = 600.0
_LAST_WORDS_S = 1.0
_CONFIRM_S = 0.05
_LOOK_S = 0.5


class Verdict(Exception):
    """The end, known before the commands ended by themselves."""

    def __init__(self, result: str, cause: str, remember: bool = False) -> None:
        super().__init__(cause)
        self.result = result
        self.cause = cause
        self.remember = remember


class Means(NamedTuple):
    """What a slot has for its attempts."""

    session: Session
    shop: Workshop
    space: Workspace
    above: Keeper
    groups: cgroups.SlotGroups
    trees: Trees
    sources: Sources
    mirrors: Mirrors
    trouble: Trouble


class Attempt:
    """Runs one offer. `cancel` ends it from any thread; `confirmed` is set when the hub has taken our word for it."""

    def __init__(self, offer: dict[str, Any], means: Means) -> None:
        self.offer = offer
        self.cancel = Cancel()
        self.confirmed = threading.Event()
        self._means = means
        self._session = means.session
        self._shop = means.shop
        self._log = Log(means.space.log)
        # The log goes on for a moment after a stop order, so that it says why it ended.
        self._mute = Cancel()
        self._shipping: threading.Thread | None = None
        self._used: dict[str, Any] = {}
        self._secrets = Secrets()
        self._forward = Forward(offer, means.session, self._say, means.trouble)
        self._began_s = time.monotonic()
        self._code: int | None = None
        self._epoch = int(offer.get("source_date_epoch", 315532800))

    def run(self) -> dict[str, Any] | None:
        """Returns the finish message; None where nothing is to be reported, because the right has ended."""
        log, client = self._log, self._session.client(self.cancel)
        outputs: list[dict[str, Any]] = []
        try:
            layout = self._prepare(client)
            self._used["fetch_ms"] = int((time.monotonic() - self._began_s) * 1000)
            verdict = self._judge(self._execute(layout), layout)
            if verdict.result == "passed" and self.offer.get("outputs"):
                self._ship()
                self._await_confirmed()
                outputs = Uploads(self._session, client, self.cancel, log.say).send_all(self.offer, layout)
        except (Verdict, Stopped, Exception) as error:
            verdict, outputs = self._explain(error), []
        finally:
            client.close()
        verdict.cause = self._secrets.hide(verdict.cause)
        self._secrets.close()
        if verdict.result != "passed":
            log.say(f"{verdict.result}: {verdict.cause}")
            self._look_for_hosts()
        log.close()
        finish = self._finish(verdict, outputs, self._end_log())
        self._tidy()
        return finish

    def _look_for_hosts(self) -> None:
        if self.offer.get("kind") == "fetch":
            for host, what in failed_hosts(self._log.tail(TAIL_BYTES)):
                self._means.trouble.note(host, what)

    def _say(self, text: str) -> None:
        self._log.say(self._secrets.hide(text))

    def _tidy(self) -> None:
        """What cannot be removed now is removed when the next attempt begins."""
        self.cancel.close()
        try:
            self._log.release()
            self._means.space.close()
        except OSError:
            return

    def _await_confirmed(self) -> None:
        """The hub takes uploads only of attempts that it knows to run."""
        while not self.confirmed.wait(_CONFIRM_S):
            self.cancel.check()

    def _end_log(self) -> dict[str, Any]:
        """See that the hub gets all of the log: a short one goes with the finish, where the hub takes it there."""
        whole = self._log.whole() if self._shipping is None else None
        if whole is not None and len(whole) <= self._session.finish_log_bytes:
            size = len(whole)
            return {"log_bytes": size, "log": base64.b64encode(whole).decode(), "log_offset": 0}
        self._ship()
        shipping = self._shipping
        assert shipping
        while shipping.is_alive() and not self.cancel.is_set():
            shipping.join(_LAST_WORDS_S)
        shipping.join(_LAST_WORDS_S)
        self._mute.set("", "")
        shipping.join()
        self._mute.close()
        return {"log_bytes": self._log.size}

    def _look(self) -> float:
        """Called while the commands run: begins to ship the log when there is something to see."""
        if self._shipping is not None:
            return 3600.0
        due_s = self._log.due_s()
        if due_s > 0:
            return min(due_s, 3600.0) if due_s != float("inf") else _LOOK_S
        self._ship()
        return 3600.0

    def _ship(self) -> None:
        if self._shipping is None:
            self._shipping = threading.Thread(target=self._send_log, name="log", daemon=True)
            self._shipping.start()

    def _finish(
        self, verdict: Verdict, outputs: list[dict[str, Any]], log: dict[str, Any]
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
            "outputs": outputs,
            # The slot is held from the offer on, getting the source and sending the outputs included.
            "used": {**self._used, "held_ms": int((time.monotonic() - self._began_s) * 1000)},
            **log,
        }

    def _send_log(self) -> None:
        client = self._session.client(self._mute)
        path = f"{API}/attempts/{self.offer['attempt']}/log"
        headers = {FENCE_HEADER: self.offer["fence"], "Content-Type": "application/octet-stream"}

        def send(offset: int, piece: bytes) -> int:
            where = f"{path}?offset={offset}"
            answer = self._session.call(client, lambda c: c.raw("POST", where, piece, headers), self._mute)
            return int(answer.get("next", offset + len(piece)))

        try:
            self._log.ship(send)
        except Refused as error:
            self.cancel.set("", error.reason)
        except (Stopped, HubError):
            # Stopped: the finish message says so. Another answer: the verdict matters more than the rest of the log.
            return
        finally:
            client.close()

    def _prepare(self, client: Client) -> sandbox.Layout:
        name = self.offer.get("source") or self.offer.get("source_key") or ""
        source = (name, self._epoch) if name else None
        layout = self._means.space.open(self.cancel, source)
        if source is None or not self._means.space.has(source):
            self._fetch_source(name, client, layout)
            if source is not None and name != EMPTY:
                self._means.space.filled(source)
        self._compose(client, layout)
        self._fetch_secrets(client)
        if self.offer.get("forward"):
            self._await_confirmed()
        self.cancel.check()
        return layout

    def _fetch_secrets(self, client: Client) -> None:
        """The hub gives them to an attempt that it knows to run, and we only to a sandbox."""
        if not self.offer.get("secrets"):
            return
        if self._shop.plain:
            raise Verdict("refused", "a job with secrets needs a sandbox, this agent runs without one")
        self._await_confirmed()
        try:
            self._secrets.fetch(self.offer, self._session, client, self.cancel)
        except Refused:
            raise
        except (Unreachable, HubError) as error:
            raise Verdict("refused", f"no secret: {error}") from error

    def _fetch_source(self, name: str, client: Client, layout: sandbox.Layout) -> None:
        digest = self.offer.get("source", "")
        if name == EMPTY:
            return
        try:
            if name and self._means.sources.use(name, lambda read: self._unpack(read, digest, layout)):
                return
        except Damaged as error:
            self._log.say(str(error))
        if self._from_mirror(name, layout):
            return
        path = f"{API}/attempts/{self.offer['attempt']}/source"
        self._download(client, path, lambda read: self._take_in(name, digest, read, layout))

    def _take_in(self, name: str, digest: str, read: Callable[[int], bytes], layout: sandbox.Layout) -> None:
        """Unpack a source as it comes, and keep it for the next attempt."""
        if not name:
            self._unpack(read, digest, layout)
            return
        keeping = self._means.sources.keeping(name, read)
        try:
            self._unpack(keeping.read, digest, layout)
            keeping.done()
        finally:
            keeping.abandon()

    def _from_mirror(self, name: str, layout: sandbox.Layout) -> bool:
        """Take the source from its repository, if it is a public one and this machine has git."""
        git = self.offer.get("git")
        if not git or not self._means.mirrors.usable:
            return False
        try:
            chunks = self._means.mirrors.stream(git, self.offer.get("source_key", ""), self.cancel.check)
            self._take_in(name, "", lambda _: next(chunks, b""), layout)
        except (Doubt, TreeError) as doubt:
            self._log.say(f"the hub is asked for the source: {doubt}")
            if isinstance(doubt, Doubt) and doubt.host:
                self._means.trouble.note(doubt.host, "git")
            return False
        return True

    def _unpack(self, read: Callable[[int], bytes], digest: str, layout: sandbox.Layout) -> None:
        # A try that was cut may have left something.
        if any(layout.source.iterdir()):
            self._means.space.renew("src")
        unpack_verified(
            self._stoppable(read),
            digest,
            layout.source,
            source=True,
            mtime=self._epoch,
            mode_mask=0o755,
            owner=self._shop.owner,
            skip=frozenset({".penstock.yml"}),
        )

    def _compose(self, client: Client, layout: sandbox.Layout) -> None:
        def fetch(digest: str, consume: Callable[[Callable[[int], bytes]], None]) -> None:
            path = f"{API}/attempts/{self.offer['attempt']}/inputs/{digest}"
            self._download(client, path, lambda read: consume(self._stoppable(read)))

        keep = not self._shop.plain or self._shop.owner is not None
        if self.offer.get("inputs"):
            self._means.trees.compose(self.offer["inputs"], layout.prefix, fetch, keep)

    def _download(self, client: Client, path: str, consume: Callable[[Callable[[int], bytes]], None]) -> None:
        def once(c: Client) -> Any:
            try:
                return c.download(path, consume)
            except (Unreachable, HubError, Damaged, TreeError) as error:
                if not isinstance(error, Refused) and not self.cancel.is_set():
                    self._means.trouble.note(self._session.address.host, kind_of(error))
                raise

        try:
            self._session.call(client, once, self.cancel, _DOWNLOAD_S)
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

    def _execute(self, layout: sandbox.Layout) -> Ended:
        memory_mb = self.offer.get("memory_mb")
        group = self._means.groups.begin(memory_mb, sandbox.PIDS_MAX)
        try:
            self._forward.begin(self._means.above.package, self._shop.plain)
            mask, start = self._secrets.masking(self._log.add), self._start(layout, group)
            try:
                ended = run(self._means.above, start, mask.add, self.cancel, self._look)
            finally:
                mask.end()
            self._code = ended.exit_code if ended.step else None
            self._used |= {
                "wall_ms": ended.wall_ms,
                "cpu_ms": group.cpu_ms() if group else ended.cpu_ms,
                "memory_peak_mb": group.memory_peak_mb() if group else ended.memory_peak_mb,
                "measured_by": group.measured_by if group else Sampler.measured_by,
            }
            if group and not ended.complete and group.out_of_memory():
                raise Verdict("failed", f"out of memory: it may use {memory_mb} MB")
            return ended
        finally:
            self._forward.end()
            self._means.groups.end()

    def _start(self, layout: sandbox.Layout, group: cgroups.Group | None) -> Start:
        environment, plain = None, None
        if self._shop.plain:
            arguments, environment, plain = sandbox.plain(self.offer, layout, self._shop.owner)
        else:
            arguments = sandbox.bubblewrap(self.offer, layout, self._shop.root)
        limited = group is not None and group.limits_processes
        if not limited and os.geteuid() and shutil.which("prlimit"):
            # Counts all processes of this user, hence only a last resort; root is exempt from it.
            arguments = ["prlimit", f"--nproc={2 * sandbox.PIDS_MAX}", "--", *arguments]
        groups = (group.joins, group.leaves) if group else ([], [])
        start = Start(arguments, environment, float(self.offer.get("timeout_s", 1800.0)), plain, groups)
        start.handles = self._secrets.handles + self._forward.handles
        return start

    def _judge(self, ended: Ended, layout: sandbox.Layout) -> Verdict:
        if ended.stopped:
            raise Stopped(self.cancel.reason)
        if ended.timed_out:
            return Verdict("timed_out", f"not done after {self.offer.get('timeout_s', 1800.0):g} s")
        if not ended.step:
            told = self._forward.problem or ended.told or ended.exit_code
            return Verdict("refused", f"the sandbox could not be started: {told}")
        if ended.exit_code == 0:
            return Verdict("passed", "" if ended.complete else f"command {ended.step} ended the shell")
        commands = self.offer["commands"]
        text = commands[min(ended.step, len(commands)) - 1].strip().splitlines() or [""]
        cause = f"command {ended.step} of {len(commands)} failed with exit status {ended.exit_code}: {text[0][:200]}"
        remember = ended.exit_code <= 128 and self.offer.get("network") != "full"
        if shutil.disk_usage(layout.base).free < _DISK_LOW:
            cause, remember = f"{cause} (the disk of this machine is full)", False
        if self._forward.fault:
            return Verdict("cancelled", f"{cause}; {self._forward.fault}")
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
