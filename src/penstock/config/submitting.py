"""From what somebody submits to a build: the repository is read, planned by the rules of the farm, and stored."""

import re

from penstock.config.asking import REMOTE, Found, find
from penstock.config.identities import registered
from penstock.config.mistakes import Mistake, Mistakes
from penstock.forges.git import Git
from penstock.forges.git.address import address_of
from penstock.hub import planner
from penstock.hub.context import Hub
from penstock.hub.hopeless import warnings
from penstock.hub.sessions import refuse_where_moved
from penstock.hub.submission import Accepted, Submission, Unfit, change_id, known
from penstock.model.change import Build, Change
from penstock.model.farm import Farm
from penstock.model.job import Source
from penstock.model.rules import Rules
from penstock.model.units import DAY_MS
from penstock.policy.admission import Facts, Vouched, admit, branch_of, groups_of, vouched_for
from penstock.policy.planning import CLASSES, Given, PlanningError, lower_class, plan
from penstock.policy.secrets import refuse_secrets
from penstock.ports import ForgeError, Tx

FAR = (
    "{!r} is a folder, and this hub sees only what it can fetch: push it and name an https or ssh address, "
    "or submit it as the local operator on the hub's own machine"
)
BLANK = re.compile(r"\s+")


class Submitter:
    """Any number of threads may call it. `git` reads for people, `local` for the local operator, who may name folders."""

    def __init__(self, hub: Hub, git: Git, local: Git) -> None:
        self._hub, self._git, self._local = hub, git, local

    def __call__(self, asked: Submission) -> Accepted:
        """The build that answers, and what of it nobody could take. Raises Unfit for what cannot be built as it is; Refused for a request id that was
        used for something else; Moved where the farm is served elsewhere now."""
        build = self._hub.store.read(lambda tx: _known(tx, asked)) or self._new(asked)
        return Accepted(build=build, warnings=warnings(self._hub, build.id))

    def _new(self, asked: Submission) -> Build:
        try:
            return self._submit(asked, self._found(asked))
        except (ForgeError, Mistake, Mistakes, PlanningError) as wrong:
            raise Unfit(BLANK.sub(" ", str(wrong).replace("\n", "; "))) from wrong

    def _found(self, asked: Submission) -> Found:
        if not asked.local and not REMOTE.match(asked.repository):
            raise Unfit(FAR.format(asked.repository))
        git = self._local if asked.local else self._git
        return find(git, Source(repository=asked.repository, ref=asked.ref, path=asked.path))

    def _submit(self, asked: Submission, found: Found) -> Build:
        rules = self._hub.rules
        vouched = vouched_for(rules.projects, address_of(found.source.repository).canonical, found.ref)
        given = given_to(asked, rules, vouched)
        platforms = [name for module in found.manifest.modules for name in module.platforms]
        identities = registered(self._hub, platforms, given.trust)
        made = plan(found.manifest, rules.platforms, identities, found.sources, given)
        facts = _facts(asked, rules, vouched)
        refuse_secrets(found.manifest, made, rules.secrets, facts)
        change = Change(
            id=change_id(asked),
            source=found.source.repository,
            ref=found.source.commit,
            who=asked.who,
            trust=given.trust,
            klass=given.klass,
            project=vouched.project or asked.project,
            pools=given.pools,
            priority=asked.priority,
            queue_limit_ms=asked.queue_limit_ms or DAY_MS,
            branch=facts.branch,
        )
        whose = _counted(asked, vouched)
        return planner.submit(self._hub, change, made, first=lambda tx: _known(tx, asked), project=whose)


def _known(tx: Tx, asked: Submission) -> Build | None:
    farm = tx.get(Farm, "farm")
    if farm is not None:
        refuse_where_moved(farm)
    return known(tx, asked)


def _counted(asked: Submission, vouched: Vouched) -> str:
    """The project whose share and pools the jobs use. What who asks calls it is a label, but for the local operator."""
    return vouched.project or (asked.project if asked.local else "")


def given_to(asked: Submission, rules: Rules, vouched: Vouched) -> Given:
    """What the rules give to a submission, and of that what it asks for.

    A token vouches for who asks. Project and branch are those that the farm saw itself, at an address that farm.toml
    names; anybody can name another branch "main". A commit that is on no branch or tag has no project for rules
    either: forges also show those of forks under the address. Only the local operator's word is taken beyond that;
    who has no rules is trusted, as by `penstock build`. Raises Unfit for a class that there is not, and for another
    project than the repository's.
    """
    if asked.klass and asked.klass not in CLASSES:
        raise Unfit(f"class {asked.klass!r}: write one of {', '.join(CLASSES)}")
    if vouched.project and asked.project not in ("", vouched.project):
        raise Unfit(
            f"project {asked.project!r}: {asked.repository} is of project {vouched.project!r}; leave the project out"
        )
    found = (
        admit(rules.rules, _facts(asked, rules, vouched))
        if rules.rules or not asked.local
        else Given(trust="trusted")
    )
    return Given(trust=found.trust, klass=lower_class(found.klass, asked.klass or None), pools=found.pools)


def _facts(asked: Submission, rules: Rules, vouched: Vouched) -> Facts:
    """What the rules are asked with."""
    branch, ref, project = branch_of(vouched.ref), vouched.ref, vouched.project if vouched.ref else ""
    if asked.local:
        branch, ref = branch or asked.ref, ref or asked.ref
        project = vouched.project or asked.project
    groups = groups_of(rules.groups, asked.who)
    return Facts(who=asked.who, groups=groups, branch=branch, ref=ref, project=project)
