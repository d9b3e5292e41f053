"""Where in a log it went wrong: the first line that says so, by how compilers and test programs speak.

A hint for whoever opens a log at night: nothing is decided by it. Patterns are those of the programs' own output,
see tests/reports/test_failures.py; lines that only repeat that something failed count less than those that say why.
"""

import re
from collections.abc import Iterable

CAUSES = re.compile(
    r"""
      ^[^\s:][^:\n]*:\d+(?::\d+)?:\s+(?:fatal\ |internal\ compiler\ )?error\b     # gcc, clang, go vet: FILE:LINE: error
    | ^[^\s(][^(\n]*\(\d+(?:,\d+)?\)\s*:\s+(?:fatal\ )?error\b                     # msvc: FILE(LINE): error
    | ^\s*(?:fatal\ )?error(?:\[\w+\])?:\s                                         # rustc, cargo, plain programs
    | ^\S+:\s+(?:fatal\ )?error:\s                                                 # configure: error: ..., ld: error: ...
    | ^CMake\ Error | ^-- \ Could\ NOT\ find .*REQUIRED
    | undefined\ reference\ to\ | multiple\ definition\ of\ | cannot\ find\ -l
    | ^E\s{3,}\S | ^(?:\w+\.)*\w*(?:Error|Exception):\s                            # pytest; the last line of a traceback
    | ^not\ ok\ \d+ | ^\s*FAIL(?:ED)?:?\s | \bAssertion\b.*\bfailed | ^\s*\d+:\s+\w+\s+\(Failed\)
    | ^\s*\#\s*error\s | \bSegmentation\ fault\b | \bcore\ dumped\b | ^panic:\s
    | ERROR:\ (?:Address|Leak|Thread|Memory|Undefined)\w*Sanitizer | :\ runtime\ error:\s
    | ^\S+:\s(?:line\ )?\d+:\s.*(?:not\ found|No\ such\ file|Permission\ denied|[Ss]yntax\ error)   # a shell
    | ^fatal:\s | \bNo\ space\ left\ on\ device\b | \bOut\ of\ memory\b | \bCannot\ allocate\ memory\b
    """,
    re.X | re.I,
)
"""Lines that say what is wrong."""

CONSEQUENCES = re.compile(
    r"""^(?:g?make|ninja)(?:\[\d+\])?:\s\*\*\* | ^ninja:\ build\ stopped | ^FAILED:\s | ^collect2:\ error | returned\ \d+\ exit\ status
    | ^Traceback\ \(most | \b(?:error|failed|failure|cannot|unable\ to)\b""",
    re.X | re.I,
)
"""Lines that say that something is wrong."""

_HARMLESS = re.compile(
    r"\b(?:0|no) (?:errors?|fail)|errors?:\s*0\b|-W(?:no-)?error|^\s*#\s*(?:X?FAIL|ERROR|XPASS):\s+0\b"
    r"|^checking\b|\bXFAIL\b|^ok\s|ignored\)$",
    re.I,
)
"""Lines that speak of errors that are none."""
_FINAL = re.compile(r"^collect2: error|^(?:g?make|ninja)\b.*\*\*\*|^FAILED: ", re.I)


def first_error(lines: Iterable[str]) -> int | None:
    """Index of the line where it went wrong: the first that says what, else the first that says that. None: no line does.

    `lines` are plain text, without terminal controls.
    """
    weak = None
    for index, line in enumerate(lines):
        if _HARMLESS.search(line):
            continue
        if CAUSES.search(line) and not _FINAL.search(line):
            return index
        if weak is None and CONSEQUENCES.search(line):
            weak = index
    return weak
