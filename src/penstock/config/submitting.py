"""From what somebody submits to a build: the repository is read, planned by the rules of the farm, and stored."""

import re

from penstock.config.asking import REMOTE, Found, find
from penstock.config.identities import registered
from penstock.config.mistakes import Mistake, Mistakes
from penstock.forges.git import Git
from penstock.hub import planner
from penstock.hub.context import Hub
from penstock.hub.sessions import refuse_where_moved
from penstock.hub.submission import Submission, Unfit, change_id, known
from penstock.model.change import Build, Change
from penstock.model.farm import Farm
from penstock.model.job import Source
from penstock.model.rules import Rules
from penstock.model.units import DAY_MS
from penstock.policy.admission import Facts, admit, groups_of
from penstock.policy.planning import CLASSES, Given, PlanningError, lower_class, plan
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

    def __call__(self, asked: Submission) -> Build:
        """The build that answers. Raises Unfit for what cannot be built as it is; Refused for a request id that was
        used for something else; Moved where the farm is served elsewhere now."""
        there = self._hub.store.read(lambda tx: _known(tx, asked))
        if there is not None:
            return there
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
        given = given_to(asked, rules)
        platforms = [name for module in found.manifest.modules for name in module.platforms]
        identities = registered(self._hub, platforms)
        made = plan(found.manifest, rules.platforms, identities, found.sources, given)
        change = Change(
            id=change_id(asked),
            source=found.source.repository,
            ref=found.source.commit,
            who=asked.who,
            trust=given.trust,
            klass=given.klass,
            project=asked.project,
            pools=given.pools,
            priority=asked.priority,
            queue_limit_ms=asked.queue_limit_ms or DAY_MS,
        )
        return planner.submit(self._hub, change, made, first=lambda tx: _known(tx, asked))


def _known(tx: Tx, asked: Submission) -> Build | None:
    farm = tx.get(Farm, "farm")
    if farm is not None:
        refuse_where_moved(farm)
    return known(tx, asked)


def given_to(asked: Submission, rules: Rules) -> Given:
    """What the rules give to a submission, and of that what it asks for.

    A token vouches for who asks. Which branch or project a repository's text is of, nobody vouches for: anybody can
    name a branch "main". Only the local operator's word is taken for it; who has no rules is trusted, as by
    `penstock build`. Raises Unfit for a class that there is not.
    """
    if asked.klass and asked.klass not in CLASSES:
        raise Unfit(f"class {asked.klass!r}: write one of {', '.join(CLASSES)}")
    who = Facts(who=asked.who, groups=groups_of(rules.groups, asked.who))
    if asked.local:
        who = Facts(who=who.who, groups=who.groups, branch=asked.ref, project=asked.project)
    found = admit(rules.rules, who) if rules.rules or not asked.local else Given(trust="trusted")
    return Given(trust=found.trust, klass=lower_class(found.klass, asked.klass or None), pools=found.pools)
