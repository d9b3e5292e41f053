"""The first error of a log: what programs really print when they fail."""

import pytest

from penstock.reports.failures import first_error
from penstock.reports.signs import sign

GCC = """gcc -Wall -Werror -c a.c
a.c: In function 'f':
a.c:2:36: error: expected ';' before '}' token
    2 | int f(int x) { int unused; return x }
cc1: all warnings being treated as errors
make: *** [Makefile:3: a.o] Error 1"""
LINKER = """/usr/bin/ld: /tmp/ccX0EWCD.o: in function `main':
b.c:(.text+0x5): undefined reference to `g'
collect2: error: ld returned 1 exit status"""
SANITIZER = """=================================================================
==16833==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x502000000015
WRITE of size 1 at 0x502000000015 thread T0"""
PYTEST = """F                                                                        [100%]
=================================== FAILURES ===================================
    def test_x():
>       assert 1 == 2
E       assert 1 == 2
FAILED test_a.py::test_x - assert 1 == 2
1 failed in 0.10s"""
TRACEBACK = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"""
CONFIGURE = """checking for error_at_line... no
checking whether the compiler works... no
configure: error: C compiler cannot create executables
See `config.log' for more details"""
NINJA = """[241/900] Building CXX object a.o
FAILED: src/a.o
/usr/bin/c++ -c -Werror=format ../a.cpp
../a.cpp:10:3: fatal error: nothing.h: No such file or directory
ninja: build stopped: subcommand failed."""
CTEST = """ 97% tests passed, 1 tests failed out of 33
The following tests FAILED:
\t 12 - parse (Failed)"""
QUIET = """0 errors, 0 warnings
# ERROR: 0
cc -Wno-error -c no_error.c"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (GCC, 2),
        (LINKER, 1),
        (SANITIZER, 1),
        (PYTEST, 4),
        (TRACEBACK, 3),
        (CONFIGURE, 2),
        (NINJA, 3),
        (CTEST, 0),
        ("sh: 1: foo: not found", 0),
        ("cat: /nonexistent: No such file or directory\nok", None),
        ("compiling\nmake: *** [all] Error 2", 1),
        ("it cannot go on\nnot ok 3 - parses", 1),
        ("thread 'main' says\nerror[E0382]: borrow of moved value: `x`", 1),
        (QUIET, None),
        ("", None),
    ],
)
def test_the_line_that_says_what_is_wrong_is_found(log: str, line: int | None) -> None:
    assert first_error(log.splitlines()) == line


def test_every_state_has_a_sign_whether_in_capitals_or_not() -> None:
    assert (sign("FAILED"), sign("failed"), sign("unheard-of")) == ("✗", "✗", "·")
