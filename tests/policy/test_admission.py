"""What a change may be, by rule; the least where no rule speaks."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from penstock.model.rules import Project, Rule
from penstock.policy.admission import Facts, Vouched, admit, alike, branch_of, groups_of, matches, vouched_for
from penstock.policy.planning import Given

GROUPS = {"core": ("ada", "bob"), "all": ("ada",), "odd": ("",)}
ADA = Facts(branch="main", who="ada", groups=("all", "core"), project="qemu")


def test_the_first_rule_that_matches_wins() -> None:
    rules = [
        Rule(match={"branch": "release-*"}, klass="release"),
        Rule(match={"branch": "main", "group": "core"}, trust="trusted", pools=("own", "burst")),
        Rule(match={"branch": "main"}, klass="try"),
    ]
    assert admit(rules, ADA) == Given(trust="trusted", klass="change", pools=("own", "burst"))
    assert admit(rules, Facts(branch="main", who="eve")) == Given(klass="try")
    assert admit(rules, Facts(branch="release-1")) == Given(klass="release")


def test_without_a_rule_a_change_gets_the_least() -> None:
    least = Given(trust="untrusted", klass="change", pools=())
    assert admit([], ADA) == least
    assert admit([Rule(match={"project": "qt"}, trust="trusted")], ADA) == least


def test_a_rule_that_names_nothing_is_for_all() -> None:
    assert admit([Rule(klass="nightly")], Facts()) == Given(klass="nightly")


@pytest.mark.parametrize(
    ("match", "so"),
    [
        ({"branch": "main", "who": "ada", "project": "q*"}, True),
        ({"branch": "main", "who": "bob"}, False),
        ({"who": "core"}, False),
        ({"group": "core"}, True),
        ({"group": "c*"}, True),
        ({"group": "nobody"}, False),
        ({"surprise": "*"}, False),
    ],
)
def test_everything_that_a_rule_names_must_be_so(match: dict[str, str], so: bool) -> None:
    assert matches(Rule(match=match), ADA) is so


def test_a_person_is_in_the_groups_that_name_him() -> None:
    assert groups_of(GROUPS, "ada") == ("all", "core")
    assert groups_of(GROUPS, "eve") == ()
    assert groups_of(GROUPS, "") == ()


@pytest.mark.parametrize(
    ("pattern", "text", "so"),
    [
        ("main", "main", True),
        ("main", "main2", False),
        ("*", "", True),
        ("v*", "v1", True),
        ("v*", "w1", False),
        ("*-stable", "3-stable", True),
        ("*-stable", "3-unstable-", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "a1c", False),
        ("a*a", "a", False),
        ("a**a", "aa", True),
        ("[a]?", "a1", False),
    ],
)
def test_a_star_stands_for_anything(pattern: str, text: str, so: bool) -> None:
    assert alike(pattern, text) is so


PARTS = st.lists(st.text("ab", max_size=2), min_size=1, max_size=5)


@given(PARTS, st.lists(st.text("abc", max_size=3), min_size=4, max_size=4))
def test_what_was_put_for_the_stars_is_found_again(parts: list[str], fill: list[str]) -> None:
    made = parts[0] + "".join(between + part for between, part in zip(fill, parts[1:], strict=False))
    assert alike("*".join(parts), made)


QEMU = Project(name="qemu", repositories=("https://git.example.org/qemu", "ssh://git@git.example.org/~/qemu"))
PROJECTS = {"bare": Project(name="bare", repositories=("",)), "qt": Project(name="qt"), "qemu": QEMU}


@pytest.mark.parametrize(
    ("repository", "ref", "known"),
    [
        (QEMU.repositories[0], "refs/heads/main", Vouched(project="qemu", ref="refs/heads/main")),
        (QEMU.repositories[1], "refs/tags/v1", Vouched(project="qemu", ref="refs/tags/v1")),
        (QEMU.repositories[0], "", Vouched(project="qemu")),
        (QEMU.repositories[0], "refs/pull/1/head", Vouched(project="qemu")),
        ("https://git.example.org/eve/qemu", "refs/heads/main", Vouched()),
        ("", "refs/heads/main", Vouched()),
    ],
)
def test_a_repository_says_its_project_and_its_own_refs_their_branch(
    repository: str, ref: str, known: Vouched
) -> None:
    assert vouched_for(PROJECTS, repository, ref) == known


@pytest.mark.parametrize(
    ("ref", "branch"),
    [
        ("refs/heads/main", "main"),
        ("refs/tags/v1", "v1"),
        ("refs/heads/refs/tags/v1", "refs/tags/v1"),
        ("", ""),
    ],
)
def test_the_branch_of_a_ref(ref: str, branch: str) -> None:
    assert branch_of(ref) == branch


def test_a_pattern_that_begins_with_refs_means_full_names() -> None:
    tags = Rule(match={"branch": "refs/tags/v*"})
    assert matches(tags, Facts(branch="v1", ref="refs/tags/v1"))
    assert not matches(tags, Facts(branch="refs/tags/v1", ref="refs/heads/refs/tags/v1"))
    assert not matches(Rule(match={"branch": "*/v1"}), Facts(branch="v1", ref="refs/tags/v1"))
