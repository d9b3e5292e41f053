"""Files that are no bills, or bad ones: one line that says where and what, nothing loaded, memory bounded."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest
from billfiles import FOCUS, focus, table
from hypothesis import given
from hypothesis import strategies as st

from penstock.bills import charges, columns, values
from penstock.bills.problems import MOST_REJECTED, BadBill
from penstock.bills.reading import read


def refused(path: Path, content: bytes | str) -> BadBill:
    """What reading this content says."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadBill) as why:
        read([path])
    assert "\n" not in str(why.value)
    return why.value


@pytest.mark.parametrize(
    ("column", "text", "why"),
    [
        ("BilledCost", "NaN", "'NaN' is not an amount such as 12.50"),
        ("BilledCost", "Infinity", "'Infinity' is not an amount such as 12.50"),
        ("BilledCost", "-inf", "'-inf' is not an amount"),
        ("BilledCost", "", "is empty; write an amount such as 12.50"),
        ("BilledCost", "NULL", "is empty"),
        ("BilledCost", "1_000", "'1_000' is not an amount"),
        ("BilledCost", "1,5", "'1,5' is not an amount"),
        ("BilledCost", "$3", "'$3' is not an amount"),
        ("EffectiveCost", "1e999", "'1e999' is not an amount"),
        ("EffectiveCost", "٣", "'٣' is not an amount"),
        ("EffectiveCost", "9" * 5000, "'99999"),
        ("ListCost", "x", "'x' is not an amount"),
        ("ConsumedQuantity", "nan", "'nan' is not an amount"),
        ("BillingCurrency", "usd", "'usd' is not a currency such as USD"),
        ("BillingCurrency", "", "'' is not a currency"),
        ("ChargePeriodStart", "yesterday", "'yesterday' is not a moment such as 2024-09-01T00:00:00Z"),
        ("ChargePeriodStart", "1024-09-01", "'1024-09-01' is not between the years 2000 and 2099"),
        ("ChargePeriodStart", "0001-01-01T00:00:00+14:00", "is not between the years"),
        ("ChargePeriodEnd", "2024-09-01T00:00:00Z", "the charge ends before it begins (ChargePeriodStart)"),
        ("BillingPeriodEnd", "2024-08-01T00:00:00Z", "the period ends before it begins (BillingPeriodStart)"),
        ("BillingPeriodEnd", "2024-09-01T00:00:00Z", "the period ends before it begins"),
        ("ProviderName", "", "is empty"),
        ("ChargeCategory", "NULL", "is empty"),
        ("ResourceId", "x" * 3000, "has 3000 characters; 2048 at most"),
    ],
)
def test_a_bad_value_names_its_row_and_column(tmp_path: Path, column: str, text: str, why: str) -> None:
    bad = refused(tmp_path / "b.csv", focus({}, {"SkuId": "2"}, {column: text}))
    (rejected,) = bad.rejected
    assert (rejected.row, rejected.column) == (4, column)
    assert rejected.why.startswith(why) or why in rejected.why
    assert str(bad).startswith(f"{tmp_path}/b.csv: row 4, column {column}: ")
    assert str(bad).endswith("; nothing is loaded")
    assert len(str(bad)) < 400


def test_the_first_bad_rows_are_named_and_the_rest_is_not_read(tmp_path: Path) -> None:
    bad = refused(tmp_path / "b.csv", focus(*[{"BilledCost": "x"}] * 100))
    assert len(bad.rejected) == MOST_REJECTED
    assert str(bad).endswith(f"nothing is loaded; {MOST_REJECTED - 1} more rows are bad")


def test_currencies_are_not_mixed(tmp_path: Path) -> None:
    (rejected,) = refused(tmp_path / "b.csv", focus({}, {"BillingCurrency": "EUR"})).rejected
    assert (rejected.row, rejected.column) == (3, "BillingCurrency")
    assert rejected.why == "EUR after rows in USD; ingest one currency at a time"


GOOD = focus({}, {"ResourceId": "i-2"})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty; a bill begins with the names of its columns"),
        ("\n\n\n", "is empty"),
        (GOOD.splitlines()[0], "has a header and no rows; nothing is loaded"),
        (
            "a,b\n1,2\n",
            "row 1: is no bill that is known by its columns; expected FOCUS 1.0 to 1.2 as CSV, AWS",
        ),
        (
            GOOD.replace("EffectiveCost", "Effective"),
            "is not quite FOCUS 1.0 to 1.2 as CSV: it has no column Eff",
        ),
        (GOOD.replace("ListCost", "BilledCost"), "row 1: has the column BilledCost twice"),
        (GOOD + "a,b\n", "row 4: has 2 fields, its header has 18"),
        (GOOD.replace("i-2", "i\0-2"), "row 3: has a NUL byte"),
        (GOOD.replace("i-2", '"i-2'), "is no CSV"),
        (GOOD.encode("utf-16"), "row 1: is UTF-16; save it as UTF-8"),
        (GOOD.replace("i-2", "é").encode("latin-1"), "row 3: is not UTF-8"),
        (GOOD.replace("i-2", "x" * (columns.MOST_FIELD + 1)), "row 3: is no CSV: field larger than"),
        ("x" * (columns.MOST_LINE_BYTES + 10), "row 1: is longer than 4 MiB"),
        (",".join(map(str, range(3000))) + "\n", "row 1: has 3000 columns; 2000 at most"),
        (b"PK\x03\x04rest", "is a zip archive; unpack it and give the CSV files"),
        (gzip.compress(GOOD.encode())[:-9], "the compressed data ends early; fetch the file again"),
        (b"\x1f\x8b" + b"\0" * 40, "the compressed data is damaged"),
        (b"\x1f\x8b\x08\x00" + b"\0" * 6 + b"\xff" * 40, "the compressed data is damaged"),
    ],
)
def test_what_is_no_bill(tmp_path: Path, content: bytes | str, why: str) -> None:
    assert why in str(refused(tmp_path / "b.csv", content))


@pytest.mark.parametrize(("name", "why"), [("nothing.csv", "no such file"), (".", "is a directory")])
def test_what_cannot_be_read(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(BadBill, match=why):
        read([tmp_path / name])


def test_a_byte_order_mark_and_gzip_are_harmless(tmp_path: Path) -> None:
    file = tmp_path / "b.anything"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + GOOD.encode()))
    assert read([file]).gathered.rows == 2


def bomb(piece: bytes, times: int) -> bytes:
    """A gzip file that unpacks to much more than it is, without ever being held whole."""
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(press.compress(piece) for _ in range(times)), press.flush()])


def test_a_bomb_in_one_line(tmp_path: Path) -> None:
    content = bomb(b"\0" * (1 << 20), 200)
    tracemalloc.start()
    bad = refused(tmp_path / "b.csv.gz", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "is longer than 4 MiB" in str(bad)
    assert peak < 40 << 20


def test_a_bomb_of_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(columns, "MOST_RATIO", 100)
    row = GOOD.splitlines(keepends=True)[1].encode()
    bad = refused(tmp_path / "b.csv.gz", bomb(GOOD.encode() + row * 4000, 1) + bomb(row * 8000, 20))
    assert "unpacks to more than a bill can be" in str(bad)


def test_lines_and_bills_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges, "MOST_LINES", 2)
    monkeypatch.setattr(charges, "MOST_BILLS", 2)
    resources = focus(*({"ResourceId": str(n)} for n in range(3)))
    assert "row 4: more than 2 different lines" in str(refused(tmp_path / "b.csv", resources))
    accounts = focus(*({"BillingAccountId": str(n)} for n in range(3)))
    assert "row 4: more than 2 bills in one file" in str(refused(tmp_path / "b.csv", accounts))


def test_what_is_remembered_of_a_column_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_KEPT", 10)
    column = values.Column("a", str)
    assert [column[str(n)] for n in range(100)] == [str(n) for n in range(100)]
    assert len(column) <= 10


@given(st.binary(max_size=400))
def test_any_bytes_are_a_bill_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "b.csv"
    file.write_bytes(content)
    with pytest.raises(BadBill):
        read([file])


@given(st.dictionaries(st.sampled_from(sorted(FOCUS)), st.text(max_size=20), max_size=4))
def test_any_values_are_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, str]
) -> None:
    file = tmp_path_factory.mktemp("any") / "b.csv"
    file.write_bytes(table([FOCUS, FOCUS | changes]).encode(errors="replace"))
    try:
        named = set() if read([file]).gathered.rows == 2 else {"rows"}
    except BadBill as bad:
        named = {one.column for one in bad.rejected}
        named |= set() if named or "row" in str(bad) else {str(bad)}
    assert named <= {*changes, "BillingPeriodEnd", "ChargePeriodEnd"}
