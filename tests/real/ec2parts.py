"""What the double of EC2 (ec2proxy.py) speaks of: machines, calls, refusals."""

import re
from dataclasses import dataclass, field


class Refused(Exception):
    """EC2 says no. `status`, `code`: as it does."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


@dataclass
class Machine:
    """What moto does not know of one. The last of `turns` whose moment has come is its state; before: what moto says."""

    id: str
    made_ms: int
    started_ms: int
    spot: bool
    hibernates: bool
    user_data: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    turns: list[tuple[int, str]] = field(default_factory=list)

    def state(self, now_ms: int) -> str:
        return [state for at_ms, state in self.turns if at_ms <= now_ms][-1]


@dataclass
class Call:
    """One request: its action and its parameters."""

    name: str
    said: dict[str, str]
    headers: dict[str, str]

    def ids(self) -> list[str]:
        return [value for key, value in self.said.items() if re.fullmatch(r"InstanceId\.\d+", key)]
