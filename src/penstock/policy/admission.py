"""What a change may be: the rules of farm.toml, asked from first to last. The repository that is built can only ask
for less of it: policy/planning sees to that.
"""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.model.rules import Project, Rule
from penstock.policy.planning import Given

HEADS, TAGS = "refs/heads/", "refs/tags/"
REFS = "refs/"


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """What a farm knows of a change without asking who submits it: whose repository it was read from, and where.

    `ref`: the full name of the branch or tag that was read, as the repository lists it; "" for what is on neither.
    """

    project: str = ""
    ref: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a change by those who vouch for it, never by the change itself.

    `branch`: the branch or tag of the farm's own repository that it is on or goes to; "" for one that somebody
    only proposes, whatever its branch is called elsewhere. `ref`: its full name. `who`: the person as the token or the forge names
    them, "" when nobody vouches. `groups`: those that this person is in, see `groups_of`.
    """

    branch: str = ""
    ref: str = ""
    who: str = ""
    groups: tuple[str, ...] = ()
    project: str = ""


def vouched_for(projects: Mapping[str, Project], repository: str, ref: str) -> Vouched:
    """What is known of a change by the address that it was read from, written as in `Project.repositories`, and by the
    full ref that this repository listed for it. Nothing where the repository is of no project. O(repositories)."""
    whose = [one.name for one in projects.values() if repository and repository in one.repositories]
    if not whose:
        return Vouched()
    return Vouched(project=whose[0], ref=ref if ref.startswith((HEADS, TAGS)) else "")


def branch_of(ref: str) -> str:
    """The branch or tag that a full ref names."""
    return ref.removeprefix(HEADS) if ref.startswith(HEADS) else ref.removeprefix(TAGS)


def admit(rules: Sequence[Rule], facts: Facts) -> Given:
    """What the first rule that matches gives. What it does not name, and a change that none matches, gets
    the least: untrusted, class change, any pool. O(rules)."""
    for rule in rules:
        if matches(rule, facts):
            return Given(
                trust=rule.trust or "untrusted",
                klass=rule.klass or "change",
                pools=rule.pools,
            )
    return Given()


def groups_of(groups: Mapping[str, Sequence[str]], who: str) -> tuple[str, ...]:
    """The groups of farm.toml that name this person, in order of their names; none for nobody."""
    return tuple(sorted(name for name, members in groups.items() if who and who in members))


def matches(rule: Rule, facts: Facts) -> bool:
    """True when everything that the rule names is so. A rule that names nothing matches every change; one that
    names what is not known here matches none. A pattern for a branch that begins with refs/ means full names."""
    known = {
        "branch": (facts.branch,),
        REFS: (facts.ref,),
        "who": (facts.who,),
        "group": facts.groups,
        "project": (facts.project,),
    }
    return all(
        any(alike(pattern, found) for found in known.get(_key(key, pattern), ()))
        for key, pattern in rule.match.items()
    )


def _key(key: str, pattern: str) -> str:
    """Where to look for what a pattern means."""
    return REFS if key == "branch" and pattern.startswith(REFS) else key


def alike(pattern: str, text: str) -> bool:
    """True when `text` is `pattern`, in which each * stands for any text, also none. O(len(pattern) + len(text))
    searches: no text can make it slow."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == text
    *inner, last = others
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in inner:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
