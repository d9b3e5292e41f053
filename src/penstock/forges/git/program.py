"""The git program, run so that nothing in a repository can make it run another.

Arguments are lists, never a shell. Of the environment only what is named here goes in. Settings of this machine
and its users are not read; those of the repository are (git has no way to leave them out), so all that could
start a program or rewrite content is overridden from the environment, which wins: hooks, fsmonitor, ssh command,
attributes and ignore files from elsewhere, replace refs. Filters, the one thing that cannot be overridden as a
whole, are never asked for: no command here that compares or checks out files. And a repository that is read in
place may speak no protocol at all, so that a missing object never starts a fetch as its own config describes it.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.forges.git.errors import GitError, Vanished

LOCAL_TIMEOUT_S = 300
PASSED_ON = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY")
SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.sshCommand": "ssh",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.alternateRefsCommand": "true",
    "core.askPass": "true",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}
FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ADVICE": "0",
}


def environment(
    more: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a git process gets to know; `more` are variables, `settings` git's own, over those that all get."""
    known = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    chosen = SETTINGS | dict(settings or {})
    count = {"GIT_CONFIG_COUNT": str(len(chosen))}
    for number, (name, value) in enumerate(chosen.items()):
        count |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return known | FIXED | count | dict(more or {})


class Call:
    """One way of calling git: for one repository, in one folder, with one environment.

    `about` is what the repository is called in errors.
    """

    def __init__(
        self, about: str, git_dir: Path | None, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.about = about
        self.start = ["git", "--no-pager", *([f"--git-dir={git_dir}"] if git_dir else [])]
        self.cwd = cwd
        self.env = dict(env) if env is not None else environment()

    def run(self, *arguments: str, given: bytes = b"", timeout_s: float = LOCAL_TIMEOUT_S) -> bytes:
        """Its standard output. Raises Failed when it ends badly, Vanished when there is nowhere to run it."""
        try:
            ended = subprocess.run(
                [*self.start, *arguments],
                input=given,
                capture_output=True,
                check=False,
                cwd=self.cwd,
                env=self.env,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise GitError(
                self.about, f"git {arguments[0]} did not end in {timeout_s:.0f} s", "try again"
            ) from None
        except OSError as wrong:
            raise self._not_started(wrong) from None
        if ended.returncode != 0:
            raise Failed(self.about, reason_of(ended.stderr))
        return ended.stdout

    def commit(self, name: str) -> tuple[str, str] | None:
        """(commit, its tree) of a ref or hash; None when there is none. `name` holds no line end."""
        told = self.run("cat-file", "--batch", given=f"{name}^{{commit}}\n".encode())
        lines = told.split(b"\n", 2)
        head = lines[0].split()
        if len(head) != 3 or head[1] != b"commit" or not lines[1].startswith(b"tree "):
            return None
        return head[0].decode(), lines[1].removeprefix(b"tree ").decode()

    def open(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A running git that is written to and read from. Raises Vanished."""
        try:
            return subprocess.Popen(
                [*self.start, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.cwd,
                env=self.env,
            )
        except OSError as wrong:
            raise self._not_started(wrong) from None

    def _not_started(self, wrong: OSError) -> GitError:
        if self.cwd is not None and not self.cwd.is_dir():
            return Vanished(self.about, "its folder is gone", "see that it stays while it is built")
        return GitError(self.about, f"git cannot be started: {wrong.strerror}", "install git")


class Failed(GitError):
    """git ended with an error; whoever called it knows what that means."""


def reason_of(stderr: bytes) -> str:
    """The first thing that git complained about, as one line without its prefix."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("warning:", "hint:", "remote:"))] or lines
    first = told[0] if told else "git ended without a word"
    short = first.removeprefix("fatal: ").removeprefix("error: ").rstrip(".")[:300]
    return "".join(sign if sign.isprintable() else "?" for sign in short)
