"""How many vCPUs the account may run, by family and market, and what of it is left: asked of Service Quotas once an hour.

Who may not ask, or is not answered, knows nothing: then EC2's own refusal says it. What others run in the account is not seen
here, so there may be less than this says. Source: "Amazon EC2 instance type quotas", "On-Demand Instance quotas".
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.model.pool_ec2 import Ec2

HOUR_MS = 3_600_000
STANDARD = ("L-1216C47A", "L-34B43A08")
"""Codes of quotas, on demand and spot, of what Amazon calls standard: A, C, D, H, I, M, R, T, Z."""
GRAPHICS = ("L-DB2E81BA", "L-3819A6DF")
CODES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), STANDARD),
    **dict.fromkeys(("g", "gr", "vt"), GRAPHICS),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "p": ("L-417A185B", "L-7212CCBC"),
    "x": ("L-7295265B", "L-E3A00192"),
}
"""By the letters that the name of a type begins with; of others nothing is known."""
RUNS = ("pending", "running")


class Quotas:
    """One pool's. `limit`: what Service Quotas says of a code; `sizes`: vCPUs of these types. Both may raise anything."""

    def __init__(
        self,
        said: Ec2 | None,
        now: Callable[[], int],
        limit: Callable[[str], float],
        sizes: Callable[[Sequence[str]], dict[str, int]],
    ) -> None:
        self._said, self._now, self._limit, self._sizes = said, now, limit, sizes
        self._asked_ms: int | None = None
        self._limits: dict[str, int] = {}
        self._vcpus: dict[str, int] = {}
        self._used: Counter[str] = Counter()

    def left(self, type_: str) -> int | None:
        """How many more instances of this type, None where nobody knows."""
        if self._said is None:
            return None
        limit = self._limits.get(code_of(type_, self._said.market == "spot"))
        vcpus = self._vcpus.get(type_)
        if limit is None or not vcpus:
            return None
        used = self._used[code_of(type_, self._said.market == "spot")]
        return max(0, limit - used) // vcpus

    def count(self, described: Iterable[dict[str, Any]]) -> None:
        """What runs, of all that was listed."""
        used: Counter[str] = Counter()
        for one in described:
            if one["State"]["Name"] in RUNS:
                type_ = str(one.get("InstanceType", ""))
                spot = one.get("InstanceLifecycle") == "spot"
                used[code_of(type_, spot)] += _vcpus(one) or self._vcpus.get(type_, 0)
        self._used = used

    def follow(self) -> None:
        """Ask again where the last answer is an hour old, in a thread of its own: nobody waits for it."""
        if self._said is None or not self._said.quotas or not self._due():
            return
        self._asked_ms = self._now()
        threading.Thread(target=self.refresh, name="ec2 quotas", daemon=True).start()

    def refresh(self) -> None:
        """Ask now. What fails is not known for the next hour."""
        assert self._said is not None
        types = [one.name for one in self._said.types]
        limits: dict[str, int] = {}
        try:
            vcpus = self._sizes(types)
            for code in {code_of(name, self._said.market == "spot") for name in types} - {""}:
                limits[code] = int(self._limit(code))
        except Exception:  # whatever a library raises: it is a help, not a need
            limits, vcpus = {}, {}
        self._limits, self._vcpus = limits, vcpus

    def _due(self) -> bool:
        return self._asked_ms is None or not 0 <= self._now() - self._asked_ms < HOUR_MS


def code_of(type_: str, spot: bool) -> str:
    """The quota that a type counts against; "" where that is not known."""
    family = re.match("[a-z]+", type_)
    return CODES.get(family[0], ("", ""))[spot] if family else ""


def _vcpus(one: dict[str, Any]) -> int:
    """As it was made with: threads may be switched off."""
    said = one.get("CpuOptions") or {}
    return int(said.get("CoreCount", 0)) * int(said.get("ThreadsPerCore", 0))
