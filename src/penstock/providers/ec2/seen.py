"""Instances as EC2 described them last: their states in the words of ports, why they went, when they were started."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from penstock.model.rented import Instance, InstanceState, Shown
from penstock.ports import NoAnswer

ASK_MS = 5_000
"""One instance is asked for no more often: who registers in vain must not use up the calls that others need."""
SAME_START_MS = 60_000
"""Two moments that are nearer to each other are of the same start."""
OURS = ("Client.UserInitiatedShutdown", "Client.UserInitiatedHibernate")
STATES: dict[str, InstanceState] = {
    "pending": "coming",
    "running": "up",
    "stopping": "stopping",
    "stopped": "stopped",
    "shutting-down": "going",
    "terminated": "gone",
}


class Seen:
    """One region's. `now`: wall time in milliseconds."""

    def __init__(self, region: str, now: Callable[[], int]) -> None:
        self._region, self._now = region, now
        self._shown: dict[str, Shown] = {}
        self._asked: dict[str, int] = {}

    def take(self, group: dict[str, Any]) -> list[Shown]:
        """The instances of one reservation."""
        found = [self._of(one, str(group.get("OwnerId", ""))) for one in group["Instances"]]
        self._shown = {**self._shown, **{one.instance.id: one for one in found}}
        return found

    def keep(self, there: Collection[str]) -> None:
        """Forget all others."""
        self._shown = {name: one for name, one in self._shown.items() if name in there}
        self._asked = {name: at_ms for name, at_ms in self._asked.items() if name in there}

    def find(self, id_: str, started_ms: int) -> Shown | None:
        """One that runs, and was started then by what is known of it."""
        known = self._shown.get(id_)
        if known is None or known.instance.state not in ("coming", "up"):
            return None
        return known if abs(known.started_ms - started_ms) <= SAME_START_MS else None

    def ask(self, id_: str) -> None:
        """It is going to be asked for. Raises NoAnswer where it was a moment ago."""
        now_ms = self._now()
        if 0 <= now_ms - self._asked.get(id_, -ASK_MS) < ASK_MS:
            raise NoAnswer(f"{id_} was asked for a moment ago")
        self._asked = {**self._asked, id_: now_ms}

    def _of(self, one: dict[str, Any], account: str) -> Shown:
        """`LaunchTime` is that of the last start ("Instance" in the API reference)."""
        started: datetime | None = one.get("LaunchTime")
        started_ms = round(started.timestamp() * 1000) if started else 0
        return Shown(instance=instance_of(one), account=account, region=self._region, started_ms=started_ms)


def instance_of(one: dict[str, Any]) -> Instance:
    """One instance as ports has it."""
    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
    return Instance(id=one["InstanceId"], state=STATES[one["State"]["Name"]], tags=tags, why=_why(one))


def _why(one: dict[str, Any]) -> str:
    """Why it went, in EC2's words, where it was not us who asked for it ("Troubleshoot instance launch issues")."""
    reason = one.get("StateReason") or {}
    if one["State"]["Name"] not in ("shutting-down", "terminated") or reason.get("Code", "") in OURS:
        return ""
    return " ".join(str(reason.get("Message") or reason.get("Code") or "").split())[:200]
