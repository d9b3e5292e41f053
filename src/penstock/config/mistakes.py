"""What is wrong with a file that a person wrote: one line each, saying where, what, and what to write instead."""

from collections.abc import Iterable


class Mistake(Exception):
    """One mistake. `line` counts from 1 and is None where the file as a whole is meant."""

    def __init__(self, file: str, line: int | None, what: str, instead: str = "") -> None:
        super().__init__(file, line, what, instead)
        self.file = file
        self.line = line
        self.what = what
        self.instead = instead

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        told = f"{self.what}; {self.instead}" if self.instead else self.what
        # A name from a file may hold anything; a mistake is one line of it.
        return f"{place}: {told}".replace("\r", " ").replace("\n", " ")


class Mistakes(Exception):
    """All mistakes of a file, in the order of its lines; as text one line each."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(found, key=lambda mistake: mistake.line or 0))
        super().__init__(*self.mistakes)

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)
