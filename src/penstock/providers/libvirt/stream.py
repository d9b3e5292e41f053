"""The memory of a saved machine taken out of the stream that qemu wrote, into a file that its copies share.

Each copy maps that file privately: it reads the same pages as all others and owns what it writes. What is left of the stream are
the states of devices, a megabyte, so that a copy is neither written nor read as a whole. Whatever is not known here is refused, and
such a template is copied whole. Format: qemu's migration/savevm.c and migration/ram.c, stream version 3.
"""

import os
import shutil
import struct
from collections.abc import Iterator
from typing import BinaryIO

FILE = b"QEVM" + struct.pack(">I", 3)
CONFIGURATION, START, PART, END, FOOTER = 0x07, 0x01, 0x02, 0x03, 0x7E
"""Kinds of sections: each but the first has a number, and a footer that repeats it."""
ZERO, SIZES, PAGE, EOS, SAME = 0x02, 0x04, 0x08, 0x10, 0x20
"""What a word of the memory's section is about, in the bits below a page: a page of one byte, the sizes of all blocks, a page,
the end of the section; and that it is of the same block as the word before."""
PAGE_BYTES = 4096
BLOCK, SHARED = b"pc.ram", b"penstock-memory"
"""What libvirt calls the machine's memory proper, and what qemu calls it in a copy. Firmware and tables are blocks of their own and
stay in the stream."""
_WORD, _NUMBER = struct.Struct(">Q"), struct.Struct(">I")


class NotKnown(Exception):
    """This is no stream as it is known here."""


class _Reader:
    """What is read of a stream, piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise NotKnown("it ends too early")
        return found

    def byte(self) -> int:
        return self.take(1)[0]

    def word(self) -> int:
        return int(_WORD.unpack(self.take(8))[0])

    def name(self) -> bytes:
        return self.take(self.byte())

    def want(self, expected: bytes, what: str) -> bytes:
        if self.take(len(expected)) != expected:
            raise NotKnown(f"no {what} where one was expected")
        return expected


def split(old: BinaryIO, new: BinaryIO, memory: BinaryIO) -> None:
    """Copy a stream without its machine's memory, which goes to `memory`, an empty file; pages of zeros are holes there.

    Raises NotKnown, OSError."""
    reader = _Reader(old)
    new.write(reader.want(FILE, "stream of version 3"))
    new.write(reader.want(bytes([CONFIGURATION]), "configuration"))
    length = reader.take(_NUMBER.size)
    new.write(length + reader.take(_NUMBER.unpack(length)[0]))
    section, sizes = _begin(reader, new)
    if BLOCK not in sizes:
        raise NotKnown(f"it has no block {BLOCK.decode()}")
    os.ftruncate(memory.fileno(), sizes[BLOCK])
    new.write(_WORD.pack(sum(sizes.values()) | SIZES))
    for name, size in sizes.items():
        new.write(_named(SHARED if name == BLOCK else name) + _WORD.pack(size))
    end = _WORD.pack(EOS) + bytes([FOOTER]) + section
    new.write(end + bytes([END]) + section)
    for name, address, page in _pages(reader, section):
        if name == BLOCK:
            _keep(memory, address, page)
        else:
            kind = ZERO if len(page) == 1 else PAGE
            new.write(_WORD.pack(address | kind) + _named(name) + page)
    new.write(end)
    shutil.copyfileobj(old, new)


def _keep(memory: BinaryIO, address: int, page: bytes) -> None:
    """A page of the memory in its place; one of zeros is there already."""
    if len(page) == 1:
        page *= PAGE_BYTES if page != b"\0" else 0
    if page:
        memory.seek(address)
        memory.write(page)


def _begin(reader: _Reader, new: BinaryIO) -> tuple[bytes, dict[bytes, int]]:
    """The section of memory as it begins: its number, and the size of each block."""
    new.write(reader.want(bytes([START]), "first section"))
    section = reader.take(4)
    new.write(section + reader.want(_named(b"ram"), "section of memory") + reader.take(8))
    word = reader.word()
    left, sizes = word & ~(PAGE_BYTES - 1), {}
    if word % PAGE_BYTES != SIZES:
        raise NotKnown("the section of memory does not begin with sizes")
    while left > 0:
        name = reader.name()
        sizes[name] = reader.word()
        left -= sizes[name]
    if left or reader.word() != EOS:
        raise NotKnown("the sizes are not as they are known here")
    reader.want(bytes([FOOTER]) + section, "footer")
    return section, sizes


def _pages(reader: _Reader, section: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Block, address and content of each page, of one byte where all its bytes are that one."""
    name, kind = b"", PART
    while kind == PART:
        kind = reader.byte()
        if kind not in (PART, END):
            raise NotKnown(f"a section of kind {kind} amid memory")
        reader.want(section, "section of memory")
        while (word := reader.word()) != EOS:
            what, address = word % PAGE_BYTES, word & ~(PAGE_BYTES - 1)
            if what & ~SAME not in (ZERO, PAGE):
                raise NotKnown(f"a page of kind {what}")
            if not what & SAME:
                name = reader.name()
            yield name, address, reader.take(PAGE_BYTES if what & PAGE else 1)
        reader.want(bytes([FOOTER]) + section, "footer")


def _named(name: bytes) -> bytes:
    return bytes([len(name)]) + name
