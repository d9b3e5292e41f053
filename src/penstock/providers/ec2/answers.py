"""What EC2 and its library say went wrong, in the words of ports: the codes are those of "Error codes for the Amazon EC2 API"."""

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from penstock.ports import NoAnswer, NoCapacity, ProviderError, QuotaReached, Throttled, UnknownMachine

FULL = (
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientFreeAddressesInSubnet",
    "SpotMaxPriceTooLow",
    "Unsupported",
)
LIMITS = (
    "InstanceLimitExceeded",
    "VcpuLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "VolumeLimitExceeded",
    "MaxIOPSLimitExceeded",
)
TOO_FAST = (
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "Throttling",
    "ThrottlingException",
    "EC2ThrottledException",
    "SlowDown",
    "Client.RequestLimitExceeded",
)
NOT_THERE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "InvalidInstanceID")
USED = ("IdempotentParameterMismatch", "IdempotentInstanceTerminated")
"""The token was used before: there is, or was, a machine of it."""
WRONG_STATE = "IncorrectInstanceState"
CANNOT_HIBERNATE = ("UnsupportedHibernationConfiguration", "UnsupportedOperation")
MAY_NOT = ("OperationNotPermitted", "UnauthorizedOperation")
_KINDS: tuple[tuple[tuple[str, ...], type[ProviderError]], ...] = (
    (FULL, NoCapacity),
    (LIMITS, QuotaReached),
    (TOO_FAST, Throttled),
    (NOT_THERE, UnknownMachine),
)
LOST = (HTTPClientError, ResponseParserError)
"""Raised where an answer did not come, or not whole: the call may have been carried out."""


class Answered(ProviderError):
    """EC2 refused it. `code`: why, in its own words."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def told(problem: Exception) -> ProviderError:
    """What a call of the library raised, as its caller is told; `code` is on it where EC2 said one."""
    if isinstance(problem, ClientError):
        return _refused(problem)
    if isinstance(problem, LOST):
        return NoAnswer(_line(problem))
    if isinstance(problem, BotoCoreError):
        return ProviderError(_line(problem))  # no credentials, no such region: nothing was sent
    return NoAnswer(_line(problem))


def code_of(problem: ProviderError) -> str:
    """EC2's code of it, "" where it did not say one."""
    return str(getattr(problem, "code", ""))


def _refused(problem: ClientError) -> ProviderError:
    said = problem.response.get("Error", {})
    status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, text = str(said.get("Code", "")), " ".join(str(said.get("Message", "")).split())[:300]
    for codes, kind in _KINDS:
        if code in codes:
            return _coded(kind(f"{code}: {text}"), code)
    if status >= 500 or code in ("RequestTimeout", "PriorRequestNotComplete"):
        return _coded(NoAnswer(f"{code or status}: {text}"), code)
    return Answered(code, text)


def _coded(problem: ProviderError, code: str) -> ProviderError:
    problem.code = code  # type: ignore[attr-defined]
    return problem


def _line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
