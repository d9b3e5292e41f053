"""Of compiled code the newest few folders stay, and whatever is none of ours."""

import os
from pathlib import Path

from penstock.sim.pruning import IN_USE_S, KEPT, prune


def test_the_newest_stay_and_nothing_else_of_ours(tmp_path: Path) -> None:
    folders = [tmp_path / f"{number:032x}" for number in range(8)]
    for age, folder in enumerate(folders):
        (folder / "penstock").mkdir(parents=True)
        os.utime(folder, (1000 - age, 1000 - age))
    (tmp_path / "mine").mkdir()
    link = tmp_path / ("f" * 32)
    link.symlink_to(tmp_path / "mine")
    prune(folders[7], 1000.0)
    assert all(folder.is_dir() for folder in folders), "younger than an hour"
    prune(folders[7], 1001.0 + IN_USE_S)
    assert [folder.is_dir() for folder in folders] == [True] * (KEPT - 1) + [False] * 4 + [True]
    assert (tmp_path / "mine").is_dir()
    assert link.is_symlink()
