"""The tree keeps the house rules, and every rule can be broken."""

from pathlib import Path

import pytest
import tidy

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("check", tidy.CHECKS, ids=lambda check: check.__name__)
def test_the_tree_is_tidy(check: tidy.Check) -> None:
    found = list(check(ROOT))
    assert not found, "\n".join([check.__doc__ or "", *found])


def test_functions_stay_short(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = tidy.function_sizes(ROOT, "src/penstock")
    median, p95 = tidy.percentile(sizes, 50), tidy.percentile(sizes, 95)
    with capsys.disabled():
        print(f"\nfunction lines: {len(sizes)} functions, median {median}, p95 {p95}, longest {sizes[-1]}")
    assert p95 <= tidy.FUNCTION_LINES_P95


LONG = "def f():\n" + "    print(1)\n" * 51
TABLE = "def f():\n    return [\n" + "        1,\n" * 80 + "    ]\n"
SPEC = "def f():\n" + '    """' + "Line.\n" * 60 + '    """\n    print(1)\n'

BROKEN = [
    (tidy.long_functions, "src/penstock/a.py", LONG),
    (tidy.long_functions, "tests/test_a.py", LONG),
    (tidy.long_files, "src/penstock/a.py", "a = 1\n" * 401),
    (tidy.many_parameters, "src/penstock/policy/a.py", "def f(a, b, c, *, d, e, g): ...\n"),
    (
        tidy.many_parameters,
        "src/penstock/model/a.py",
        "class A:\n    def f(self, a, b, c, d, *e, **g): ...\n",
    ),
    (tidy.banned_words, "src/penstock/a.py", "def start_worker(): ...\n"),
    (tidy.banned_words, "src/penstock/a.py", "class TaskRunner: ...\n"),
    (tidy.banned_words, "src/penstock/a.py", "nodes = []\n"),
    (tidy.banned_words, "src/penstock/a.py", "def f(node): ...\n"),
    (tidy.banned_words, "src/penstock/a.py", "import os as misc\n"),
    (tidy.banned_words, "src/penstock/a.py", "class A:\n    def f(self):\n        self.my_manager = 1\n"),
    (tidy.banned_words, "src/penstock/utils.py", ""),
    (tidy.banned_words, "src/penstock/common/a.py", ""),
    (tidy.bare_names, "src/penstock/model/a.py", "a = 1\n"),
    (tidy.bare_names, "src/penstock/policy/a.py", '"""Words."""\ndef f(): ...\n'),
    (
        tidy.bare_names,
        "src/penstock/reports/a.py",
        '"""Words."""\nclass A:\n    """More."""\n    def f(self): ...\n',
    ),
    (tidy.dead_files, "src/penstock/a.py", "import penstock.a\n"),
    (tidy.commented_out_code, "src/penstock/a.py", "# import os\n"),
    (tidy.commented_out_code, "src/penstock/a.py", "a = 1\n# print(a)\n"),
    (tidy.commented_out_code, "src/penstock/a.py", "a = 1\n# if a > 2:\n"),
    (tidy.commented_out_code, "src/penstock/a.py", "a = 1\n# return a + 1\n"),
    (tidy.postponed_work, "docs/a.md", "Some day. " + "TO" + "DO: this\n"),
    (tidy.postponed_work, "src/penstock/a.py", "a = 1  # " + "FIX" + "ME\n"),
    (tidy.foreign_places, "requirements/a.txt", "--index" + "-url https://example.org\n"),
    (tidy.foreign_places, "docs/a.md", "See https://py" + "pi.org/project/x\n"),
    (tidy.foreign_places, "Makefile", "run:\n\tcat /wo" + "rk/main/a\n"),
]


def planted(root: Path, name: str, text: str) -> Path:
    """A small tree with one file."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(("check", "name", "text"), BROKEN)
def test_a_broken_rule_is_seen(tmp_path: Path, check: tidy.Check, name: str, text: str) -> None:
    assert len(list(check(planted(tmp_path, name, text)))) == 1


FINE = [
    (tidy.long_functions, "src/penstock/a.py", TABLE),
    (tidy.long_functions, "src/penstock/a.py", SPEC),
    (tidy.long_functions, "src/penstock/examples/a.py", LONG),
    (tidy.long_files, "src/penstock/a.py", "a = 1\n" * 400),
    (tidy.many_parameters, "src/penstock/policy/a.py", "class A:\n    def f(self, a, b, c, d, e): ...\n"),
    (tidy.many_parameters, "src/penstock/hub/a.py", "def f(a, b, c, d, e, g): ...\n"),
    (tidy.banned_words, "src/penstock/a.py", "import ast\nclass Names(ast.NodeVisitor):\n    ...\n"),
    (tidy.banned_words, "src/penstock/a.py", "uncommon = multitasking = 1\n"),
    (tidy.bare_names, "src/penstock/model/a.py", '"""Words."""\ndef _f(): ...\n'),
    (tidy.dead_files, "src/penstock/__main__.py", ""),
    (
        tidy.commented_out_code,
        "src/penstock/a.py",
        "# score = cost + wait x price\n# Shape: rows by machine\n",
    ),
    (
        tidy.commented_out_code,
        "src/penstock/a.py",
        "# noqa: E501\n# type: ignore\n# the rest (sorted)\n# note:\n",
    ),
    (tidy.postponed_work, "docs/a.md", "All is done, todos too.\n"),
    (tidy.foreign_places, "docs/a.md", "See https://example.org/wo" + "rk/a and $HOME/wo" + "rk/a\n"),
]


@pytest.mark.parametrize(("check", "name", "text"), FINE)
def test_what_is_fine_is_let_through(tmp_path: Path, check: tidy.Check, name: str, text: str) -> None:
    assert list(check(planted(tmp_path, name, text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "from penstock import a\n",
        "import penstock.a\n",
        "from penstock.a import f\n",
        'TABLE = {"a": "penstock.a:A"}\n',
    ],
)
def test_a_file_in_use_is_not_dead(tmp_path: Path, text: str) -> None:
    planted(tmp_path, "src/penstock/__main__.py", text)
    assert list(tidy.dead_files(planted(tmp_path, "src/penstock/a.py", ""))) == []


def test_an_exception_needs_a_reason() -> None:
    assert all(len(reason) > 10 for reason in tidy.ALLOWED_WORDS.values())


def test_an_exception_is_in_use() -> None:
    for path, name in tidy.ALLOWED_WORDS:
        names = {given for _, given in tidy.names_given(tidy.parsed(ROOT / path))}
        assert name in names, f"{path} has no `{name}` any more: take it off the list"


def test_ignored_files_are_not_looked_at(tmp_path: Path) -> None:
    assert tidy.committed_files(planted(tmp_path, "a/b.txt", "x")) == [tmp_path / "a" / "b.txt"]


def test_half_of_the_functions() -> None:
    sizes = [(lines, "") for lines in range(1, 101)]
    assert (tidy.percentile(sizes, 50), tidy.percentile(sizes, 95), tidy.percentile([], 95)) == (50, 95, 0)
