"""What a pod, as the cluster tells of it, is as a machine: its state, why it is so, and how long it is still there."""

import datetime
from typing import Any

import msgspec

from penstock.model.rented import TAG_FARM, Instance, InstanceState, Notice

Pod = dict[str, Any]
TAGS = TAG_FARM.partition("-")[0] + "-"
"""How labels and annotations begin that carry tags."""
LEAVES_MS = 1_800_000
"""So long before its deadline a pod gets nothing new."""
LONGEST = 300
_BROKEN = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)
"""Reasons for which a container waits that do not go away by waiting."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A pod as a machine. `stuck`: it will hardly come up, "full" for want of room, "broken" for any other reason."""

    instance: Instance
    stuck: str = ""


def seen(pod: Pod) -> Seen:
    """What it is now. Whatever the cluster leaves out is taken for nothing."""
    state, why, stuck = _state(pod)
    return Seen(
        instance=Instance(id=name_of(pod), state=state, tags=tags(pod), why=plain(why)),
        stuck=stuck if state == "coming" else "",
    )


def _state(pod: Pod) -> tuple[InstanceState, str, str]:
    phase = status(pod).get("phase")
    if phase in ("Succeeded", "Failed"):
        return "gone", _end(pod), ""
    if meta(pod).get("deletionTimestamp"):
        return "going", _disruption(pod), ""
    if phase == "Running":
        return "up", "", ""
    return ("coming", *_waits(pod))


def _waits(pod: Pod) -> tuple[str, str]:
    """Why it does not run yet, and whether that is how it stays."""
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "False":
        stuck = "full" if placed.get("reason") == "Unschedulable" else ""
        return f"no room in the cluster: {placed.get('message', '')}", stuck
    for container in _containers(pod):
        waiting = _table(_table(container.get("state")).get("waiting"))
        if waiting.get("reason") in _BROKEN:
            return f"{waiting['reason']}: {waiting.get('message', '')}", "broken"
    return "", ""


def _end(pod: Pod) -> str:
    """Why it is over: the cluster's own word, else how its container ended."""
    found = status(pod)
    if found.get("reason"):
        return f"{found['reason']}: {found.get('message', '')}"
    if said := _disruption(pod):
        return said
    for container in _containers(pod):
        ended = _table(_table(container.get("state")).get("terminated"))
        if ended:
            return f"its container ended with status {ended.get('exitCode')} ({ended.get('reason', 'no reason')})"
    return f"the pod has {found.get('phase', 'ended').lower()}"


def _disruption(pod: Pod) -> str:
    """Who takes it away, where the cluster says so before it does."""
    found = condition(pod, "DisruptionTarget")
    if found.get("status") != "True":
        return ""
    return f"{found.get('reason', 'disrupted')}: {found.get('message', '')}"


def notice(pod: Pod, now_ms: int) -> Notice | None:
    """In how long it is taken away, by whoever; None while nobody says so. A deadline is told before, too."""
    if status(pod).get("phase") in ("Succeeded", "Failed"):
        return None
    grace_ms = 1000 * _number(_spec(pod).get("terminationGracePeriodSeconds"), 30)
    if at := meta(pod).get("deletionTimestamp"):
        left_ms = moment_ms(at) - now_ms
        granted_ms = 1000 * _number(meta(pod).get("deletionGracePeriodSeconds"), grace_ms // 1000)
        return Notice(id=name_of(pod), left_ms=max(1, min(left_ms, granted_ms)))
    if _disruption(pod):
        return Notice(id=name_of(pod), left_ms=max(1, grace_ms))
    started, limit_s = status(pod).get("startTime"), _spec(pod).get("activeDeadlineSeconds")
    if started and isinstance(limit_s, int):
        left_ms = moment_ms(started) + 1000 * limit_s - now_ms
        if left_ms <= LEAVES_MS:
            return Notice(id=name_of(pod), left_ms=max(1, left_ms))
    return None


def tags(pod: Pod) -> dict[str, str]:
    """Our tags: whole in annotations, as far as they fit in labels."""
    both = {**_table(meta(pod).get("labels")), **_table(meta(pod).get("annotations"))}
    return {key: value for key, value in both.items() if key.startswith(TAGS) and isinstance(value, str)}


def placed(pod: Pod) -> bool:
    """Whether it has a machine to run on."""
    return bool(_spec(pod).get("nodeName"))


def condition(pod: Pod, kind: str) -> dict[str, Any]:
    """One condition of its status; empty where it has none of that kind."""
    found = status(pod).get("conditions")
    listed = found if isinstance(found, list) else []
    return next((one for one in listed if isinstance(one, dict) and one.get("type") == kind), {})


def meta(pod: Pod) -> dict[str, Any]:
    """Its metadata."""
    return _table(pod.get("metadata"))


def status(pod: Pod) -> dict[str, Any]:
    """Its status."""
    return _table(pod.get("status"))


def name_of(pod: Pod) -> str:
    """Its name, which is the machine's id."""
    return str(meta(pod).get("name", ""))


def uid_of(pod: Pod) -> str:
    """What tells it from another pod of its name."""
    return str(meta(pod).get("uid", ""))


def moment_ms(text: str) -> int:
    """A moment as the cluster writes it (RFC 3339), in milliseconds since 1970. One that cannot be read is 0."""
    try:
        return round(datetime.datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 0


def plain(text: Any) -> str:
    """Text from outside as one short line."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    line = line.removesuffix(":")
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _spec(pod: Pod) -> dict[str, Any]:
    return _table(pod.get("spec"))


def _containers(pod: Pod) -> list[dict[str, Any]]:
    found = status(pod).get("containerStatuses")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _number(found: Any, instead: int) -> int:
    return found if isinstance(found, int) else instead
