"""How `[pool.kubernetes]` is read, and what a pool of provider kubernetes must and must not say beside it."""

import re
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Noted, Refused, each, record, shown
from penstock.config.pool_tables import Needs, own_table, value_of
from penstock.config.values import choice, count, positive, seconds, some_seconds, text
from penstock.model.pool_kubernetes import Kubernetes, Toleration

SPACE = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
"""As Kubernetes has them: a namespace, any other name, key and value of a label."""


def _shaped(pattern: re.Pattern[str], example: str) -> Any:
    """Text of this shape."""

    def read(desk: Desk, item: Item, where: str) -> str:
        if not isinstance(item.value, str) or not pattern.fullmatch(item.value):
            raise Refused(f"{where} is {shown(item.value)}", f"write one such as {example}")
        return item.value

    return read


def _image(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if re.search(r"\s", value):
        raise Refused(f"{where} is {shown(value)}", "write one such as registry.example.org/agent:12")
    return value


def _file(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not value.startswith("/"):
        raise Refused(f"{where} is {shown(value)}", "write its whole path, from / on")
    return value


def _milli(desk: Desk, item: Item, where: str) -> int:
    return max(1, round(1000 * positive(desk, item, where)))


def _labels(desk: Desk, item: Item, where: str) -> dict[str, str]:
    if not isinstance(item.value, dict):
        raise Refused(f"{where} is {shown(item.value)}", 'write a table such as { disk = "ssd" }')
    found = {}
    for key, value in item.value.items():
        with Noted(desk, value):
            if not KEY.fullmatch(key):
                raise Refused(f"{where} has {shown(key)}", "write the key of a label")
            found[key] = _shaped(VALUE, "ssd, the value of a label")(desk, value, f"`{key}` of {where}")
    return found


TOLERATION: Fields = {
    "key": Field(read=_shaped(KEY, "dedicated"), about="key of the taint; left out = any, with Exists"),
    "operator": Field(read=choice("Equal", "Exists"), about='"Equal" to `value`, or "Exists"'),
    "value": Field(read=_shaped(VALUE, "ci"), about="value of the taint"),
    "effect": Field(
        read=choice("NoSchedule", "PreferNoSchedule", "NoExecute"),
        about="effect of the taint; left out = any",
    ),
}
KUBERNETES: Fields = {
    "image": Field(
        read=_image, required=True, about="container image that agents run in; it needs python3 and git"
    ),
    "namespace": Field(read=_shaped(SPACE, "penstock"), into="space", about="namespace of the pods"),
    "kubeconfig": Field(read=_file, about="file that says where the cluster is and who calls"),
    "context": Field(read=text, about="context of that file"),
    "request_cores": Field(
        read=_milli,
        into="request_cores_milli",
        about="cores that the scheduler is asked for, where that is less than `pool.cores`",
    ),
    "disk_mb": Field(read=count(1), about="disk of one pod, in MB"),
    "node_selector": Field(
        read=_labels, into="selector", about="labels that the cluster's machines must have"
    ),
    "tolerations": Field(
        read=each(record(Toleration, TOLERATION), 'a list such as [{ key = "ci", operator = "Exists" }]'),
        inner=TOLERATION,
        about="taints of the cluster's machines that pods put up with",
    ),
    "priority_class": Field(read=_shaped(NAME, "builds"), about="priority class of the pods"),
    "service_account": Field(
        read=_shaped(NAME, "agent"), about="account of the pods; its token is not given to them"
    ),
    "pull_secret": Field(read=_shaped(NAME, "registry"), about="secret that the image is fetched with"),
    "deadline_s": Field(
        read=seconds, into="deadline_ms", about="seconds that a pod lasts at most; 0 = no limit"
    ),
    "grace_s": Field(
        read=some_seconds,
        into="grace_ms",
        about="seconds between the word that a pod is to end and its end",
    ),
    "when_full": Field(
        read=choice("wait", "refuse"),
        about='"wait" until the cluster adds a machine, or "refuse": other pools take over at once',
    ),
}
NEEDS = Needs("kubernetes", "image", "pods")
KUBERNETES_RECORD = record(Kubernetes, KUBERNETES)


def check_kubernetes(desk: Desk, pool: Item, farm: Any) -> None:
    """What is only seen beside the rest of the pool. `farm`: what [farm] holds, None where it is not there."""
    table = own_table(desk, pool, farm, NEEDS)
    if table is None:
        return
    _sized(desk, pool, table)
    if value_of(pool, "resume_s") is not None:
        desk.wrong(pool.value["resume_s"].line, "pods cannot be suspended", "remove `resume_s`")
    if value_of(pool, "slots") not in (None, 1):
        what = f"a pod runs one job at a time, not {shown(value_of(pool, 'slots'))}"
        desk.wrong(pool.value["slots"].line, what, "remove `slots`, and write more pods as `max`")


def _sized(desk: Desk, pool: Item, table: Item) -> None:
    """The scheduler must know what a pod takes, and the kernel when it takes more."""
    if value_of(pool, "cores") is None or value_of(pool, "memory_mb") is None:
        what = "a pod needs its size"
        desk.wrong(pool.line, what, "write cores = N and memory_mb = N in the pool")
        return
    asked, cores = value_of(table, "request_cores"), value_of(pool, "cores")
    if isinstance(cores, int) and asked is not None and _number(asked) > cores:
        what = f"`request_cores` is above `cores` {cores}"
        desk.wrong(table.value["request_cores"].line, what, "write at most as many")


def _number(found: Any) -> float:
    try:
        return float(found)
    except (TypeError, ValueError):
        return 0.0
