"""[[calendar]] of farm.toml."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.rules import Season

FREEZE = '[[calendar]]\nname = "freeze"\nfrom = 2023-07-11\nuntil = 2023-08-22\nfactor = 1.8\n'


def test_times_of_more_use(tmp_path: Path) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(FREEZE, encoding="utf-8")
    assert read_farm(path).calendar == (
        Season(name="freeze", start="2023-07-11", until="2023-08-22", factor_ppm=1_800_000),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            FREEZE.replace("08-22", "06-22"),
            ":4: calendar 'freeze' ends on 2023-06-22, before it begins on 2023-07-11",
        ),
        (FREEZE.replace("1.8", "0"), ":5: `factor` of calendar 'freeze' is 0; write a number above 0"),
        (FREEZE.replace("1.8", "1001"), ":5: `factor` of calendar 'freeze' is 1001; write a number above 0"),
        (FREEZE.replace("factor = 1.8\n", ""), ":1: calendar 'freeze' lacks `factor`"),
        (
            FREEZE.replace("[[calendar]]", "[calendar]"),
            ":1: `calendar` is a table; write [[calendar]] with two brackets",
        ),
    ],
)
def test_mistakes_are_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "farm.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Mistakes) as wrong:
        read_farm(path)
    assert told in str(wrong.value)
