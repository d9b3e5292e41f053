"""What each platform is on a farm that is served: what the agents of its machines have measured."""

from collections import Counter
from collections.abc import Iterable, Mapping

from penstock.hub.context import Hub
from penstock.hub.submission import Unfit
from penstock.model.job import Trust
from penstock.model.machine import Machine, Session
from penstock.model.rules import Rules
from penstock.model.states import Power
from penstock.ports import Tx

MADE = ("ec2", "kubernetes", "libvirt")
"""Providers that make machines when jobs wait for them, and not before."""
OVER = (Power.DELETING, Power.GONE)


NOBODY = (
    'platform {name!r} has image "host", which an agent has to measure first, and its machines are only made for jobs that wait:'
    ' write image = "NAME" in its table, a new NAME with each new image'
)


def registered(hub: Hub, platforms: Iterable[str], trust: Trust) -> Mapping[str, str]:
    """The identity of each of these platforms that farm.toml has: its image, or for "host" what most machines of its
    pools measured, the newest where as many say otherwise. Raises Unfit where nobody has measured it yet.

    Only machines that take jobs of this trust are asked, as long as there are any: what an untrusted machine says of itself
    must not decide where trusted jobs run.
    """
    rules = hub.rules
    wanted = [name for name in dict.fromkeys(platforms) if name in rules.platforms]
    hosts = [name for name in wanted if rules.platforms[name].image == "host"]
    measured = hub.store.read(lambda tx: {name: _measured(tx, rules, name, trust) for name in hosts})
    for name, identity in measured.items():
        if not identity and name in never_measured(rules):
            raise Unfit(NOBODY.format(name=name))
        if not identity:
            raise Unfit(
                f"no agent of a pool with platform {name!r} has registered yet, so nobody knows what that is: "
                "start one with `penstock agent` and submit again"
            )
    return {name: measured.get(name) or rules.platforms[name].image for name in wanted}


def never_measured(rules: Rules) -> list[str]:
    """Platforms of image "host" whose machines are only made for jobs that wait, which no job can before one was there."""
    found = []
    for platform in rules.platforms.values():
        pools = [pool for pool in rules.pools if platform.name in pool.platforms and not pool.serves]
        made = [pool.provider in MADE and not pool.min for pool in pools]
        if platform.image == "host" and made and all(made):
            found.append(platform.name)
    return found


def _measured(tx: Tx, rules: Rules, platform: str, trust: Trust) -> str:
    """What most machines that have this platform are; "" where there is none."""
    pools = [pool.name for pool in rules.pools if platform in pool.platforms]
    machines = [machine for pool in pools for machine in tx.find(Machine, "pool", pool)]
    there = [machine for machine in machines if machine.identity and machine.power not in OVER]
    there = [machine for machine in there if trust in machine.trust] or there
    counts = Counter(machine.identity for machine in there)
    newest: dict[str, int] = {}
    for machine in there:
        newest[machine.identity] = max(newest.get(machine.identity, 0), _started_ms(tx, machine))
    return max(counts, key=lambda one: (counts[one], newest[one], one), default="")


def _started_ms(tx: Tx, machine: Machine) -> int:
    session = tx.get(Session, machine.session) if machine.session else None
    return session.started_ms if session is not None else 0
