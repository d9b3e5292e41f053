"""The cluster of docs/how-to/kubernetes.md, as a double: its namespace, quota, accounts and role are those of the page."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "kubernetes.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block in this language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


CLUSTER = block("yaml")
FARM = block("toml")
HUB_ROLE = "penstock-hub"
"""The role that the page gives the hub; the double takes its name as a token."""
