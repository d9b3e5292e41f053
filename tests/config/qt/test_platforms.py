"""Configurations: includes, filters, overrides, ids, what is noted."""

import pytest

from penstock.config.mistakes import Mistake
from penstock.config.qt import read_qt

FOLDER = "qt5/coin/platform_configs/"
PLAIN = "Configurations: [{Id: %s, Template: qtci-linux-Debian-12-x86_64-50, Features: []}]\n"


def ids(folder):
    return [configuration.id for configuration in read_qt(folder).configurations]


def notes(folder):
    return [note.what for note in read_qt(folder).unknown if "platform_configs" in note.file]


def test_includes_come_before_what_is_written_here_and_a_file_counts_once(plant):
    folder = plant(
        {
            FOLDER + "qt5.yaml": "Include: [a.yaml, b.yaml]\n" + PLAIN % "own",
            FOLDER + "a.yaml": "Include: [c.yaml]\n" + PLAIN % "a",
            FOLDER + "b.yaml": "Include: [c.yaml]\n" + PLAIN % "b",
            FOLDER + "c.yaml": PLAIN % "c",
            FOLDER + "left-out.yaml": PLAIN % "nobody",
        }
    )
    assert ids(folder) == ["c", "a", "b", "own"]


def test_many_ways_to_one_file_cost_nothing(plant):
    files = {
        f"{FOLDER}l{n}.yaml": f"Include: [l{n + 1}.yaml, l{n + 1}.yaml]\nConfigurations: []\n"
        for n in range(30)
    }
    folder = plant({FOLDER + "qt5.yaml": "Include: [l0.yaml]\n", **files, FOLDER + "l30.yaml": PLAIN % "end"})
    assert ids(folder) == ["end"]


def test_an_include_may_choose_ids(plant):
    folder = plant(
        {
            FOLDER + "qt5.yaml": "Include:\n- a.yaml: [two, three]\n",
            FOLDER
            + "a.yaml": "Configurations:\n- {Id: one, Template: x}\n- {Id: two, Template: qtci-linux-A-x86_64-1}\n",
        }
    )
    assert ids(folder) == ["two"]
    assert notes(folder)[0] == "Include: a.yaml has no configuration three"


def test_a_link_that_was_checked_out_as_text_is_followed(plant):
    assert ids(plant({FOLDER + "qt5.yaml": "a.yaml\n", FOLDER + "a.yaml": PLAIN % "a"})) == ["a"]


def test_overrides_replace_fields(plant):
    folder = plant(
        {
            FOLDER
            + "qt5.yaml": "Include: [a.yaml]\nOverrides:\n- {Id: a, Features: [VMSize8]}\n- {Id: z}\n- {Id: [a]}\n",
            FOLDER + "a.yaml": PLAIN % "a",
        }
    )
    found = read_qt(folder)
    assert found.configurations[0].features == ("VMSize8",)
    assert found.configurations[0].least_cores == 8
    assert notes(folder) == [f"Overrides: there is no configuration {name}" for name in ("z", "['a']")]


def test_configurations_without_id_get_a_stable_one(configurations):
    row = "- {Template: qtci-linux-Debian-12-x86_64-50, Compiler: GCC, Target os: QNX_710}\n"
    assert ids(configurations(row * 2)) == [
        "qtci-linux-Debian-12-x86_64-50-GCC-QNX_710",
        "qtci-linux-Debian-12-x86_64-50-GCC-QNX_710-2",
    ]


def test_facts_of_host_and_target(configurations):
    folder = configurations(
        "- {Id: n, Template: qtci-macos-14-arm-106, Compiler: Clang, Configure arguments: -a -b}\n"
        "- {Id: x, Template: qtci-windows-10_22H2-x86_64-52, Target os: Android_ANY, Target arch: armv7,"
        " Compiler: Mingw, Target compiler: Clang}\n"
    )
    native, cross = (one.facts for one in read_qt(folder).configurations)
    assert native["host.os"] == native["target.os"] == "MacOS"
    assert native["host.arch"] == native["target.arch"] == "arm64"
    assert native["target.osVersion"] == "14"
    assert native["configureArgs"] == "-a -b"
    assert (cross["host.os"], cross["target.os"], cross["target.osVersion"]) == (
        "Windows",
        "Android",
        "Android_ANY",
    )
    assert (cross["target.arch"], cross["host.compiler"], cross["target.compiler"]) == (
        "armv7",
        "Mingw",
        "Clang",
    )


def test_what_is_not_understood_is_noted_with_its_line(configurations):
    folder = configurations(
        "- Id: a\n"
        "  Template: my-own-machine\n"
        "  Features: [Sccache, FlyToTheMoon]\n"
        "  Colour: red\n"
        "  Environment variables: ['COIN_SKIP_DEBIAN_MODULES=qtsvg']\n"
        "Nonsense: 1\n"
    )
    found = [(note.line, note.what) for note in read_qt(folder).unknown if "platform_configs" in note.file]
    assert [line for line, _ in found] == [4, 5, 6, 7, 8]
    for (_, what), word in zip(
        found, ["template", "FlyToTheMoon", "Colour", "COIN_SKIP", "Nonsense"], strict=True
    ):
        assert word in what


def test_a_dependency_that_is_not_brought_in_leaves_its_dependents_out(configurations):
    folder = configurations(
        "- {Id: a, Template: qtci-linux-A-x86_64-1, Features: []}\n"
        "- {Id: t, Template: qtci-linux-A-x86_64-1, Features: [TestOnly], Platform dependency: a}\n"
        "- {Id: b, Template: qtci-linux-A-x86_64-1, Platform dependency: gone}\n"
        "- {Id: c, Template: qtci-linux-A-x86_64-1, Platform dependency: [a, b]}\n"
        "- {Id: d, Template: qtci-linux-A-x86_64-1, Platform dependency: t}\n"
    )
    assert ids(folder) == ["a", "t"]
    assert [what.split(",")[0] for what in notes(folder)] == [
        "b depends on gone",
        "c depends on b",
        "d depends on t",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Include: [qt5.yaml]\n", "leads back to itself: qt5.yaml -> qt5.yaml"),
        ("Include: [a.yaml]\n", "qt5.yaml -> a.yaml -> qt5.yaml"),
        ("Include: [../../../../etc/passwd]\n", "leads out of the folder"),
        ("Include: [/etc/passwd]\n", "leads out of the folder"),
        ("Include: ['..']\n", "leads out of the folder"),
        ("Include: [none.yaml]\n", "there is no none.yaml"),
        ("Include: [[a]]\n", "an Include that is no file"),
        ("Include: [link.yaml]\n", "leads out of the tree"),
        ("Configurations: {Id: a}\n", "not a list of mappings"),
        ("Configurations: [{Id: 'a b'}]\n", "is no name"),
        ('Configurations: [{Id: "a\\nb"}]\n', "is no name"),
        ("Configurations: [{Id: a}, {Id: a}]\n", "there twice"),
        ("Configurations: [{Id: a, Features: [[b]]}]\n", "Features is not a list of words"),
        ("Configurations: [{Id: a, Template: qtci-linux-A-x86_64-1, Platform dependency: a}]\n", "a -> a"),
        ("- a\n", "not a mapping"),
    ],
)
def test_malformed_and_hostile_files_are_refused_in_one_line(plant, tmp_path, text, what):
    secret = tmp_path / "secret.yaml"
    secret.write_text("Configurations: []\n")
    folder = plant({FOLDER + "qt5.yaml": text, FOLDER + "a.yaml": "Include: [qt5.yaml]\n"})
    (folder / FOLDER / "link.yaml").symlink_to(secret)
    with pytest.raises(Mistake) as caught:
        read_qt(folder)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
