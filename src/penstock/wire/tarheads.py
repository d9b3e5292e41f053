"""Headers of a tar stream: written one way only, read with distrust.

Names are bytes throughout, as they are on disk. Source: POSIX.1-2017, pax interchange format (ustar + pax records).
"""

from __future__ import annotations

from typing import Callable, NamedTuple

BLOCK = 512
END = bytes(2 * BLOCK)
FILE, SYMLINK, FOLDER = b"0", b"2", b"5"
_RECORDS, _GLOBAL = b"x", b"g"
_RECORDS_MAX = 128 * 1024
_KINDS = {
    b"1": "a hard link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a GNU sparse file",
}
Take = Callable[[int], memoryview]
"""Gives exactly that many bytes of the stream, or raises."""


class TreeError(Exception):
    """A tree that cannot be packed, or a stream that is not one; says which path and why."""


class Head(NamedTuple):
    """One entry: `kind` is FILE, SYMLINK or FOLDER; `mode` permission bits; `size` bytes of content that follow."""

    name: bytes
    kind: bytes
    mode: int
    size: int
    link: bytes


def encode(head: Head) -> bytes:
    """The header block or blocks of one entry; the same entry gives the same bytes always and everywhere."""
    name = head.name + b"/" if head.kind == FOLDER else head.name
    prefix, short = _split(name)
    records = [] if short else [(b"path", name)]
    if len(head.link) > 100:
        records.append((b"linkpath", head.link))
    if head.size >= 8 << 30:
        records.append((b"size", b"%d" % head.size))
    size = head.size if head.size < 8 << 30 else 0
    block = _block(prefix, short or name[:100], head.kind, head.mode, size, head.link[:100])
    return _pax(records) + block if records else block


def padding(size: int) -> int:
    """Bytes of zeros that follow content of that size."""
    return -size % BLOCK


def read_head(take: Take) -> Head | None:
    """The next entry, extended records applied; None at the end of the archive. Raises TreeError."""
    extended: dict[bytes, bytes] = {}
    while True:
        block = bytes(take(BLOCK))
        if not block.strip(b"\0"):
            if extended:
                raise TreeError("the archive ends after an extended header")
            return None
        _check(block)
        kind, size = block[156:157], _octal(block[124:136])
        if kind in (_RECORDS, _GLOBAL):
            found = _records(take, size)
            # git archive puts its commit into a global header; a global path would rename everything.
            extended = found if kind == _RECORDS else _harmless(found, extended)
            continue
        return _head(block, kind, size, extended)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """(prefix, rest) as ustar stores a name; rest is empty where it does not fit."""
    if len(name) <= 100:
        return b"", name
    at = name.rfind(b"/", 1, min(156, len(name) - 1))
    if at < 1 or len(name) - at - 1 > 100:
        return b"", b""
    return name[:at], name[at + 1 :]


def _block(prefix: bytes, name: bytes, kind: bytes, mode: int, size: int, link: bytes) -> bytes:
    start = b"%b%07o\x000000000\x000000000\x00%011o\x0000000000000\x00" % (name.ljust(100, b"\0"), mode, size)
    rest = b"%b%b%bustar\x0000%b%b%b" % (
        kind,
        link.ljust(100, b"\0"),
        b"",
        bytes(64),
        b"0000000\x000000000\x00",
        prefix.ljust(167, b"\0"),
    )
    total = sum(start) + sum(rest) + 8 * 32
    return b"%b%06o\x00 %b" % (start, total, rest)


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if any(not _is_utf8(value) for _, value in records):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    body = b"".join(_record(key, value) for key, value in records)
    head = _block(b"", b"pax", _RECORDS, 0o644, len(body), b"")
    return head + body + bytes(padding(len(body)))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH key=value\\n`, where the length counts its own digits."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check(block: bytes) -> None:
    if block[257:262] != b"ustar":
        raise TreeError("this is not a tar stream")
    if sum(block) - sum(block[148:156]) + 8 * 32 != _octal(block[148:156]):
        raise TreeError("a header of the tar stream is damaged")


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if text.strip(b"01234567"):
        raise TreeError("a number in the tar stream is not octal")
    return int(text, 8) if text else 0


def _records(take: Take, size: int) -> dict[bytes, bytes]:
    if size > _RECORDS_MAX:
        raise TreeError("an extended header of the tar stream is too long")
    body, found, at = bytes(take(size + padding(size))[:size]), {}, 0
    while at < size:
        space = body.find(b" ", at, at + 12)
        length = int(body[at:space]) if space > 0 and body[at:space].isdigit() else 0
        key, equals, value = body[space + 1 : at + length].partition(b"=")
        if length < 5 or at + length > size or not equals or not value.endswith(b"\n"):
            raise TreeError("an extended header of the tar stream is damaged")
        if key.startswith(b"GNU.sparse"):
            raise TreeError("the tar stream holds a GNU sparse file")
        found[key] = value[:-1]
        at += length
    return found


def _harmless(found: dict[bytes, bytes], extended: dict[bytes, bytes]) -> dict[bytes, bytes]:
    if {b"path", b"linkpath", b"size"} & set(found):
        raise TreeError("a global header of the tar stream names a path")
    return extended


def _head(block: bytes, kind: bytes, size: int, extended: dict[bytes, bytes]) -> Head:
    name, prefix = _text(block[0:100]), _text(block[345:500])
    name = extended.get(b"path", prefix + b"/" + name if prefix else name)
    link = extended.get(b"linkpath", _text(block[157:257]))
    if b"size" in extended:
        size = _decimal(extended[b"size"])
    kind = FILE if kind == b"\0" else kind
    if kind not in (FILE, SYMLINK, FOLDER):
        raise TreeError(f"{shown(name)}: {_KINDS.get(kind, 'an unknown kind of entry')} is not accepted")
    if kind != FILE and size:
        raise TreeError(f"{shown(name)}: only files have content")
    return Head(name, kind, _octal(block[100:108]) & 0o777, size, link)


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise TreeError("a size in the tar stream is not a number")
    return int(value)


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def shown(name: bytes) -> str:
    """A name for people: what is not text is escaped, what is too long is cut."""
    text = name.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= 300 else text[:140] + " ... " + text[-140:]
