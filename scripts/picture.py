"""Draws docs/images/demo.svg from what a terminal really shows: scripts/picture.py [STATE]

Builds the demo in the folder STATE (by default build/picture, so that a second call is quick), adds a comment to
zlib, and records `penstock demo --once` in a pseudo-terminal.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, LINES = 118, 60
PIECES = re.compile(r"\x1b\[(?P<given>[0-9;?]*)(?P<act>[A-Za-z])|(?P<text>[^\x1b\r\n]+)|(?P<end>[\r\n])")


class Screen:
    """The lines of a terminal whose programs draw whole lines: enough for bars that move, and no more."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        """Take what a program wrote."""
        for piece in PIECES.finditer(text):
            if piece["end"] == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif piece["act"] == "A":
                self.row = max(0, self.row - int(piece["given"] or 1))
            elif piece["act"] == "K":
                self.lines[self.row] = ""
            elif piece["act"] == "m" or piece["text"]:
                self.lines[self.row] += piece[0]


def recorded(command: list[str], folder: Path) -> str:
    """What the screen shows when `command` has ended in a terminal of our size, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    started = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    screen = Screen()
    for text in _pieces(ours):
        screen.feed(text)
    if started.wait() != 0:
        raise SystemExit("\n".join(screen.lines))
    # The page's address holds a token of this run and shows nothing.
    return "\n".join(line for line in screen.lines if not line.startswith("the page: ")).rstrip()


def _pieces(terminal: int):
    """What comes out of a terminal until its last program has ended (Linux says so by EIO); no split sequences."""
    left = ""
    while True:
        try:
            left += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            yield left
            return
        whole = left.rfind("\n") + 1
        yield left[:whole]
        left = left[whole:]


def change_a_comment(state: Path) -> str:
    """One more comment line in zlib, not the same as in an earlier call; answers what a person would have typed."""
    file = state / "repositories" / "zlib" / "deflate.c"
    text = file.read_text(encoding="latin-1")
    comment = f"/* Comment {text.count('/* Comment ') + 1}. */"
    file.write_text(f"{comment}\n{text}", encoding="latin-1")
    return f"$ sed -i '1i {comment}' penstock-demo/repositories/zlib/deflate.c"


def draw(text: str, path: Path) -> None:
    """Write the picture."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text.from_ansi(text), soft_wrap=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the fonts that rich would load from elsewhere: every machine has a font of its own.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="penstock demo"), flags=re.S)
    path.write_text(picture, encoding="utf-8")


def main(words: list[str]) -> None:
    """Build, change, record, draw."""
    state = Path(words[0] if words else ROOT / "build" / "picture").absolute()
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "penstock", "demo", "--once", "--state", str(state)]
    recorded(command, state)
    shown = [change_a_comment(state), "$ penstock demo --once", recorded(command, state)]
    draw("\n".join(shown), ROOT / "docs" / "images" / "demo.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
