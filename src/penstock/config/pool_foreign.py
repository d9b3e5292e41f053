"""How `[pool.serves]` is read, and what a pool that serves another system must and must not say beside it."""

import re
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Refused, each, near, record, shown
from penstock.config.pool_tables import value_of
from penstock.config.values import name, text
from penstock.model.pool_foreign import OURS, Serves

SERVING = {
    "buildbot-worker": ("owned", "ec2", "libvirt", "simulated"),
    "gitlab-runner": ("owned", "ec2", "simulated"),
}
"""Providers whose machines can run another system's agent. Debian, of which the image of libvirt's is made, has no package of
GitLab's."""
LONGEST = 50
"""So long may the name of an agent be at most there (Buildbot's limit)."""


def _url(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", value):
        raise Refused(
            f"{where} is {shown(value)}", "write one such as https://ci.example.org, without a password"
        )
    return value.rstrip("/")


def _names(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*%d[A-Za-z0-9_-]*", value) or len(value) > LONGEST - 4:
        raise Refused(
            f"{where} is {shown(value)}", 'write letters, digits, - and _ with one %d, such as "burst-%d"'
        )
    return value


def _master(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}", value):
        raise Refused(f"{where} is {shown(value)}", "write HOST:PORT, such as ci.example.org:9989")
    return value


def _platforms(desk: Desk, item: Item, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(item.value, dict) or not item.value:
        raise Refused(f"{where} is {shown(item.value)}", 'write a table such as { "linux-*" = "debian-12" }')
    return tuple(
        (pattern, name(desk, value, f"`{pattern}` of {where}")) for pattern, value in item.value.items()
    )


SERVES: Fields = {
    "url": Field(read=_url, required=True, about="address of the other system's REST interface"),
    "platforms": Field(
        read=_platforms,
        required=True,
        about='which builders\' requests are for it: { "PATTERN" = "PLATFORM" }, first match wins; "tag:PATTERN" is a tag of GitLab',
    ),
    "names": Field(
        read=_names, required=True, about="what its agents are called there; %d stands for 1, 2, ..."
    ),
    "secrets_file": Field(
        read=text, about='file on the hub with lines "NAME SECRET": what each agent logs in with'
    ),
    "master": Field(read=_master, about="HOST:PORT that Buildbot's agents call"),
    "token_file": Field(
        read=text,
        about='file on the hub with what its own calls log in with: a token of GitLab, "NAME:PASSWORD" of Buildbot',
    ),
    "ca_file": Field(read=text, about="certificate authority of that address"),
    "repositories": Field(
        read=each(text, 'a list such as ["group/project"]', empty=False),
        about="projects of GitLab whose jobs are looked at",
    ),
}


SERVES_RECORD = record(Serves, SERVES)


def check_foreign(desk: Desk, pools: list[Item]) -> None:
    """What is only seen beside the rest of a pool, and beside other pools."""
    first: dict[Any, int] = {}
    for pool in pools:
        table = pool.value.get("serves") if isinstance(pool.value, dict) else None
        agent = value_of(pool, "agent") or OURS
        if agent != OURS and table is None:
            what = f"agent {shown(agent)} works for another system, and `serves` does not say which"
            desk.wrong(
                pool.value["agent"].line, what, "write a table [pool.serves] with url, platforms and names"
            )
        elif agent == OURS and table is not None:
            desk.wrong(
                table.line,
                "`serves` beside Penstock's own agent",
                'write agent = "buildbot-worker" or "gitlab-runner"',
            )
        elif table is not None:
            _whole(desk, pool, table)
            names = value_of(table, "names")
            if isinstance(names, str) and first.setdefault(names, table.line) != table.line:
                what = f"its agents have the names of those of the pool on line {first[names]}"
                desk.wrong(table.value["names"].line, what, "give them others")


def _whole(desk: Desk, pool: Item, table: Item) -> None:
    provider, agent = value_of(pool, "provider"), value_of(pool, "agent")
    able = SERVING.get(agent, ()) if isinstance(agent, str) else ()
    if isinstance(provider, str) and able and provider not in able:
        what = f"machines of provider {shown(provider)} cannot run {agent}"
        desk.wrong(pool.value["agent"].line, what, f"take one of {', '.join(able)}, or remove `agent`")
    rented = provider != "owned"
    needed = [("secrets_file", "its machines must know what to log in with")] if rented else []
    if rented and agent == "buildbot-worker":
        needed.append(("master", "its machines must know whom to call"))
    if agent == "gitlab-runner":
        needed += [
            ("token_file", "GitLab tells strangers nothing"),
            ("repositories", "whose jobs count must be said"),
        ]
    for key, why in needed:
        if value_of(table, key) is None:
            desk.wrong(table.line, f"`serves` lacks `{key}`: {why}", f"write {key}: {SERVES[key].about}")
    if rented and value_of(pool, "max") is None:
        what = "that system knows a fixed number of agents"
        desk.wrong(pool.line, what, "write max = N, as many as there are names and secrets")
    trust = value_of(pool, "trust")
    levels = [one.value for one in trust] if isinstance(trust, list) else [trust]
    if trust is not None and "untrusted" not in levels:
        what = "what another system runs counts as untrusted here"
        desk.wrong(pool.value["trust"].line, what, 'write trust = "untrusted", or leave it out')
    _known(desk, pool, table)


def _known(desk: Desk, pool: Item, table: Item) -> None:
    """Platforms that it maps to are those of the pool."""
    asked, mine = value_of(table, "platforms"), value_of(pool, "platforms")
    if not isinstance(asked, dict) or not isinstance(mine, list):
        return
    names = [one.value for one in mine if isinstance(one.value, str)]
    for one in asked.values():
        if isinstance(one.value, str) and one.value not in names:
            desk.wrong(one.line, f"the pool has no platform {shown(one.value)}", near(one.value, names))
