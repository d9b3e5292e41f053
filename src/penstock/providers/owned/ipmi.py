"""Switches that speak IPMI 2.0 over the network, through Debian's ipmitool, which reads the password from its file.

Source: ipmitool(1); a `chassis power status` says "Chassis Power is on" or "... off".
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

from penstock.model.pool_power import Control, Place
from penstock.ports import NoAnswer, ProviderError
from penstock.providers.owned.password import checked

PROGRAM = "ipmitool"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_LONGEST_S = 4.5
_AGAIN = ("-N", "1", "-R", "2")
"""An answer is waited for a second at first, and is asked for twice."""
_SAID_MAX = 200
_NO_SESSION = "Unable to establish"
"""What it says where nobody answers, and where user or password are wrong: it cannot tell."""


class Ipmi:
    """One management controller."""

    def __init__(self, control: Control, place: Place) -> None:
        self._control, self._place = control, place

    def is_on(self) -> bool | None:
        """As Switch."""
        said = self._ask("status")
        for word in ("on", "off"):
            if f"Chassis Power is {word}" in said:
                return word == "on"
        raise ProviderError(f"ipmitool said {_short(said)}")

    def on(self) -> None:
        """As Switch."""
        if not self.is_on():
            self._ask("on")

    def off(self, hard: bool) -> None:
        """As Switch; `soft` is a press on the power button, as ACPI tells it to the machine."""
        if self.is_on():
            self._ask("off" if hard else "soft")

    def _ask(self, what: str) -> str:
        program = shutil.which(PROGRAM, path=_PATH)
        if program is None:
            raise ProviderError("ipmitool is not installed on the hub's machine")
        file = str(checked(self._control.password_file))
        words = [program, "-I", "lanplus", "-H", self._place.host.strip("[]"), "-p", str(self._place.port)]
        words += ["-U", self._control.user, "-f", file, *_AGAIN]
        words += ["-C", self._place.cipher] if self._place.cipher else []
        return _run([*words, "chassis", "power", what])


def _run(words: Sequence[str]) -> str:
    """What it prints. Raises NoAnswer, ProviderError."""
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
            env={"LC_ALL": "C", "PATH": _PATH},
        )
    except subprocess.TimeoutExpired:
        raise NoAnswer("no answer to ipmitool") from None
    if ended.returncode == 0:
        return ended.stdout.decode("utf-8", "replace")
    said = ended.stderr.decode("utf-8", "replace")
    if _NO_SESSION in said:
        raise NoAnswer("no answer to ipmitool, or user and password are wrong")
    raise ProviderError(f"ipmitool said {_short(said)}")


def _short(said: str) -> str:
    """The last line, for people: it comes from outside."""
    last = (said.strip() or "nothing").splitlines()[-1][:_SAID_MAX]
    return repr(last)
