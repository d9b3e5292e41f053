"""Every setting of farm.toml: how it is read, what it is for. Defaults are those of the records in model/rules."""

import re
from collections.abc import Callable
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Refused, each, read_table, record, shown
from penstock.config.money_fields import NAMES, TCO, TCO_RECORD
from penstock.config.pool_ec2 import EC2, EC2_RECORD
from penstock.config.pool_foreign import SERVES, SERVES_RECORD
from penstock.config.pool_kubernetes import KUBERNETES, KUBERNETES_RECORD
from penstock.config.pool_libvirt import LIBVIRT, LIBVIRT_RECORD
from penstock.config.pool_power import CONTROL, CONTROL_RECORD
from penstock.config.values import (
    choice,
    count,
    currency,
    environment,
    label,
    name,
    positive,
    price,
    rate,
    seconds,
    some_seconds,
    text,
)
from penstock.forges.git.address import HOST, NotAllowed, address_of
from penstock.model.rules import Billing, Lease, Pool, Quantiles, Rule, Waiting
from penstock.model.units import Size
from penstock.policy.planning import CLASSES
from penstock.policy.reaching import HOW, entry_of
from penstock.reports.tco import hourly_micros

PROVIDERS = ("owned", "local", "libvirt", "ec2", "kubernetes", "simulated")
PLACE = re.compile(rf"{HOST}(?::(?P<port>[0-9]{{1,5}}))?")


def _either(*starts: str) -> Callable[[Desk, Item, str], str]:
    """Text that begins with one of `starts` and goes on after it."""

    def read(desk: Desk, item: Item, where: str) -> str:
        value = text(desk, item, where)
        if not any(value.startswith(start) and value != start for start in starts):
            raise Refused(f"{where} is {shown(value)}", "begin it with " + " or ".join(starts))
        return value

    return read


def _percent(desk: Desk, item: Item, where: str) -> float:
    value = positive(desk, item, where)
    if value >= 100:
        raise Refused(f"{where} is {shown(item.value)}", "write a number above 0 and below 100, such as 95")
    return value


def _trust(desk: Desk, item: Item, where: str) -> tuple[str, ...]:
    one = choice("trusted", "untrusted")
    if not isinstance(item.value, list):
        return (one(desk, item, where),)
    return tuple(
        dict.fromkeys(each(one, 'one or both of "trusted" and "untrusted"', empty=False)(desk, item, where))
    )


def _quantiles(desk: Desk, item: Item, where: str) -> Quantiles:
    if not isinstance(item.value, dict):
        value = seconds(desk, item, where)
        return Quantiles(value, value)
    found = read_table(desk, item, where, QUANTILES)
    if len(found) == 2 and found["p95_ms"] < found["p50_ms"]:
        raise Refused(f"{where} has a p95 below its p50", "write the larger one as p95")
    return Quantiles(found.get("p50_ms", 0), found.get("p95_ms", 0))


def _waiting(**found: Any) -> Waiting:
    return Waiting(**found.pop("target", {}), **found)


def _target(desk: Desk, item: Item, where: str) -> dict[str, Any]:
    return read_table(desk, item, where, TARGET)


def _pool(cores: int | None = None, memory_mb: int | None = None, **found: Any) -> Pool:
    if "tco" in found:
        found["price_per_hour_micros"] = hourly_micros(found["tco"])
    return Pool(size=Size(cores, memory_mb) if cores else None, **found)


def _rule(match: dict[str, str] | None = None, give: dict[str, Any] | None = None) -> Rule:
    return Rule(match=match or {}, **(give or {}))


def _table(fields: Fields) -> Callable[[Desk, Item, str], dict[str, Any]]:
    def read(desk: Desk, item: Item, where: str) -> dict[str, Any]:
        return read_table(desk, item, where, fields)

    return read


def _repository(desk: Desk, item: Item, where: str) -> str:
    """The address of a repository that others can name, too, in the one way to write it."""
    try:
        address = address_of(text(desk, item, where))
    except NotAllowed as wrong:
        raise Refused(f"{where}: {wrong.what}", wrong.instead) from None
    if not address.canonical:
        raise Refused(
            f"{where} is the folder {shown(item.value)}", "write an address such as https://HOST/PATH"
        )
    return address.canonical


def _host(desk: Desk, item: Item, where: str) -> str:
    """A host, as `Address.place` writes it, or with any port."""
    found = PLACE.fullmatch(text(desk, item, where))
    if not found or int(found["port"] or 1) not in range(1, 65536):
        raise Refused(
            f"{where} is {shown(item.value)}",
            "write the whole name of a host, such as git.example.org, with :PORT behind it where that is not its own",
        )
    return found[0].lower()


def _place(desk: Desk, item: Item, where: str) -> str:
    """What machines may reach through the hub."""
    try:
        entry_of(text(desk, item, where))
    except ValueError:
        raise Refused(f"{where} is {shown(item.value)}", HOW) from None
    return str(item.value).lower()


FARM: Fields = {
    "name": Field(read=label, about="what the farm is called on pages and in the tags of its machines"),
    "state": Field(
        read=_either("sqlite:///", "postgresql://"),
        about="the database: sqlite:///FILE (three slashes: relative to this file, four: absolute) or postgresql://...",
    ),
    "blobs": Field(
        read=_either("file:", "s3://"), about="where outputs are kept: file:FOLDER or s3://BUCKET/PREFIX"
    ),
    "currency": Field(read=currency, about="the currency of all prices, three capitals"),
    "address": Field(
        read=_either("https://", "http://"),
        about="where rented machines find the hub, such as https://hub.example.org",
    ),
}
LEASE: Fields = {
    "contact_s": Field(
        read=some_seconds, into="contact_ms", about="seconds without a word until a machine is suspect"
    ),
    "right_s": Field(
        read=some_seconds, into="right_ms", about="seconds without a word until an attempt is lost"
    ),
    "offer_s": Field(
        read=some_seconds, into="offer_ms", about="seconds that an offer stands without being acknowledged"
    ),
}
TARGET: Fields = {
    "percentile": Field(
        read=_percent, into="target_percentile", about="which share of jobs is promised to start in time"
    ),
    "seconds": Field(read=seconds, into="target_ms", about="how long such a job may wait"),
}
WAITING: Fields = {
    "price_per_hour": Field(
        read=price,
        into="price_per_hour_micros",
        about="what one hour of a person waiting for one job is worth",
    ),
    "target": Field(read=_target, inner=TARGET, about="the promise, { percentile = 95, seconds = 900 }"),
    "lateness": Field(
        read=choice("avoid", "spend"),
        about='"avoid", or "spend": may use up the share that the promise leaves where that saves most',
    ),
}
PLATFORM: Fields = {
    "arch": Field(read=label, about="the processor architecture"),
    "image": Field(
        read=label, about='what runs the job; "host" is the machine itself, known by its measured fingerprint'
    ),
    "environment": Field(read=environment, about="variables that every job of the platform gets"),
}
QUANTILES: Fields = {
    "p50": Field(
        read=seconds, into="p50_ms", required=True, about="seconds that half of the times stay below"
    ),
    "p95": Field(read=seconds, into="p95_ms", required=True, about="seconds that 95 of 100 times stay below"),
}
BILLING: Fields = {
    "granularity_s": Field(
        read=some_seconds, into="granularity_ms", about="seconds that a rent is rounded up to"
    ),
    "minimum_s": Field(
        read=seconds, into="minimum_ms", about="seconds that every start costs at least, a resume included"
    ),
}
POOL: Fields = {
    "name": Field(read=name, required=True, about="what the pool is called; unique"),
    "provider": Field(
        read=choice(*PROVIDERS), required=True, about="who gives its machines: " + ", ".join(PROVIDERS)
    ),
    "platforms": Field(
        read=each(label, "a list of platforms", empty=False),
        required=True,
        about="the platforms that its machines run",
    ),
    "slots": Field(read=count(1), about="jobs that one machine runs at the same time"),
    "cores": Field(read=count(1), about="processor cores of one machine that jobs may ask for"),
    "memory_mb": Field(
        read=count(1), about="memory of one machine that jobs may ask for, in MB; needs `cores` beside it"
    ),
    "machines": Field(read=count(), about="how many machines there are, for owned ones"),
    "min": Field(read=count(), about="machines that are kept up even when idle"),
    "max": Field(read=count(), about="machines that may be rented at the same time"),
    "trust": Field(read=_trust, about='which jobs it takes: "trusted", "untrusted" or a list of both'),
    "price_per_hour": Field(
        read=price,
        into="price_per_hour_micros",
        about="price of one machine-hour; owned machines cost it used or not",
    ),
    "tco": Field(
        read=TCO_RECORD,
        inner=TCO,
        about="what one owned machine costs, all included; its price an hour follows from it",
    ),
    "egress_per_gb": Field(
        read=price,
        into="egress_per_gb_micros",
        about="price of a GB (10^9 bytes) of outputs and logs that leaves its machines",
    ),
    "stopped_price_per_hour": Field(
        read=price, into="stopped_price_per_hour_micros", about="price of one hour of a suspended machine"
    ),
    "boot_s": Field(
        read=_quantiles,
        into="boot",
        inner=QUANTILES,
        about="seconds from the request of a new machine to its first job; a number or { p50, p95 }",
    ),
    "resume_s": Field(
        read=_quantiles,
        into="resume",
        inner=QUANTILES,
        about="seconds from the request to resume a suspended machine to its first job; a number or { p50, p95 }",
    ),
    "suspend_s": Field(read=seconds, into="suspend_ms", about="seconds that suspending takes, rented"),
    "delete_s": Field(read=seconds, into="delete_ms", about="seconds that deleting takes, rented"),
    "cold_cache_s": Field(
        read=seconds,
        into="cold_cache_ms",
        about="extra seconds of the first job on a machine whose disk is new",
    ),
    "billing": Field(read=record(Billing, BILLING), inner=BILLING, about="how the provider rounds"),
    "reclaim_per_hour": Field(read=rate, about="chance of losing a spot machine in one hour"),
    "speed": Field(read=positive, about="how fast its machines are; a job of 60 s takes 30 s at speed 2"),
    "uses": Field(
        read=count(),
        about="jobs until a machine is replaced, or cleaned where it is owned; 1 = a fresh machine for every job, 0 = no limit",
    ),
    "network": Field(
        read=choice("full", "hub-only"),
        about='what its machines reach: "full", or "hub-only", where sources, caches and blobs come through the hub',
    ),
    "reaches": Field(
        read=each(_place, 'a list such as ["deb.example.net:80", "*.example.org:443"]'),
        about="where network is hub-only: what jobs with `network: full` reach through the hub, HOST:PORT",
    ),
    "power_off_after_s": Field(
        read=seconds,
        into="power_off_after_ms",
        about="seconds without a word of the hub until a rented machine powers itself off; 0 = never",
    ),
    "agent": Field(
        read=choice("penstock", "buildbot-worker", "gitlab-runner"),
        about='whose agent its machines run: "penstock", "buildbot-worker" or "gitlab-runner"',
    ),
    "serves": Field(
        read=SERVES_RECORD, inner=SERVES, about="the other system whose queue its machines serve"
    ),
    "libvirt": Field(read=LIBVIRT_RECORD, inner=LIBVIRT, about="of provider libvirt: its virtual machines"),
    "ec2": Field(read=EC2_RECORD, inner=EC2, about="of provider ec2: its instances"),
    "kubernetes": Field(read=KUBERNETES_RECORD, inner=KUBERNETES, about="of provider kubernetes: its pods"),
    "control": Field(
        read=each(CONTROL_RECORD, "[[pool.control]] with two brackets"),
        into="controls",
        inner=CONTROL,
        about="how an owned machine is switched on and off",
    ),
    "classes": Field(read=NAMES, about="classes of jobs that it takes; none named = all"),
    "projects": Field(read=NAMES, about="projects whose jobs it takes; none named = all"),
}
MATCH: Fields = {
    "branch": Field(
        read=text,
        about="the branch or tag, * stands for anything; a pattern that begins with refs/ means full names, such as refs/tags/v*",
    ),
    "who": Field(read=text, about="who asks: a person, * stands for anything, or a group of [group]"),
    "project": Field(read=text, about="the project, * stands for anything"),
}
GIVE: Fields = {
    "trust": Field(read=choice("trusted", "untrusted"), about="the trust that the change gets"),
    "class": Field(read=choice(*CLASSES), into="klass", about="the class that its jobs get"),
    "pools": Field(read=NAMES, about="the pools that its jobs may use"),
}
RULE: Fields = {
    "match": Field(
        read=_table(MATCH),
        inner=MATCH,
        about="what a change must be for the rule to apply; empty = any change",
    ),
    "give": Field(
        read=_table(GIVE),
        inner=GIVE,
        required=True,
        about="what such a change may be; the built repository can only ask for less",
    ),
}
PROJECT: Fields = {
    "share": Field(
        read=count(1), about="parts of the farm that it gets while others want more than there is, too"
    ),
    "repositories": Field(
        read=each(_repository, 'a list of addresses such as ["https://git.example.org/qemu.git"]'),
        about="its own repositories: what is built from them is of this project, on the branch that it was read from",
    ),
}
SECRET: Fields = {
    "file": Field(
        read=text,
        required=True,
        about="file on the hub that holds it, which only the hub's user may read (0600)",
    ),
    "projects": Field(read=NAMES, about="projects whose jobs may have it; none named = all that are trusted"),
    "branches": Field(
        read=each(text, 'a list of branches such as ["main"]'),
        about="branches whose jobs may have it, as in `rule.match.branch`; none named = all that are trusted",
    ),
    "classes": Field(
        read=each(choice(*CLASSES), 'a list of classes such as ["release"]'),
        about="classes of jobs that may have it; none named = all that are trusted",
    ),
}
GIT: Fields = {
    "hosts": Field(
        read=each(_host, 'a list of hosts such as ["git.example.org"]'),
        into="git_hosts",
        about="git servers that everybody may name though they are in a private network",
    ),
}
WAITING_RECORD = record(_waiting, WAITING)
LEASE_RECORD = record(Lease, LEASE)
POOL_RECORD = record(_pool, POOL)
RULE_RECORD = record(_rule, RULE)
