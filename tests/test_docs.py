"""What the documentation says is there, is there, and the other way round."""

import importlib
import re
import tomllib
from itertools import chain
from pathlib import Path

import changelog
import paste_help
import pytest

from penstock.hub import metrics
from penstock.model import states

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    """One page of the reference; a page that is not there says nothing."""
    path = REFERENCE / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def markers(text: str, kind: str) -> list[str]:
    """The names between whose markers something is pasted."""
    return [found["name"] for found in paste_help.BLOCK.finditer(text) if found["kind"] == kind]


def unmentioned(names: list[str], text: str) -> list[str]:
    """Which of `names` do not stand in `text` as `name`, alone or as the start of an example."""
    quoted = set(re.findall(r"`\[{0,2}([^`\s=\]]+)", text))
    return [name for name in names if name not in quoted]


def all_pages() -> list[Path]:
    """Every page of the repository that people read."""
    return paste_help.documents(ROOT)


# Commands ---------------------------------------------------------------------------------------------------


def test_every_command_is_documented() -> None:
    documented = markers(page("commands.md"), "help")
    there = [name for name, _ in paste_help.commands()]
    assert sorted(documented) == sorted(there)


def test_every_option_is_documented() -> None:
    text = page("commands.md")
    missing = {name: [o for o in options if o not in text] for name, options in paste_help.commands()}
    assert {name: options for name, options in missing.items() if options} == {}


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pasted_text_is_true(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert paste_help.pasted(text) == text, "`make docs` writes it anew"


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_marker_has_an_end(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    opened = re.findall(r"^<!-- (?:help|diagram): ", text, re.M)
    assert len(opened) == len(list(paste_help.BLOCK.finditer(text)))


def dependencies() -> list[str]:
    """What the package and its tools ask for by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *chain.from_iterable(project.get("optional-dependencies", {}).values()),
    ]
    for path in (ROOT / "requirements").glob("*.in"):
        lines = path.read_text(encoding="utf-8").splitlines()
        asked += [line for line in lines if line and not line.startswith("#")]
    return sorted({name for line in asked for name in re.findall(r"^[\w-]+", line)})


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^|]+) \|", text, re.M)).lower()))
    assert [name for name in dependencies() if name.lower() not in named] == []


# Settings, fields, states -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "table", "name"),
    [
        ("penstock.config.farm", "SETTINGS", "farm-toml.md"),
        ("penstock.config.manifest", "FIELDS", "penstock-yml.md"),
    ],
)
def test_every_setting_is_documented(module: str, table: str, name: str) -> None:
    settings: dict[str, str] = getattr(importlib.import_module(module), table)
    assert settings, f"{module}.{table} is empty"
    assert [key for key, meaning in settings.items() if not meaning or "\n" in meaning] == []
    assert unmentioned(list(settings), page(name)) == []


def test_every_state_machine_is_drawn() -> None:
    drawn = {name for path in all_pages() for name in markers(path.read_text(encoding="utf-8"), "diagram")}
    assert set(states.TABLES) - drawn == set()


def test_every_metric_is_documented() -> None:
    lines = re.findall(r"^\| `(penstock_\w+)` \| (\w+) \| ([^|]*)\| ([^|]+) \|$", page("metrics.md"), re.M)
    documented = {name: (kind, tuple(re.findall(r"\w+", labels)), text) for name, kind, labels, text in lines}
    assert documented == {name: tuple(family) for name, family in metrics.FAMILIES.items()}


# Links ------------------------------------------------------------------------------------------------------

FENCES = re.compile(r"^```.*?^```", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCES.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether a relative link of the page `path` names a file, and a heading in it."""
    target, _, anchor = link.partition("#")
    there = path.parent / target if target else path
    if not there.exists() or not anchor or there.suffix != ".md":
        return there.exists()
    return anchor in anchors(there.read_text(encoding="utf-8"))


def dead_links(path: Path) -> list[str]:
    """Relative links of one page that lead nowhere."""
    links = LINK.findall(FENCES.sub("", path.read_text(encoding="utf-8")))
    return [link for link in links if not re.match(r"[a-z]+:", link) and not leads_somewhere(path, link)]


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path) == []


# Changelog ----------------------------------------------------------------------------------------------------


def test_snippets_name_their_audience() -> None:
    snippets = (path for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md")
    assert all(changelog.snippet(path) for path in snippets)


def test_a_snippet_without_audience_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("audience: everybody\n\nText.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"a\.md:1: write"):
        changelog.snippet(tmp_path / "a.md")


def test_a_release_takes_the_place_of_its_announcement() -> None:
    first = changelog.section("0.1.0", "2026-01-02", [("users", "b"), ("developers", "d"), ("users", "a")])
    assert first == "## 0.1.0, 2026-01-02\n\n### For users\n\n- a\n- b\n\n### For developers\n\n- d\n"
    page = changelog.released("# Changelog\n\n## 0.1.0, not released yet\n\nSoon.\n", first)
    assert page == f"# Changelog\n\n{first}"
    second = changelog.section("0.2.0", "2026-03-04", [("operators", "c")])
    assert changelog.released(page, second) == f"# Changelog\n\n{second}\n{first}"


# The checks themselves --------------------------------------------------------------------------------------


def test_pasting_replaces_what_stands_between_markers() -> None:
    text = "a\n<!-- help: penstock build -->\nold\n<!-- end -->\nb\n<!-- diagram: job -->\n<!-- end -->\n"
    makers = {"help": lambda name: f"help of {name}\n", "diagram": lambda name: f"drawing of {name}\n"}
    assert paste_help.pasted(text, makers) == (
        "a\n<!-- help: penstock build -->\nhelp of penstock build\n<!-- end -->\n"
        "b\n<!-- diagram: job -->\ndrawing of job\n<!-- end -->\n"
    )
    assert markers(text, "help") == ["penstock build"]


def test_a_setting_counts_in_back_ticks_only() -> None:
    text = "`farm.name` and `[[pool]]`, `lease.right_s = 20`, but farm.state"
    assert unmentioned(["farm.name", "pool", "lease.right_s", "farm.state"], text) == ["farm.state"]


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One Word, or two\n", encoding="utf-8")
    path = tmp_path / "a.md"
    path.write_text(
        "[fine](b.md) [fine](b.md#one-word-or-two) [fine](https://example.org) [fine](#top)\n# Top\n"
        "[gone](c.md) [gone](b.md#three)\n```text\n[code](d.md)\n```\n",
        encoding="utf-8",
    )
    assert dead_links(path) == ["c.md", "b.md#three"]
