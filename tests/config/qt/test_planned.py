"""One rule at a time, on tiny trees: which jobs there are, what they need, how large they are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.config.mistakes import Mistake
from penstock.config.qt import QtInput, plan_qt, read_qt
from penstock.config.qt.conditions import Compare
from penstock.config.qt.modules import Config, Module
from penstock.config.qt.platforms import Configuration
from penstock.model.units import Size

LINUX = "- {Id: linux, Template: qtci-linux-Debian-12-x86_64-50, Compiler: GCC, Features: [%s]%s}\n"
OTHER = "- {Id: other, Template: qtci-%s-12-x86_64-50, Compiler: GCC, Features: [%s], Platform dependency: linux}\n"
INSTRUCTIONS = "qtsvg/coin/instructions/"


def plan(folder):
    return plan_qt(read_qt(folder))


def jobs(folder):
    return {job.id: job for job in plan(folder).jobs}


def test_a_configuration_builds_and_tests_every_module(plant):
    found = jobs(plant())
    assert {name: job.needs for name, job in found.items()} == {
        "qtbase:build@linux": (),
        "qtbase:test@linux": ("qtbase:build@linux",),
        "qtsvg:build@linux": ("qtbase:build@linux",),
        "qtsvg:test@linux": ("qtsvg:build@linux",),
    }
    job = found["qtsvg:test@linux"]
    assert (job.module, job.platform, job.kind, job.key, job.reuse) == ("qtsvg", "linux", "test", None, False)
    assert job.reason == "tests what was built on the same configuration"
    assert job.size == Size(cores=2, memory_mb=None)


@pytest.mark.parametrize("feature", ["DoNotRunTests", "DisableTests"])
def test_configurations_that_only_build(configurations, feature):
    assert {job.kind for job in plan(configurations(LINUX % (feature, ""))).jobs} == {"build"}


def test_a_test_only_configuration_tests_anothers_build(configurations):
    found = jobs(configurations(OTHER % ("macos", "TestOnly") + LINUX % ("DoNotRunTests", "")))
    assert sorted(found) == [
        "qtbase:build@linux",
        "qtbase:test@other",
        "qtsvg:build@linux",
        "qtsvg:test@other",
    ]
    assert found["qtsvg:test@other"].needs == ("qtsvg:build@linux",)
    assert found["qtsvg:test@other"].reason == "tests what was built on linux"


def test_a_test_only_configuration_of_nothing_tests_the_source(configurations):
    found = jobs(configurations(LINUX % ("TestOnly, LicenseCheckV2", "")))
    assert found["qtsvg:test@linux"].needs == ()
    assert found["qtsvg:test@linux"].reason == "tests the source alone"


def test_a_test_job_may_be_there_without_the_modules_own_tests(configurations):
    documentation = OTHER % ("linux", "TestOnly, TestDocs, DoNotRunTestsButCreateTestWorkItem")
    assert "qtsvg:test@other" in jobs(configurations(LINUX % ("DoNotRunTests", "") + documentation))


def test_a_cross_build_needs_the_hosts_build_of_the_same_module(configurations):
    found = jobs(configurations(LINUX % ("", "") + OTHER % ("linux", "DisableTests")))
    assert found["qtbase:build@other"].needs == ("qtbase:build@linux",)
    assert found["qtsvg:build@other"].needs == ("qtsvg:build@linux", "qtbase:build@other")
    assert found["qtsvg:build@other"].reason == "built with the host tools of linux"


def test_several_platform_dependencies_are_all_needed(configurations):
    third = "- {Id: third, Template: qtci-linux-A-x86_64-1, Platform dependency: [linux, other]}\n"
    found = jobs(configurations(third + LINUX % ("", "") + OTHER % ("linux", "")))
    assert found["qtbase:build@third"].needs == ("qtbase:build@linux", "qtbase:build@other")


@pytest.mark.parametrize(("features", "there"), [("Disable", False), ("DisableTests", True)])
def test_disable_switches_a_configuration_off_and_is_a_whole_word(configurations, features, there):
    assert bool(plan(configurations(LINUX % (features, ""))).jobs) is there


def test_what_needs_a_refused_configuration_is_left_out_and_noted(configurations):
    found = plan(configurations(LINUX % ("Disable", "") + OTHER % ("linux", "TestOnly")))
    assert found.jobs == ()
    assert "qtsvg on other: qtsvg:build@linux is not planned, nor is this" in [
        note.what for note in found.unknown
    ]


WINDOWS_ONLY = "accept_configuration: {condition: property, property: host.os, equals_value: Windows}\n"


@pytest.mark.parametrize(("required", "expected"), [("true", {"qtbase"}), ("false", {"qtbase", "qtsvg"})])
def test_a_required_dependency_must_be_planned_an_optional_one_need_not(plant, required, expected):
    gitmodules = "".join(f'[submodule "{name}"]\n status = addon\n' for name in ("qtbase", "qtsvg", "qtx"))
    folder = plant(
        {
            "qt5/.gitmodules": gitmodules,
            "qtx/coin/module_config.yaml": WINDOWS_ONLY,
            "qtsvg/dependencies.yaml": f"dependencies: {{../qtbase: {{}}, ../qtx: {{required: {required}}}}}\n",
        }
    )
    found = plan(folder)
    assert {job.module for job in found.jobs} == expected
    assert any("qtx:build@linux is not planned" in note.what for note in found.unknown) is (
        required == "true"
    )


def test_the_larger_of_module_and_configuration_is_the_size(configurations):
    config = {"qtsvg/coin/module_config.yaml": "machine_type: {Build: {cores: 16}, Test: {cores: 4}}\n"}
    found = jobs(configurations(LINUX % ("VMSize8", ""), config))
    assert {name: job.size.cores for name, job in found.items()} == {
        "qtbase:build@linux": 8,
        "qtbase:test@linux": 8,
        "qtsvg:build@linux": 16,
        "qtsvg:test@linux": 8,
    }
    assert {job.size.memory_mb for job in found.values()} == {None}


@pytest.mark.parametrize(
    ("feature", "counts"), [("Insignificant", (False, False)), ("InsignificantTests", (True, False))]
)
def test_what_does_not_count_says_so(configurations, feature, counts):
    found = jobs(configurations(LINUX % (feature, "")))
    told = [found[f"qtsvg:{kind}@linux"].reason for kind in ("build", "test")]
    assert tuple("a failure does not fail" not in reason for reason in told) == counts


NOT_LINUX = "{condition: property, property: host.os, not_equals_value: Linux}"
RUN = "{type: ExecuteCommand, command: make}"
SET = "{type: EnvironmentVariable, variableName: A, variableValue: b}"


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("[]", False),
        (f"[{RUN}]", True),
        (f"[{SET}]", False),
        ("[{type: UploadArtifact}]", True),
        (f"[{{type: Group, instructions: [{RUN}], enable_if: {NOT_LINUX}}}]", False),
        (f"[{{type: Group, instructions: [{RUN}], disable_if: {NOT_LINUX}}}]", True),
        ("[{type: ExecuteCommand, disable_if: {condition: runtime, env_var: A, equals_value: b}}]", True),
        ('[!include "{{qt/qtsvg}}/off.yaml"]', False),
        ('[!include "{{qt/qtsvg}}/on.yaml"]', True),
        ('[!include "{{qt/qtsvg}}/none.yaml"]', True),
        ('[!include "{{tqtc/private}}/x.yaml"]', True),
        ("[{type: Dance}]", True),
        ("[{type: {a: b}}]", True),
    ],
)
def test_a_test_with_nothing_left_to_run_is_no_job(plant, test, there):
    files = {
        "qtsvg/coin/module_config.yaml": f"instructions:\n  Build: []\n  Test: {test}\n",
        INSTRUCTIONS + "off.yaml": f"type: Group\ninstructions: [{RUN}]\nenable_if: {NOT_LINUX}\n",
        INSTRUCTIONS + "on.yaml": f"- {SET}\n- {RUN}\n",
    }
    assert ("qtsvg:test@linux" in jobs(plant(files))) is there


def test_templates_that_are_missing_or_unknown_are_listed(plant):
    test = 'instructions:\n  Build: [!include "{{qt/qtbase}}/b.yaml"]\n  Test:\n  - !include "{{qt/qtsvg}}/t.yaml"\n'
    folder = plant(
        {
            "qtsvg/coin/module_config.yaml": test,
            INSTRUCTIONS + "t.yaml": "- type: Dance\n  enable_if: {condition: x}\n",
        }
    )
    found = [(note.file, note.line, note.what.split(",")[0]) for note in plan(folder).unknown]
    assert (
        "qtsvg/coin/module_config.yaml",
        2,
        "instructions {{qt/qtbase}}/b.yaml are not in the data",
    ) in found
    assert (INSTRUCTIONS + "t.yaml", 1, "instruction type 'Dance' is not understood") in found
    assert (INSTRUCTIONS + "t.yaml", 2, "condition 'x' is not understood") in found


@pytest.mark.parametrize(
    ("include", "what"),
    [
        ("{{qt/qtsvg}}/../../../../etc/passwd", "leads out of the tree"),
        ("{{qt/qtsvg}}//etc/passwd", "leads out of the tree"),
        ("../../etc/passwd", "leads out of the tree"),
        ("{{qt/qtsvg}}/loop.yaml", "leads back to itself"),
    ],
)
def test_hostile_includes_are_refused(plant, include, what):
    files = {
        "qtsvg/coin/module_config.yaml": f'instructions: {{Test: [!include "{include}"]}}\n',
        INSTRUCTIONS + "loop.yaml": '- !include "{{qt/qtsvg}}/loop.yaml"\n',
    }
    with pytest.raises(Mistake, match=what):
        plan(plant(files))


def test_the_instructions_of_the_super_repository_are_not_a_modules(plant):
    config = "instructions: {Test: [{type: ExecuteCommand, enable_if: " + NOT_LINUX + "}]}\n"
    found = plan(plant({"qt5/coin/module_config.yaml": config}))
    assert {job.kind for job in found.jobs} == {"build", "test"}
    assert any("super-repository's own build" in note.what for note in found.unknown)


FEATURES = ("TestOnly", "DoNotRunTests", "DisableTests", "Disable", "VMSize8", "InsignificantTests")
NOT_DISABLED = Compare("features", "contains", True, "Disable")


@st.composite
def inputs(draw):
    """Any modules and configurations, each after what it needs."""
    modules, configurations = [], []
    for n in range(draw(st.integers(1, 5))):
        needs = draw(st.sets(st.integers(0, n - 1))) if n else ()
        accept = draw(st.sampled_from([None, NOT_DISABLED, Compare("host.os", "equals", False, "Linux")]))
        config = Config(accept=accept, machine_type={}, tests=draw(st.sampled_from([None, ()])))
        pairs = tuple((f"m{need}", draw(st.booleans())) for need in sorted(needs))
        modules.append(Module(name=f"m{n}", needs=pairs, config=config, file="f", line=n))
    for n in range(draw(st.integers(1, 5))):
        features = tuple(sorted(draw(st.sets(st.sampled_from(FEATURES)))))
        depends = tuple(f"c{one}" for one in sorted(draw(st.sets(st.integers(0, n - 1))))) if n else ()
        facts = {"features": features, "host.os": draw(st.sampled_from(["Linux", "Windows"]))}
        configurations.append(
            Configuration(
                id=f"c{n}", features=features, depends=depends, facts=facts, least_cores=0, file="f", line=n
            )
        )
    return QtInput(modules=tuple(modules), configurations=tuple(configurations))


@given(inputs())
def test_every_need_is_planned_before_and_every_platform_accepted(given_input):
    modules = {module.name: module for module in given_input.modules}
    platforms = {one.id: one for one in given_input.configurations}
    seen = set()
    found = plan_qt(given_input)
    for job in found.jobs:
        assert seen.issuperset(job.needs)
        assert len(set(job.needs)) == len(job.needs)
        assert job.id not in seen
        seen.add(job.id)
        platform, accept = platforms[job.platform], modules[job.module].config.accept
        if accept == NOT_DISABLED:
            assert "Disable" not in platform.features
        elif accept is not None:
            assert platform.facts["host.os"] == "Linux"
        assert (job.kind == "test") or "TestOnly" not in platform.features
        assert job.reason
    assert plan_qt(given_input) == found
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
