"""Files of faults: what they say, and what is wrong with them, by line."""

from pathlib import Path

import pytest

from penstock.config.faults import read_faults
from penstock.config.mistakes import Mistakes
from penstock.model.trial import Fault, Faults


def written(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_faults_are_read_in_seconds_and_shares(tmp_path: Path) -> None:
    text = (
        'notice_s = 30\n[[fault]]\nkind = "reclaim"\npool = "burst"\nfrom_s = 60\nshare = 0.5\n'
        '[[fault]]\nkind = "quota"\nfrom_s = 1\nuntil_s = 2.5\nlimit = 3\n'
    )
    assert read_faults(written(tmp_path, text)) == Faults(
        notice_ms=30_000,
        faults=(
            Fault(kind="reclaim", pool="burst", begin_ms=60_000, share=0.5),
            Fault(kind="quota", begin_ms=1_000, until_ms=2_500, limit=3),
        ),
    )


def test_an_empty_file_has_no_faults(tmp_path: Path) -> None:
    assert read_faults(written(tmp_path, "")) == Faults()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[[fault]]\nkind = "reclam"\n',
            "faults.toml:2: `kind` of [[fault]] is 'reclam'; did you mean `reclaim`?",
        ),
        ("[[fault]]\nshare = 1\n", "faults.toml:1: [[fault]] lacks `kind`"),
        (
            '[[fault]]\nkind = "lost"\nshare = 2\n',
            "faults.toml:3: `share` of [[fault]] is 2; write a share from 0 to 1",
        ),
        (
            '[[fault]]\nkind = "lost"\nfrom_s = 2\nuntil_s = 1\n',
            "faults.toml:1: a fault ends before it begins",
        ),
        (
            '[[fault]]\nkind = "hub_away"\nfrom_s = 2\n',
            "faults.toml:1: the hub would be away for ever; write until_s",
        ),
        ('fault = "lost"\n', "faults.toml:1: `fault` is 'lost'; write [[fault]] with two brackets"),
        ("fault = [1]\n", "faults.toml:1: [[fault]] is 1; write a table"),
    ],
)
def test_mistakes_are_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Mistakes) as wrong:
        read_faults(written(tmp_path, text))
    assert told in str(wrong.value)
