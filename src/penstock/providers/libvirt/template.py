"""A machine that has booted and waits, saved once; each new machine is a copy of it that goes on from there.

A copy is the saved file with another name, id, address and other paths in its head: libvirt restores it as any other. The memory
of a template is a file that all its copies map, each privately, so that none has to be read or written (stream.py says how); where
that cannot be, each copy has the memory behind its head. What a template belongs to (image, qemu, processor, size) is in the names
of its files, so that no copy is ever made for anything else. Nothing secret is in it: a guest that waits was not told anything yet.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import libvirt
import msgspec

from penstock.ports import NoAnswer
from penstock.providers.libvirt.channel import AgentFile, deliver
from penstock.providers.libvirt.domain import (
    Build,
    Named,
    domain_xml,
    id_of,
    mac_of,
    remembering,
    renamed,
    waits,
)
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Connection, Link
from penstock.providers.libvirt.savefile import NotSaved, rewrite, without_memory
from penstock.providers.libvirt.stream import NotKnown

LOOK_S = 0.05
LIMIT_S = 600.0
"""A template that does not wait after so long never will."""
LAYOUT = "3"
"""Raised when domain_xml or remembering makes something else of the same build."""
STEM = "template-"
MAKING = threading.Lock()
"""The first machines of a pool come together, and pools may share a folder."""


class Made(NamedTuple):
    """What copies of a template are made of. `image`: its digest."""

    build: Build
    image: str
    agent: AgentFile = AgentFile()


class Template:
    """One. `folder`: where its files lie; the hub and libvirt's daemon both read and write there. `share`: whether copies map
    its memory."""

    def __init__(self, link: Link, folder: Path, made: Made, share: bool) -> None:
        self._link, self._folder, self._of, self._build = link, folder, made, made.build
        self._share = share

    def copy(self, named: Named, saved: Path, wanted: Callable[[], bool]) -> str:
        """Write to `saved` what this machine goes on from; the template is made first where there is none yet.

        Returns the machine's XML. Raises ProviderError, OSError.
        """
        template = self._made(wanted)
        try:
            return rewrite(template, saved, lambda xml: renamed(xml, named))
        except NotSaved as problem:
            template.unlink(missing_ok=True)
            raise NoAnswer(f"{template}: {problem}") from problem

    def stem(self) -> str:
        """What its files begin with: what a saved memory belongs to, in short. Raises ProviderError."""
        versions = self._link.call("version", lambda there: (there.getVersion(), there.getLibVersion()))
        text = (LAYOUT, self._of.image, *self._of.agent[1:], versions, self._build, self._share)
        return STEM + hashlib.sha256(msgspec.json.encode(text, order="sorted", enc_hook=str)).hexdigest()[:16]

    def _made(self, wanted: Callable[[], bool]) -> Path:
        saved = self._folder / f"{self.stem()}.save"
        if not saved.exists():
            with MAKING:
                if not saved.exists():
                    self._make(saved, wanted)
        return saved

    def _make(self, saved: Path, wanted: Callable[[], bool]) -> None:
        """Boot one, wait until it waits, save it. What a killed hub left of this is ended first."""
        stem = saved.stem
        fresh = saved.with_suffix(".new")
        id_, files = id_of(f"{self._folder} {stem}"), Files(self._folder)
        named = Named(
            id=id_,
            name=f"penstock-{stem}-{id_[:8]}",
            mac=mac_of(id_),
            channel=files.channel(id_),
            console=files.console(id_),
        )
        try:
            self._end(id_)
            self._link.change("start", lambda there: there.createXML(domain_xml(self._build, named), 0))
            self._wait(id_, wanted)
            self._deliver(named.channel, wanted)
            self._link.change("save", lambda there: there.lookupByUUIDString(id_).save(str(fresh)))
            if self._share:
                self._part(fresh, saved)
            fresh.replace(saved)
        finally:
            self._end(id_)
            files.remove(id_)
            fresh.unlink(missing_ok=True)

    def _part(self, fresh: Path, saved: Path) -> None:
        """Take the memory out of it. Where its stream is not as it is known here each copy has all of it."""
        memory, less = saved.with_suffix(".memory"), saved.with_suffix(".less")
        apart = saved.with_suffix(".apart")
        try:
            without_memory(fresh, less, apart, lambda xml: remembering(xml, memory, self._build.memory_mb))
            _give(apart, self._folder)
            apart.replace(memory)
            less.replace(fresh)
        except (NotSaved, NotKnown):
            memory.unlink(missing_ok=True)
        finally:
            less.unlink(missing_ok=True)
            apart.unlink(missing_ok=True)

    def _wait(self, id_: str, wanted: Callable[[], bool]) -> None:
        until_s = time.monotonic() + LIMIT_S
        while not waits(self._link.call("look", lambda there: there.lookupByUUIDString(id_).XMLDesc(0))):
            if time.monotonic() > until_s or not wanted():
                raise NoAnswer("the template does not wait on its channel")
            time.sleep(LOOK_S)

    def _deliver(self, channel: Path, wanted: Callable[[], bool]) -> None:
        """The agent waits in it, too. Where it says that it cannot, each copy fetches it from the hub. One that says nothing is of no
        use: nobody knows what it is doing."""
        try:
            waits = not self._of.agent.digest or deliver(channel, self._of.agent, wanted)
        except OSError as problem:
            raise NoAnswer(f"the template does not get its agent ready: {problem}") from problem
        if not waits and not wanted():
            raise NoAnswer("the template is not wanted any more")

    def _end(self, id_: str) -> None:
        def end(there: Connection) -> None:
            with suppress(libvirt.libvirtError):
                there.lookupByUUIDString(id_).destroy()

        self._link.change("end", end)


def _give(file: Path, folder: Path) -> None:
    """To whom the folder belongs and its group: qemu opens what it maps for writing, too, though it never writes there."""
    owner = folder.stat()
    if os.geteuid() == 0:
        os.chown(file, owner.st_uid, owner.st_gid)
    file.chmod(0o660)
