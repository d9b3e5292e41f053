"""Every code has a sentence, and sentences say when."""

from penstock.policy.capacity import reasons


def test_every_code_has_its_sentence() -> None:
    codes = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(reasons.ACTS) | set(reasons.WAITING)
    assert all(reasons.act_text(code) for code in reasons.ACTS)


def test_sentences_say_when() -> None:
    assert reasons.waiting_text(reasons.WAITS_FOR_OWNED, "4 min", "14:05", "") == (
        "waits for an owned machine that frees up in about 4 min; is rented for at 14:05 at the latest"
    )
    assert (
        reasons.waiting_text(reasons.WAITS_FOR_OWNED, "", "", "")
        == "waits for an owned machine that frees up"
    )
    assert reasons.waiting_text(reasons.LATE_ON_PURPOSE, "", "", "16:00") == (
        "may be late: a machine for it alone would be dear; is rented for at 16:00 at the latest"
    )
    assert reasons.waiting_text(0, "", "", "") == reasons.act_text(0) == ""
