"""Keeps pasted text in the documentation true: help of commands, and diagrams of state machines.

Between `<!-- help: penstock build -->` and `<!-- end -->` stands what `penstock build --help` prints; between
`<!-- diagram: job -->` and `<!-- end -->` the drawing of a state machine, made from its table.
`make docs` writes them, tests/test_docs.py only compares.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

WIDTH = "100"
BLOCK = re.compile(
    r"(?P<open><!-- (?P<kind>help|diagram): (?P<name>[^\n]+?) -->\n)(?P<text>.*?)(?P<close><!-- end -->)",
    re.S,
)


def help_of(command: str) -> str:
    """What `command`, such as "penstock costs ingest", prints when asked for help; no colour, 100 columns."""
    os.environ.update(TERMINAL_WIDTH=WIDTH, COLUMNS=WIDTH)
    from typer import rich_utils
    from typer.testing import CliRunner

    from penstock.cli.app import app

    rich_utils.MAX_WIDTH = int(WIDTH)
    environment = {"COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    words = command.split()[1:]
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="penstock", env=environment)
    if result.exit_code != 0:
        raise SystemExit(f"`{command} --help` ended with {result.exit_code}: {result.output}")
    lines = [line.rstrip() for line in result.output.strip("\n").splitlines()]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def diagram_of(name: str) -> str:
    """The state machine `name` as a drawing, made from its table."""
    from penstock.model.states import diagram

    return "```mermaid\n" + diagram(name).strip("\n") + "\n```\n"


MAKERS: dict[str, Callable[[str], str]] = {"help": help_of, "diagram": diagram_of}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command that is not hidden, groups included, with the long options it takes."""
    import typer

    from penstock.cli.app import app

    waiting = [("penstock", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop(0)
        options = [option for parameter in command.params for option in getattr(parameter, "opts", [])]
        yield name, sorted(option for option in options if option.startswith("--"))
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {word}", inner) for word, inner in below.items() if not inner.hidden]


def pasted(text: str, makers: dict[str, Callable[[str], str]] = MAKERS) -> str:
    """`text` with everything between markers made anew."""
    return BLOCK.sub(
        lambda found: found["open"] + makers[found["kind"]](found["name"]) + found["close"], text
    )


def documents(root: Path) -> list[Path]:
    """The pages that may hold markers."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])


def main() -> None:
    """Write what changed and say so."""
    for path in documents(Path(__file__).resolve().parent.parent):
        before = path.read_text(encoding="utf-8")
        after = pasted(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"pasted anew: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
