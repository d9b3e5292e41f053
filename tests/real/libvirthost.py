"""A libvirt of the tests' own, whose machines reach one port of this machine, by the program that users run."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROGRAMS = ("libvirtd", "qemu-system-x86_64")


class LibvirtHost:
    """The program below a folder with a short path. `folder` is where machines may have files: theirs who runs them."""

    def __init__(self, *hubs: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lv-", dir="/tmp"))
        words = [sys.executable, "-m", "penstock.providers.libvirthost", "--dir", str(self.folder)]
        words += [word for hub in hubs for word in ("--hub", hub)]
        self.errors = self.folder.with_suffix(".err")
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            said = self.errors.read_text().strip()
            self.close()
            raise OSError(said)
        self.said: dict[str, Any] = json.loads(line)

    @property
    def uri(self) -> str:
        """What clients write."""
        return str(self.said["uri"])

    @property
    def process(self) -> int:
        """Process id of the one that takes in orphans, in the namespace; libvirtd is its child."""
        return int(self.said["process"])

    @property
    def daemon(self) -> int:
        """Process id of libvirtd as it is now; 0 while there is none."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "run/libvirt/libvirtd.pid").read_text())
        return 0

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def children(self) -> list[int]:
        """Of that process: libvirtd, and each machine."""
        found = Path(f"/proc/{self.process}/task/{self.process}/children").read_text()
        return [int(word) for word in found.split()]

    def place(self, name: str) -> Path:
        """A new folder for files of machines, which their user may write to."""
        folder = self.folder / name
        folder.mkdir()
        owner = self.folder.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        return folder

    def kill(self) -> None:
        """End the program itself by SIGKILL; what it started has to see to that."""
        self._process.kill()
        self._process.wait()

    def close(self) -> int:
        """End it with all its machines; its exit status."""
        self._process.terminate()
        status = self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.errors.unlink()
        return status
