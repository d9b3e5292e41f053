"""Modules: .gitmodules, dependencies.yaml, module_config.yaml, and where each is looked for."""

from pathlib import Path

import pytest

from penstock.config.mistakes import Mistake
from penstock.config.qt import is_qt, plan_qt, read_qt

SECTION = '[submodule "%s"]\n path = %s\n status = %s\n'


def needs(folder):
    return {module.name: module.needs for module in read_qt(folder).modules}


def notes(folder):
    return [f"{note.file}:{note.line}: {note.what}" for note in read_qt(folder).unknown]


def test_a_super_repository_is_known_by_its_files(plant, tmp_path):
    assert not is_qt(tmp_path)
    assert not is_qt(tmp_path / "none")
    with pytest.raises(Mistake, match="no Qt super-repository"):
        read_qt(tmp_path)
    folder = plant()
    assert is_qt(folder)
    assert is_qt(folder / "qt5")
    assert plan_qt(read_qt(folder)) == plan_qt(read_qt(folder / "qt5"))


def test_the_super_repository_may_have_any_name(plant):
    folder = plant()
    (folder / "qt5").rename(folder / "src")
    assert is_qt(folder)
    assert list(needs(folder)) == ["qtbase", "qtsvg"]


def test_ignored_and_deprecated_modules_are_left_out_and_others_planned(plant):
    words = ["essential", "addon", "preview", "ignore", "ignored", "deprecated", "strange"]
    text = "# a comment\n; another\n\n" + "".join(SECTION % (word, word, word) for word in words)
    folder = plant({"qt5/.gitmodules": text})
    assert list(needs(folder)) == ["essential", "addon", "preview", "strange"]
    assert any("status 'strange' is not understood" in note for note in notes(folder))


def test_depends_and_recommends_stand_in_for_a_missing_folder(plant):
    text = (
        SECTION % ("a", "a", "addon")
        + " depends = b\n recommends = c b gone\n priority = 3\n"
        + SECTION % ("b", "b", "addon")
        + SECTION % ("c", "c", "addon")
    )
    folder = plant({"qt5/.gitmodules": text})
    assert needs(folder) == {"b": (), "c": (), "a": (("b", True), ("c", False))}
    found = notes(folder)
    assert (
        "qt5/.gitmodules:1: a: optional dependency gone is not part of the integration, planned without"
        in found
    )
    assert any(note.startswith("qt5/.gitmodules:6: a: priority = 3") for note in found)
    assert any("a has no coin/module_config.yaml here" in note for note in found)


@pytest.mark.parametrize("place", ["qtsvg", "qt5/qtsvg"])
def test_dependencies_yaml_wins_beside_and_inside(plant, place):
    gitmodules = SECTION % ("qtbase", "qtbase", "addon") + SECTION % ("qtx", "qtx", "addon")
    folder = plant(
        {
            "qt5/.gitmodules": gitmodules + SECTION % ("qtsvg", "qtsvg", "addon") + " depends = qtbase\n",
            f"{place}/dependencies.yaml": "dependencies:\n  ../qtx.git: {ref: 1, required: false}\n  ../no: {ref: 2}\n",
        }
    )
    assert needs(folder)["qtsvg"] == (("qtx", False),)
    assert (
        f"{place}/dependencies.yaml:3: qtsvg: required dependency no is not part of the integration"
        in "\n".join(notes(folder))
    )


def test_no_dependencies_at_all(plant):
    assert needs(plant({"qtsvg/dependencies.yaml": "dependencies: {}\n"}))["qtsvg"] == ()


def test_a_module_says_whom_it_accepts_and_how_large_it_is(plant):
    config = (
        "accept_configuration: {condition: property, property: host.os, equals_value: Windows}\n"
        "machine_type: {Build: {cores: 8}, Test: {cores: 4, colour: red}, Deploy: {cores: 1}}\n"
        "priority: 3\n"
    )
    folder = plant({"qtsvg/coin/module_config.yaml": config})
    assert [job.module for job in plan_qt(read_qt(folder)).jobs] == ["qtbase", "qtbase"]
    found = "\n".join(notes(folder))
    for words in ("field 'colour'", "field 'Deploy'", "field 'priority'"):
        assert words in found


def test_without_a_configuration_of_the_super_repository_all_is_accepted(plant):
    folder = plant()
    (folder / "qt5/coin/module_config.yaml").unlink()
    assert len(plan_qt(read_qt(folder)).jobs) == 4
    assert any("is not in the data" in note for note in notes(folder))


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"qt5/.gitmodules": "nonsense\n"}, ".gitmodules:1: not understood"),
        ({"qt5/.gitmodules": "path = x\n"}, ".gitmodules:1: not understood"),
        ({"qt5/.gitmodules": SECTION % ("../x", "x", "addon")}, "is no name of a module"),
        (
            {"qt5/.gitmodules": SECTION % ("x", "../../etc", "addon")},
            ".gitmodules:2: path '../../etc' leads out",
        ),
        (
            {"qt5/.gitmodules": (SECTION % ("x", "x", "addon")) * 2},
            ".gitmodules:4: submodule x is there twice",
        ),
        (
            {
                "qt5/.gitmodules": SECTION % ("x", "x", "addon")
                + " depends = y\n"
                + SECTION % ("y", "y", "addon")
                + " depends = x\n"
            },
            "modules need each other: cycle: x -> y -> x",
        ),
        ({"qtsvg/dependencies.yaml": "- a\n"}, "no mapping of dependencies"),
        ({"qtsvg/dependencies.yaml": "dependencies: {a: b}\n"}, "without required"),
        ({"qtsvg/dependencies.yaml": "dependencies: {a: {required: maybe}}\n"}, "without required"),
        ({"qtsvg/coin/module_config.yaml": "- a\n"}, "not a mapping"),
        ({"qtsvg/coin/module_config.yaml": "machine_type: 8\n"}, "machine_type is not a mapping"),
        ({"qtsvg/coin/module_config.yaml": "machine_type: {Build: 8}\n"}, "machine_type of Build is not"),
        (
            {"qtsvg/coin/module_config.yaml": "machine_type: {Build: {cores: many}}\n"},
            "is no number of cores",
        ),
        ({"qtsvg/coin/module_config.yaml": "machine_type: {Build: {cores: 0}}\n"}, "is no number of cores"),
        ({"qtsvg/coin/module_config.yaml": "instructions: [a]\n"}, "instructions are not a mapping"),
        (
            {"qtsvg/coin/module_config.yaml": "instructions: {Test: word}\n"},
            "an instruction is not a mapping",
        ),
    ],
)
def test_malformed_input_is_refused_in_one_line(plant, files, what):
    with pytest.raises(Mistake) as caught:
        read_qt(plant(files))
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_and_files_that_lead_out_of_the_tree_are_refused(plant, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "dependencies.yaml").write_text("dependencies: {}\n")
    folder = plant()
    (folder / "qtsvg").symlink_to(elsewhere)
    with pytest.raises(Mistake, match="leads out of the tree"):
        read_qt(folder)
    (folder / "qtsvg").unlink()
    (folder / "qtsvg").mkdir()
    (folder / "qtsvg/dependencies.yaml").symlink_to(elsewhere / "dependencies.yaml")
    with pytest.raises(Mistake, match=r"qtsvg/dependencies.yaml: leads out of the tree"):
        read_qt(folder)


def test_files_that_are_no_text_are_refused(plant):
    folder = plant()
    path = folder / "qt5/coin/module_config.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Mistake, match="cannot be read"):
        read_qt(folder)
    path.write_text("a: '" + "x" * 600_000 + "'")
    with pytest.raises(Mistake, match="is larger than"):
        read_qt(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(Mistake, match="not a regular file"):
        read_qt(folder)


def test_a_folder_that_may_not_be_looked_at_is_not_qt(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    assert not is_qt(tmp_path)


def test_paths_with_dots_find_the_modules_beside(plant, monkeypatch):
    folder = plant({"qtsvg/dependencies.yaml": "dependencies: {}\n", "qt5/qtbase/x": ""})
    monkeypatch.chdir(folder / "qt5/qtbase")
    assert needs(Path(".."))["qtsvg"] == ()
