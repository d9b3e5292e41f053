"""Writes docs/reference/openapi.json from the calls themselves. `make docs` runs it, tests/web/test_contract.py compares."""

from pathlib import Path
from typing import Any

import msgspec

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.json"


def text() -> str:
    """The document as the hub serves it, one field to a line."""
    from penstock.web.bell import Bell
    from penstock.web.describing import describe
    from penstock.web.feed import Feed
    from penstock.web.peoplecalls import people_calls
    from penstock.web.site import Site

    nothing: Any = None  # a description needs no farm
    bell = Bell()
    site = Site(nothing, nothing, nothing, bell, "")
    document = msgspec.json.encode(describe(people_calls(site, Feed(nothing, bell))))
    return msgspec.json.format(document, indent=1).decode() + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
