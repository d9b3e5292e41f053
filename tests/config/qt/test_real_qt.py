"""Qt's own super-repository of 2024-10 (qt/qt5 @ 0face339): what an integration of it is, and why."""

import collections
import hashlib
import os
import subprocess
import sys

import msgspec
import pytest

from penstock.config.qt import is_qt, plan_qt, read_qt
from penstock.config.qt.conditions import holds
from penstock.model import graph
from penstock.policy.changed import mark_changed

IGNORED = "qtxmlpatterns qtsystems qtfeedback qtpim qtcanvas3d qtgamepad qtwebglplugin".split()
DEPRECATED = "qt3d qt5compat".split()


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "qt"


@pytest.fixture(scope="module")
def given(folder):
    return read_qt(folder)


@pytest.fixture(scope="module")
def plan(given):
    return plan_qt(given)


def test_it_is_found_from_both_folders(folder, plan):
    assert is_qt(folder)
    assert is_qt(folder / "qt5")
    assert not is_qt(folder / "qtbase")
    assert plan_qt(read_qt(folder / "qt5")) == plan


def test_modules_are_those_neither_ignored_nor_deprecated(given):
    """51 sections of .gitmodules, less 7 of status ignore, less 2 deprecated."""
    names = [module.name for module in given.modules]
    assert len(names) == 51 - len(IGNORED) - len(DEPRECATED) == 42
    assert set(names).isdisjoint(IGNORED + DEPRECATED)


def test_configurations_are_those_that_qt5_yaml_brings_in(given):
    files = collections.Counter(one.file.rpartition("/")[2] for one in given.configurations)
    assert files == {
        "cmake_platforms.yaml": 27,
        "macos.yaml": 21,
        "cmake_platforms_target_android.yaml": 5,
        "cmake_platforms_wasm.yaml": 4,
        "cmake_platforms_qemu.yaml": 3,
        "cmake_platforms_qemu_qnx710.yaml": 3,
        "address_sanitizer_platforms.yaml": 1,
        "offline_documentation.yaml": 1,
    }


def test_builds(given, plan):
    """65 configurations, 23 of them TestOnly: 42 build, and every module accepts them all (none has Disable)."""
    building = [one for one in given.configurations if "TestOnly" not in one.features]
    assert (len(given.configurations), len(building)) == (65, 42)
    assert (
        sum(bool(one.depends) for one in building) == 17
    )  # cross builds: QEMU 3, QNX 3, Android 5, wasm 4, iOS, ARM
    assert sum(job.kind == "build" for job in plan.jobs) == 42 * 42 == 1764


def test_tests(given, plan):
    """40 configurations test: 23 TestOnly, and the 42 less 12 DoNotRunTests less 13 DisableTests. qtwayland's
    instructions are switched off on 28 of them (hosts Windows and MacOS; targets QNX, IOS, Android, WebAssembly)."""
    building = [one for one in given.configurations if "TestOnly" not in one.features]
    silent = collections.Counter(
        word for one in building for word in one.features if word in ("DoNotRunTests", "DisableTests")
    )
    assert silent == {"DoNotRunTests": 12, "DisableTests": 13}
    counts = collections.Counter(job.module for job in plan.jobs if job.kind == "test")
    assert counts.pop("qtwayland") == 40 - 28
    assert set(counts.values()) == {23 + 42 - 12 - 13} == {40}
    assert sum(job.kind == "test" for job in plan.jobs) == 42 * 40 - 28 == 1652


def test_needs(plan):
    jobs = {job.id: job for job in plan.jobs}
    assert jobs["qtbase:build@ubuntu-22.04"].needs == ()
    assert jobs["qtsvg:build@ubuntu-22.04"].needs == ("qtbase:build@ubuntu-22.04",)
    assert jobs["qtsvg:test@ubuntu-22.04-x11-tests"].needs == ("qtsvg:build@ubuntu-22.04",)
    assert jobs["qtbase:build@android-9-x86-on-linux"].needs == ("qtbase:build@rhel-8.10",)
    # dependencies.yaml: required and optional alike, qtsvg (optional) though .gitmodules does not name it.
    assert jobs["qtwayland:build@qemu-arm64-developer-build"].needs == (
        "qtwayland:build@ubuntu-22.04",
        "qtbase:build@qemu-arm64-developer-build",
        "qtdeclarative:build@qemu-arm64-developer-build",
        "qtsvg:build@qemu-arm64-developer-build",
    )
    # No folder: depends and recommends of .gitmodules.
    assert jobs["qtspeech:build@rhel-9.2"].needs == (
        "qtbase:build@rhel-9.2",
        "qtmultimedia:build@rhel-9.2",
        "qtdeclarative:build@rhel-9.2",
    )


def test_sizes(plan):
    """machine_type of qtbase, qtdeclarative, qtwebengine (8 and 4), qttools (4); VMSize8 of QNX x86_64, 3 Androids."""
    sizes = collections.Counter((job.kind, job.size.cores) for job in plan.jobs)
    assert sizes[("build", 8)] == 3 * 42 + 39 * 4 == 282
    assert sizes[("build", 4)] == 42 - 4
    assert sizes[("test", 4)] == 3 * (40 - 4)
    assert sizes[("test", 8)] == 42 * 4 - 4  # qtwayland's are switched off there
    assert {job.size.memory_mb for job in plan.jobs} == {None}


def test_every_job_is_sound(given, plan):
    modules = {module.name: module for module in given.modules}
    platforms = {one.id: one for one in given.configurations}
    seen = set()
    for job in plan.jobs:
        assert seen.issuperset(job.needs)
        seen.add(job.id)
        assert holds(modules[job.module].config.accept, platforms[job.platform].facts) is True
        assert job.id == f"{job.module}:{job.kind}@{job.platform}"
        assert job.reason
    assert graph.cycles({job.id: job.needs for job in plan.jobs}) == []


@pytest.mark.parametrize(
    ("module", "modules", "builds", "tests"),
    [
        ("qtmqtt", 1, 42, 40),
        ("qtsvg", 31, 1302, 1212),
        ("qtwebengine", 3, 126, 120),
        ("qtbase", 41, 1722, 1612),
    ],
)
def test_a_change_rebuilds_itself_and_what_is_behind_it(given, plan, module, modules, builds, tests):
    marked = mark_changed(plan, [module])
    rebuilt = [job for job in marked.jobs if not job.reuse]
    dependents = graph.dependents({one.name: [name for name, _ in one.needs] for one in given.modules})
    assert {job.module for job in rebuilt} == graph.reach([module], dependents)
    assert len({job.module for job in rebuilt}) == modules
    assert collections.Counter(job.kind for job in rebuilt) == {"build": builds, "test": tests}


def test_reasons_of_a_change(plan):
    reasons = {job.id: job.reason for job in mark_changed(plan, ["qtsvg"]).jobs}
    assert reasons["qtsvg:test@rhel-9.2"] == "qtsvg changes"
    assert reasons["qtwebengine:build@rhel-9.2"] == (
        "needs qtdeclarative build on rhel-9.2, which needs qtsvg build on rhel-9.2, which changes"
    )
    assert reasons["qtbase:build@rhel-9.2"] == "reused: neither qtbase nor anything that this needs changes"


def test_what_is_not_understood_is_listed(plan):
    """89 notes: 46 includes of templates that the data lacks, 25 modules without a folder, 9 runtime conditions,
    4 priorities, a project, 2 COIN_SKIP settings, no default size, and whose the super-repository's instructions are."""
    told = collections.Counter(next(word for word in TOLD if word in note.what) for note in plan.unknown)
    assert told == TOLD
    assert list(plan.unknown) == sorted(plan.unknown)
    missing = [note for note in plan.unknown if note.file == "qtsvg/coin/module_config.yaml"]
    assert [note.line for note in missing] == [9, 12, 13]


TOLD = {
    "are not in the data": 46,
    "has no coin/module_config.yaml": 25,
    "runtime condition": 9,
    "priority": 4,
    "project": 1,
    "COIN_SKIP": 2,
    "default machine size": 1,
    "super-repository's own build": 1,
}

PROGRAM = """
import hashlib, sys, pathlib, msgspec
from penstock.config.qt import plan_qt, read_qt
print(hashlib.sha256(msgspec.json.encode(plan_qt(read_qt(pathlib.Path(sys.argv[1]))))).hexdigest())
"""


def test_the_plan_is_the_same_under_any_hash_seed(folder, plan):
    expected = hashlib.sha256(msgspec.json.encode(plan)).hexdigest()
    for seed in ("1", "4242"):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == expected
