"""A tiny Qt tree that tests change one file of."""

from collections.abc import Callable
from pathlib import Path

import pytest

Plant = Callable[..., Path]

ACCEPT = "accept_configuration: {condition: property, property: features, not_contains_value: Disable}\n"
TREE = {
    "qt5/.gitmodules": (
        '[submodule "qtbase"]\n\tpath = qtbase\n\tstatus = essential\n'
        '[submodule "qtsvg"]\n\tdepends = qtbase\n\tpath = qtsvg\n\tstatus = addon\n'
    ),
    "qt5/coin/module_config.yaml": "version: 2\n" + ACCEPT,
    "qt5/coin/platform_configs/qt5.yaml": (
        "Version: 2\nInclude: []\nConfigurations:\n"
        "- {Id: linux, Template: qtci-linux-Debian-12-x86_64-50, Compiler: GCC, Features: []}\n"
    ),
}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Writes the tiny tree, with the files that are given in place of or beside its own."""

    def write(files: dict[str, str] | None = None) -> Path:
        for name, text in {**TREE, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def configurations(plant: Plant) -> Plant:
    """Writes the tiny tree with these lines as its configurations."""

    def write(text: str, files: dict[str, str] | None = None) -> Path:
        whole = "Version: 2\nConfigurations:\n" + text
        return plant({"qt5/coin/platform_configs/qt5.yaml": whole, **(files or {})})

    return write
