#!/usr/bin/env python3
"""Moves the snippets of changelog.d into CHANGELOG.md, grouped by audience: scripts/changelog.py VERSION DATE."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUDIENCES = {"users": "For users", "operators": "For operators", "developers": "For developers"}
OPENING = "## "


def snippet(path: Path) -> tuple[str, str]:
    """Audience and text of one file. Exits with what to write instead when it names no audience."""
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    audience = first.removeprefix("audience:").strip()
    if not first.startswith("audience:") or audience not in AUDIENCES or not text.strip():
        raise SystemExit(f"{path}:1: write `audience: {' | '.join(AUDIENCES)}`, an empty line, then the text")
    return audience, " ".join(text.split())


def section(version: str, date: str, snippets: list[tuple[str, str]]) -> str:
    """What one release changed."""
    lines = [f"{OPENING}{version}, {date}", ""]
    for audience, heading in AUDIENCES.items():
        texts = sorted(text for name, text in snippets if name == audience)
        if texts:
            lines += [f"### {heading}", "", *(f"- {text}" for text in texts), ""]
    return "\n".join(lines)


def released(changelog: str, new: str) -> str:
    """The changelog with the section that announced this release replaced by what it became."""
    head, _, rest = changelog.partition(f"\n{OPENING}")
    older = rest.partition(f"\n{OPENING}")[2] if "not released yet" in rest.partition("\n")[0] else rest
    return f"{head}\n{new}" + (f"\n{OPENING}{older}" if older else "")


def main(arguments: list[str]) -> None:
    """Write the changelog and remove the snippets."""
    if len(arguments) != 2:
        raise SystemExit(__doc__)
    paths = sorted(path for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md")
    new = section(arguments[0], arguments[1], [snippet(path) for path in paths])
    changelog = ROOT / "CHANGELOG.md"
    changelog.write_text(released(changelog.read_text(encoding="utf-8"), new), encoding="utf-8")
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
