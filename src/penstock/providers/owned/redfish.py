"""Switches that speak Redfish (DMTF DSP0266): the power state of one system, and its action ComputerSystem.Reset."""

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from penstock.model.pool_power import Control, Place
from penstock.ports import NoAnswer, ProviderError, Throttled
from penstock.providers.owned.password import password_in

_LONGEST_S = 2.3
"""An answer; each call needs two of them."""
_MOST_BYTES = 1 << 20
_ACTION = "#ComputerSystem.Reset"
_BUSY = (429, 503)
_ON = {"On": True, "PoweringOn": True, "Off": False, "PoweringOff": True, "Paused": True}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: what is asked carries a password."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None: the answer that sends us elsewhere is an error."""


class Redfish:
    """One system of a management controller."""

    def __init__(self, control: Control, place: Place) -> None:
        self._control, self._place = control, place

    def is_on(self) -> bool | None:
        """As Switch."""
        return _power(self._ask(self._place.path))

    def on(self) -> None:
        """As Switch."""
        system = self._ask(self._place.path)
        if not _power(system):
            self._reset(system, ("On", "ForceOn"))

    def off(self, hard: bool) -> None:
        """As Switch; a soft one by the button where the machine has no such action."""
        system = self._ask(self._place.path)
        if _power(system):
            self._reset(system, ("ForceOff",) if hard else ("GracefulShutdown", "PushPowerButton"))

    def _reset(self, system: dict[str, Any], wanted: tuple[str, ...]) -> None:
        """The first of these that the machine has; the first where it does not say which it has."""
        actions = system.get("Actions")
        action = actions.get(_ACTION) if isinstance(actions, dict) else None
        if not isinstance(action, dict):
            raise ProviderError("it has no action ComputerSystem.Reset")
        has = action.get("ResetType@Redfish.AllowableValues")
        known = [one for one in wanted if not isinstance(has, list) or one in has]
        if not known:
            raise ProviderError(f"its action ComputerSystem.Reset has none of {', '.join(wanted)}")
        target = urlsplit(str(action.get("target", "")))
        if target.netloc or target.scheme or not target.path.startswith("/redfish/"):
            raise ProviderError("its action ComputerSystem.Reset is somewhere else")
        self._ask(target.path, {"ResetType": known[0]})

    def _ask(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        """One answer, {} where there is no text in it. Raises NoAnswer, Throttled, ProviderError."""
        request = urllib.request.Request(self._place.origin + path, headers={"Accept": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self._control.user:
            both = f"{self._control.user}:{password_in(self._control.password_file)}"
            request.add_unredirected_header(
                "Authorization", f"Basic {base64.b64encode(both.encode()).decode()}"
            )
        try:
            with self._opener().open(request, timeout=_LONGEST_S) as answer:
                return _read(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as refused:
            refused.close()
            raise _refusal(refused.code) from None
        except (OSError, http.client.HTTPException) as wrong:
            raise NoAnswer(f"no answer: {str(wrong)[:200]}") from None

    def _opener(self) -> urllib.request.OpenerDirector:
        """No proxy, no other place, and certificates as the control says."""
        context = ssl.create_default_context(cafile=self._control.ca_file or None)
        if self._control.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        none = urllib.request.ProxyHandler({})
        return urllib.request.build_opener(none, _Stay(), urllib.request.HTTPSHandler(context=context))


def _power(system: dict[str, Any]) -> bool:
    state = system.get("PowerState")
    if not isinstance(state, str) or state not in _ON:
        raise ProviderError(f"its PowerState is {str(state)[:40]!r}")
    return _ON[state]


def _read(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProviderError("its answer is no JSON object")
    return value


def _refusal(status: int) -> ProviderError:
    if status in (401, 403):
        return ProviderError(f"it refuses user and password ({status})")
    if status in _BUSY:
        return Throttled(f"it is busy ({status})")
    return ProviderError(f"it answers with status {status}")
