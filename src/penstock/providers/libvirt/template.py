"""A machine that has booted and waits, saved once; each new machine is a copy of it that goes on from there.

A copy is the saved file with another name, id, address and other paths in its head, and the same memory behind it: libvirt
restores it as any other. What the memory belongs to (image, qemu, processor, sizes) is in the name of the saved file, so that
no copy is ever made for anything else. Nothing secret is in it: a guest that waits was not told anything yet.
Format: libvirt's src/qemu/qemu_saveimage.h, version 2.
"""

import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import libvirt
import msgspec

from penstock.ports import NoAnswer
from penstock.providers.libvirt.domain import Build, Named, domain_xml, id_of, mac_of, renamed, waits
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Connection, Link

HEAD = struct.Struct("<16sIIIII")
"""Magic, version, length of the XML part, was running, compression, where the cookie begins."""
HEAD_BYTES = 92
MAGIC, VERSION = b"LibvirtQemudSave", 2
PAGE = 4096
XML_MAX = 1 << 20
LOOK_S = 0.05
LIMIT_S = 600.0
"""A template that does not wait after so long never will."""
LAYOUT = "1"
"""Raised when domain_xml makes something else of the same build."""
_MAKING = threading.Lock()
"""The first machines of a pool come together, and pools may share a folder."""


class NotSaved(Exception):
    """This file is no saved machine as libvirt writes it, or of a version that is not known here."""


class Templates:
    """One pool's. `folder`: where saved machines lie; the hub and libvirt's daemon both read and write there."""

    def __init__(self, link: Link, folder: Path, build: Build, image_digest: str) -> None:
        self._link, self._folder, self._build, self._image = link, folder, build, image_digest

    def copy(self, named: Named, saved: Path, wanted: Callable[[], bool]) -> str:
        """Write to `saved` what this machine goes on from; the template is made first where there is none yet.

        Returns the machine's XML. Raises ProviderError.
        """
        with _MAKING:
            template = self._template(wanted)
        try:
            return rewrite(template, saved, lambda xml: renamed(xml, named))
        except NotSaved as problem:
            template.unlink(missing_ok=True)
            raise NoAnswer(f"{template}: {problem}") from problem

    def key(self) -> str:
        """What a saved memory belongs to."""
        versions = self._link.call("version", lambda there: (there.getVersion(), there.getLibVersion()))
        text = msgspec.json.encode((LAYOUT, self._image, versions, self._build), order="sorted", enc_hook=str)
        return hashlib.sha256(text).hexdigest()[:16]

    def _template(self, wanted: Callable[[], bool]) -> Path:
        saved = self._folder / f"template-{self.key()}.save"
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
            self._link.change("save", lambda there: there.lookupByUUIDString(id_).save(str(fresh)))
            fresh.replace(saved)
        finally:
            self._end(id_)
            files.remove(id_)
            fresh.unlink(missing_ok=True)

    def _wait(self, id_: str, wanted: Callable[[], bool]) -> None:
        until_s = time.monotonic() + LIMIT_S
        while not waits(self._link.call("look", lambda there: there.lookupByUUIDString(id_).XMLDesc(0))):
            if time.monotonic() > until_s or not wanted():
                raise NoAnswer("the template does not wait on its channel")
            time.sleep(LOOK_S)

    def _end(self, id_: str) -> None:
        def end(there: Connection) -> None:
            with suppress(libvirt.libvirtError):
                there.lookupByUUIDString(id_).destroy()

        self._link.change("end", end)


def rewrite(source: Path, to: Path, change: Callable[[str], str]) -> str:
    """Write a saved machine again with its XML changed. Returns the XML. Raises NotSaved, OSError."""
    with source.open("rb") as old:
        head, xml, cookie = _read(old)
        changed = change(xml)
        data = changed.encode() + b"\0"
        cookie_at = len(data) if cookie else 0
        data += cookie
        data += b"\0" * (-(HEAD_BYTES + len(data)) % PAGE)
        fresh = bytearray(head)
        _, version, _, _, compressed, _ = HEAD.unpack_from(head)
        HEAD.pack_into(fresh, 0, MAGIC, version, len(data), 1, compressed, cookie_at)
        with to.open("wb") as new:
            os.fchmod(new.fileno(), 0o644)  # libvirt's daemon may be another user; nothing secret is in it
            new.write(fresh + data)
            new.flush()
            _rest(old, new)
    return changed


def _read(file: BinaryIO) -> tuple[bytes, str, bytes]:
    """The head, the XML and the cookie with its end; the file stands where the memory begins."""
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        raise NotSaved("it is no saved machine")
    magic, version, length, _, _, cookie_at = HEAD.unpack_from(head)
    if magic != MAGIC or version != VERSION or not 0 < length <= XML_MAX or cookie_at >= length:
        raise NotSaved("it is no saved machine of a version that is known here")
    data = file.read(length)
    if len(data) < length:
        raise NotSaved("it ends too early")
    xml = data[: cookie_at or length].split(b"\0", 1)[0].decode()
    cookie = data[cookie_at:].split(b"\0", 1)[0] + b"\0" if cookie_at else b""
    return head, xml, cookie


def _rest(old: BinaryIO, new: BinaryIO) -> None:
    """The memory, without passing through ours."""
    at, end = old.tell(), os.fstat(old.fileno()).st_size
    while at < end:
        at += os.sendfile(new.fileno(), old.fileno(), at, end - at)
