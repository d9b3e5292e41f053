"""Values of secrets in a log: whole, in pieces, in base64, one inside another."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.agent.masking import Mask

KEY = b"-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nq2Zr8Xk9w\n-----END KEY-----\n"
MASKED = b"[secret KEY]"


def masked(values: dict[str, bytes], *pieces: bytes) -> bytes:
    out: list[bytes] = []
    mask = Mask(values, out.append)
    for piece in pieces:
        mask.add(piece)
    mask.end()
    return b"".join(out)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"token hunter2 is\n", b"token [secret KEY] is\n"),
        (b"hunter2hunter2", MASKED * 2),
        (b"hunter", b"hunter"),
        (b"aHVudGVyMg==\n", b"[secret KEY]==\n"),
        (b"", b""),
    ],
)
def test_a_value_is_replaced_by_its_name(text: bytes, shown: bytes) -> None:
    assert masked({"KEY": b"hunter2\n"}, text) == shown


@given(st.lists(st.integers(0, 40), max_size=6))
def test_it_may_come_in_pieces(cuts: list[int]) -> None:
    text = b"before hunter2 between hunter2\nafter hunte"
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert masked({"KEY": b"hunter2"}, *pieces) == b"before [secret KEY] between [secret KEY]\nafter hunte"


@given(
    st.lists(st.text("ab", min_size=4, max_size=7), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=9), max_size=8),
)
def test_no_value_comes_through_however_they_overlap(values: list[str], pieces: list[str]) -> None:
    named = {f"S{n}": value.encode() for n, value in enumerate(values)}
    shown = masked(named, *(piece.encode() for piece in pieces))
    left = shown.decode()
    for name in named:
        left = left.replace(f"[secret {name}]", "|")
    assert not any(value in left for value in values)


def test_every_line_of_a_long_one_and_its_base64_are_hidden() -> None:
    lines = KEY.splitlines()
    assert masked({"KEY": KEY}, b"> " + lines[1] + b"\r\n") == b"> " + MASKED + b"\r\n"
    assert masked({"KEY": KEY}, base64.b64encode(KEY)) == MASKED or b"MII" not in base64.b64decode(
        masked({"KEY": KEY}, base64.b64encode(KEY)).replace(MASKED, b"") + b"==="
    )
    wrapped = base64.encodebytes(KEY)
    shown = masked({"KEY": KEY}, wrapped)
    assert not [line for line in wrapped.splitlines() if len(line) > 11 and line in shown]


@pytest.mark.parametrize("user", [b"", b"u", b"us", b"use", b"user"])
def test_basic_authentication_does_not_show_it(user: bytes) -> None:
    header = base64.b64encode(user + b":correct-horse")
    shown = masked({"KEY": b"correct-horse"}, b"Authorization: Basic " + header)
    assert MASKED in shown
    assert b"horse" not in shown
    assert len(shown.split(MASKED)[0].removeprefix(b"Authorization: Basic ")) <= len(header) - 14


def test_in_an_address_it_is_hidden_too() -> None:
    assert masked({"KEY": b"a/b+c d"}, b"https://u:a%2Fb%2Bc%20d@h") == b"https://u:[secret KEY]@h"


def test_values_of_less_than_four_bytes_are_left_alone() -> None:
    assert masked({"KEY": b"abc"}, b"abc abc") == b"abc abc"
    assert masked({}, b"any", b"thing") == b"anything"


def test_what_waits_for_an_answer_is_shown_at_once() -> None:
    out: list[bytes] = []
    mask = Mask({"KEY": b"hunter2"}, out.append)
    mask.add(b"Password: ")
    assert b"".join(out) == b"Password: "
