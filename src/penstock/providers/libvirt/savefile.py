"""A saved machine's file, written again for another: another head, and what is behind it as it was, or without its memory.

Format: libvirt's src/qemu/qemu_saveimage.h, version 2.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from penstock.providers.libvirt import stream

HEAD = struct.Struct("<16sIIIII")
"""Magic, version, length of the XML part, was running, compression, where the cookie begins."""
HEAD_BYTES = 92
MAGIC, VERSION = b"LibvirtQemudSave", 2
PAGE = 4096
XML_MAX = 1 << 20


class NotSaved(Exception):
    """This file is no saved machine as libvirt writes it, or of a version that is not known here."""


def rewrite(source: Path, to: Path, change: Callable[[str], str]) -> str:
    """Write a saved machine again with its XML changed. Returns the XML. Raises NotSaved, OSError."""
    with source.open("rb") as old, to.open("wb") as new:
        changed = _begin(old, new, change)
        _rest(old, new)
    return changed


def without_memory(source: Path, to: Path, memory: Path, change: Callable[[str], str]) -> None:
    """Write a saved machine again, its memory into a file of its own, as `stream.split` does. Raises NotSaved, stream.NotKnown, OSError."""
    with source.open("rb") as old, to.open("wb") as new, memory.open("wb") as apart:
        _begin(old, new, change)
        stream.split(old, new, apart)


def _begin(old: BinaryIO, new: BinaryIO, change: Callable[[str], str]) -> str:
    """All that is before the memory; both files stand where that begins."""
    head, xml, cookie = _read(old)
    changed = change(xml)
    data = changed.encode() + b"\0"
    cookie_at = len(data) if cookie else 0
    data += cookie
    data += b"\0" * (-(HEAD_BYTES + len(data)) % PAGE)
    fresh = bytearray(head)
    _, version, _, _, compressed, _ = HEAD.unpack_from(head)
    HEAD.pack_into(fresh, 0, MAGIC, version, len(data), 1, compressed, cookie_at)
    os.fchmod(new.fileno(), 0o644)  # libvirt's daemon may be another user; nothing secret is in it
    new.write(fresh + data)
    new.flush()
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
