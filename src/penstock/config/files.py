"""Reading a file that a person names: whole, UTF-8, of a sensible size, or one clear line on why not."""

from pathlib import Path

from penstock.config.mistakes import Mistake, Mistakes

LARGEST_BYTES = 1024 * 1024
"""A larger file is no configuration; a hostile one would only cost memory."""


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises Mistakes."""
    try:
        if path.is_dir():
            raise _refused(path, "is a folder", "name the file in it")
        if path.exists() and not path.is_file():
            raise _refused(path, "is not a plain file", "name a file")
        with path.open("rb") as opened:
            content = opened.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _refused(path, "there is no such file", "name one that exists") from None
    except (OSError, ValueError) as wrong:
        reason = getattr(wrong, "strerror", None) or str(wrong)
        raise _refused(path, f"cannot be read: {reason}", "name a file that you may read") from None
    return decoded(content, str(path))


def decoded(content: bytes, file: str) -> str:
    """The text of a file's content. Raises Mistakes when it is too big or not UTF-8."""
    if len(content) > LARGEST_BYTES:
        raise Mistakes([Mistake(file, None, "is larger than 1 MiB", "write less")])
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise Mistakes([Mistake(file, line, "is not UTF-8", "save the file as UTF-8")]) from None


def _refused(path: Path, what: str, instead: str) -> Mistakes:
    return Mistakes([Mistake(str(path), None, what, instead)])
