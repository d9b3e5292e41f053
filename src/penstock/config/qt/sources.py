"""Reading files of a Qt tree: only below their own folder, only regular and small ones, each parsed once."""

from collections.abc import Iterable
from pathlib import Path

from penstock.config.mistakes import Mistake
from penstock.config.qt.tags import MAX_BYTES, Row, Table, Value, parse
from penstock.model.plan import Unknown


class Sources:
    """The files that were read, and the notes on what was not understood in them.

    `top` is what file names are shown relative to: the folder that holds the super-repository.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self.notes: list[Unknown] = []
        self._parsed: dict[Path, Value] = {}

    def name(self, path: Path) -> str:
        """The path as it is shown: relative to the top, with forward slashes."""
        return path.relative_to(self.top).as_posix() if path.is_relative_to(self.top) else path.as_posix()

    def note(self, file: str, line: int, what: str) -> None:
        """List something that is not understood."""
        self.notes.append(Unknown(file=file, line=line, what=what))

    def text(self, path: Path, below: Path) -> str:
        """The file's text. Raises Mistake when it leaves the folder `below`, is no file, too big or not UTF-8."""
        name = self.name(path)
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(below.resolve()):
                raise Mistake(name, None, "leads out of the tree", "use a file of the repository")
            if not real.is_file():
                raise Mistake(name, None, "is not a regular file", "")
            if real.stat().st_size > MAX_BYTES:
                raise Mistake(name, None, f"is larger than {MAX_BYTES} bytes", "")
            return real.read_bytes().decode()
        except FileNotFoundError as wrong:
            raise Mistake(name, None, "there is no such file", "") from wrong
        except (OSError, RuntimeError, UnicodeDecodeError) as wrong:
            raise Mistake(name, None, f"cannot be read: {wrong}", "") from wrong

    def yaml(self, path: Path, below: Path) -> Value:
        """What a YAML file says, parsed once; tags that nobody knows are noted."""
        if path not in self._parsed:
            document = parse(self.text(path, below), self.name(path))
            for line, tag in document.odd:
                self.note(self.name(path), line, f"tag {tag}: not known, its value is taken as it stands")
            self._parsed[path] = document.value
        return self._parsed[path]

    def unknown_keys(self, file: str, table: Table, known: Iterable[str], where: str) -> None:
        """Note every key of `table` that is not among the known ones."""
        for key in table:
            if key not in known:
                self.note(file, table.lines[key], f"{where}: field {key!r} is not understood")


def words(file: str, line: int, value: Value, what: str) -> tuple[str, ...]:
    """A list of words, or one word, or nothing. Raises Mistake for anything else."""
    if value is None:
        return ()
    given = value if isinstance(value, Row) else [value]
    if not all(isinstance(word, (str, int)) and not isinstance(word, bool) for word in given):
        raise Mistake(file, line, f"{what} is not a list of words", "write ['one', 'two']")
    return tuple(str(word) for word in given)
