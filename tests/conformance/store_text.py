"""What every store does with text from outside, which may hold anything."""

import msgspec
import pytest
from conformance.samples import attempt, job
from conformance.store_suite import Driver, insert

from penstock.model.job import Attempt, Job, Output
from penstock.ports import Duplicate, Stale

ODD = [
    "\x01\x07\x1f\x7f",
    "\r\n\t ",
    "\\x00 \\000 $1 ? %s ''\";--",
    "\ufeff\u200b\u202e\u2028\ufffe\uffff",
    "e\u0301 \u00e9 \U0001d11e \U0010ffff",
    "x" * 100_000,
]


class TextSuite:
    """Plain text: a NUL becomes visible, everything else comes back as it was. JSON keeps even a NUL."""

    @pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
    def test_odd_text_comes_back_as_it_was(self, driver: Driver, text: str) -> None:
        row = job(text[:50], name=text, reason=text, needs=(text,))
        driver.store.write(insert(row))
        assert driver.store.read(lambda tx: tx.get(Job, text[:50])) == row
        driver.store.write(lambda tx: tx.replace(row))
        driver.store.write(lambda tx: tx.delete(msgspec.structs.replace(row, version=1)))

    def test_a_nul_is_stored_as_its_sign(self, driver: Driver) -> None:
        row = job("a\0b", name="\0", reason="\0\0", needs=("\0",))
        driver.store.write(insert(row))
        kept = job("a\u2400b", name="\u2400", reason="\u2400\u2400", needs=("\0",))
        for key in ("a\0b", "a\u2400b"):
            assert driver.store.read(lambda tx, key=key: tx.get(Job, key)) == kept
            assert driver.store.read(lambda tx, key=key: tx.find(Job, "key", key)) == [kept]

    def test_a_record_with_a_nul_is_changed_and_removed_as_others_are(self, driver: Driver) -> None:
        row = job("a\0b")
        driver.store.write(insert(row))
        with pytest.raises(Duplicate):
            driver.store.write(insert(row))
        driver.store.write(lambda tx: tx.replace(row))
        with pytest.raises(Stale):
            driver.store.write(lambda tx: tx.replace(row))
        driver.store.write(lambda tx: tx.delete(msgspec.structs.replace(row, version=1)))
        assert driver.store.read(lambda tx: tx.find(Job, "key")) == []

    def test_records_inside_records_keep_a_nul(self, driver: Driver) -> None:
        row = attempt(outputs=(Output("\0", "sha256:\0", 1),))
        driver.store.write(insert(row))
        assert driver.store.read(lambda tx: tx.get(Attempt, "attempt")) == row

    def test_half_a_surrogate_pair_is_refused_and_harms_nothing_else(self, driver: Driver) -> None:
        answers = driver.together(
            insert(job("a")), insert(job("half"), job("b", name="\ud800")), insert(job("c"))
        )
        assert [type(answer).__name__ for answer in answers] == ["NoneType", "UnicodeEncodeError", "NoneType"]
        assert [row.id for row in driver.store.read(lambda tx: tx.find(Job, "key"))] == ["a", "c"]
