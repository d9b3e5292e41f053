"""Provider "ec2": Amazon's instances through boto3, on demand or spot, in private subnets.

Calls are made once and wait 5 s at most; whoever did not get an answer asks again with the same token. Listings may be
behind, and a machine that was made a moment ago may not be known yet: what EC2 documents as "eventual consistency".
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from penstock.model.rented import (
    TAG_FARM,
    TAG_MACHINE,
    Instance,
    InstanceState,
    Listing,
    Notice,
    Offer,
    Order,
    Shown,
)
from penstock.model.rules import Pool
from penstock.ports import NoAnswer, ProviderError, QuotaReached, Throttled, UnknownMachine
from penstock.providers.ec2 import answers, identity
from penstock.providers.ec2.known import Renewals
from penstock.providers.ec2.launch import Choice, choices, offer_of, parameters
from penstock.providers.ec2.pace import Pace
from penstock.providers.ec2.quotas import Quotas
from penstock.providers.ec2.seen import Seen, instance_of

CONNECT_S, READ_S = 1.5, 3.0
LISTING_S = 4.0
"""A listing whose pages take longer has gaps."""
PRINTED_MOST = 1 << 16
PAGE = 500
SETTLED_MS = 300_000
"""What was made so short ago and is not known is not known yet."""
QUOTA_MS = 900_000
"""An offer whose quota was reached has nothing left for so long."""
NOTICE_MS = 120_000
"""EC2 tells two minutes before ("Spot Instance interruption notices")."""
MARKED = ("marked-for-termination", "marked-for-stop")
TAKEN = (
    "instance-terminated-by-price",
    "instance-terminated-no-capacity",
    "instance-terminated-capacity-oversubscribed",
)
"""States of spot requests: of instances that will be taken back, and that were ("State changes for a Spot request")."""


class Ec2:
    """One pool's instances. `now`: wall time in milliseconds. The client is made at the first call."""

    def __init__(self, pool: Pool, now: Callable[[], int]) -> None:
        self._pool, self._now = pool, now
        self._said = pool.ec2
        self._choices: dict[str, Choice] = choices(pool.ec2) if pool.ec2 else {}
        self._pace = Pace(now)
        self._lock = threading.Lock()
        self._connected: Any = None
        self._made: dict[str, int] = {}
        self._quotas = Quotas(pool.ec2, now, self._limit, self._sizes)
        self._seen = Seen(pool.ec2.region if pool.ec2 else "", now)
        self._renewals = Renewals(pool, now, self._call)
        self._exhausted: dict[str, int] = {}

    def offers(self) -> tuple[Offer, ...]:
        """As ports.Provider: every type in every subnet, the cheapest for its speed first. Nothing is asked."""
        found = [
            offer_of(self._pool, name, choice, self._left(name, choice))
            for name, choice in self._choices.items()
        ]
        return tuple(sorted(found, key=lambda one: one.price_per_hour_micros / one.speed))

    def _left(self, name: str, choice: Choice) -> int | None:
        """How many more there may be: none for a while after EC2 has said so."""
        if self._exhausted.get(name, 0) > self._now():
            return 0
        return self._quotas.left(choice.type.name)

    def create(self, order: Order) -> str:
        """As ports.Provider. Raises ProviderError for an offer that farm.toml does not have any more."""
        choice = self._choices.get(order.offer)
        if choice is None or self._said is None:
            raise ProviderError(f"[pool.ec2] of {self._pool.name} has no offer {order.offer!r}")
        asked = parameters(self._pool, self._said, choice, order)
        try:
            made = self._call("run_instances", **asked)["Instances"][0]["InstanceId"]
        except QuotaReached:
            self._exhausted[order.offer] = self._now() + QUOTA_MS
            raise
        except ProviderError as problem:
            if answers.code_of(problem) not in answers.USED:
                raise
            made = self._by_tag(order)
        self._remember(made)
        return str(made)

    def resume(self, id_: str) -> None:
        """As ports.Provider."""
        self._turn(id_, ("coming", "up"), "start_instances")

    def suspend(self, id_: str) -> None:
        """As ports.Provider; what cannot be hibernated is stopped."""
        if self._said is not None and self._said.hibernate:
            try:
                self._turn(id_, ("stopping", "stopped"), "stop_instances", Hibernate=True)
                return
            except ProviderError as problem:
                if answers.code_of(problem) not in answers.CANNOT_HIBERNATE:
                    raise
        self._turn(id_, ("stopping", "stopped"), "stop_instances")

    def delete(self, id_: str) -> None:
        """As ports.Provider; what may not be terminated is at least stopped, and told of."""
        try:
            self._turn(id_, ("going", "gone"), "terminate_instances")
        except ProviderError as problem:
            if answers.code_of(problem) in answers.MAY_NOT:
                self._turn(id_, ("stopping", "stopped"), "stop_instances")
            raise

    def list(self) -> Listing:
        """As ports.Provider: what carries the tag of any farm in this region, whichever pool it was made for."""
        until_s = time.monotonic() + LISTING_S
        self._quotas.follow()
        found: list[Instance] = []
        described: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"MaxResults": PAGE, "Filters": [{"Name": "tag-key", "Values": [TAG_FARM]}]}
        while True:
            try:
                page = self._call("describe_instances", **asked)
                found += [one.instance for group in page["Reservations"] for one in self._seen.take(group)]
                described += [one for group in page["Reservations"] for one in group["Instances"]]
            except (NoAnswer, Throttled):
                if "NextToken" not in asked:
                    raise
                return Listing(instances=tuple(found), complete=False)
            if not page.get("NextToken"):
                self._seen.keep({one.id for one in found})
                self._quotas.count(described)
                self._renewals.due(found)
                return Listing(instances=tuple(found))
            if time.monotonic() > until_s:
                return Listing(instances=tuple(found), complete=False)
            asked["NextToken"] = page["NextToken"]

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider: of spot instances, those that were taken already, too: a hub that was away learns why they went.
        Their agents hear of it sooner (agent/cloud.py)."""
        if self._said is None or self._said.market != "spot":
            return ()
        wanted = [
            {"Name": "status-code", "Values": [*MARKED, *TAKEN]},
            {"Name": "tag-key", "Values": [TAG_FARM]},
        ]
        found = self._call("describe_spot_instance_requests", Filters=wanted)["SpotInstanceRequests"]
        return tuple(
            Notice(id=one["InstanceId"], left_ms=self._left_ms(one["Status"]))
            for one in found
            if one.get("InstanceId")
        )

    def unsigned(self, document: str, signature: str) -> str:
        """As hub.vouching.Vouches: nobody wants to know where no certificates are given; where they cannot be used nothing is signed."""
        if self._said is None or not self._said.identity_certificates:
            return ""
        try:
            trusted = identity.certificates(Path(self._said.identity_certificates), self._said.region)
            return identity.unsigned(document, signature, trusted)
        except (ValueError, OSError) as problem:
            return f"no identity document can be verified: {problem}"

    def shown(self, id_: str, started_ms: int) -> Shown:
        """As hub.vouching.Vouches: as it was listed, unless it was started since then. It is asked for no more often than seldom."""
        known = self._seen.find(id_, started_ms)
        if known is not None:
            return known
        self._seen.ask(id_)
        for group in self._call("describe_instances", InstanceIds=[id_])["Reservations"]:
            return self._seen.take(group)[0]
        raise UnknownMachine(f"there is no {id_}")

    def console(self, id_: str) -> str:
        """As ports.Provider: as EC2 keeps it, some minutes old at times."""
        return str(self._call("get_console_output", InstanceId=id_).get("Output") or "")[-PRINTED_MOST:]

    # One call

    def _turn(self, id_: str, there: tuple[InstanceState, ...], call: str, **more: Any) -> None:
        """Ask for a state. Where EC2 refuses for the state that it is in, that state is looked at."""
        try:
            self._call(call, InstanceIds=[id_], **more)
        except UnknownMachine as problem:
            if self._now() - self._made.get(id_, -SETTLED_MS) < SETTLED_MS:
                raise NoAnswer(f"not known yet: {problem}") from problem
            raise
        except ProviderError as problem:
            if answers.code_of(problem) != answers.WRONG_STATE:
                raise
            state = self._state(id_)
            if state in ("going", "gone"):
                raise UnknownMachine(f"{id_} is {state}") from problem
            if state not in there:
                raise NoAnswer(f"{id_} is still {state}") from problem

    def _state(self, id_: str) -> InstanceState:
        found = self._call("describe_instances", InstanceIds=[id_])["Reservations"]
        if not found:
            raise UnknownMachine(f"there is no {id_}")
        return instance_of(found[0]["Instances"][0]).state

    def _by_tag(self, order: Order) -> str:
        """The machine that was made for this order before. Raises NoAnswer while it is not listed."""
        wanted = [{"Name": f"tag:{TAG_MACHINE}", "Values": [order.tags[TAG_MACHINE]]}]
        found = self._call("describe_instances", Filters=wanted)["Reservations"]
        if not found:
            raise NoAnswer("it was made before, and is not listed yet")
        return str(found[0]["Instances"][0]["InstanceId"])

    def _call(self, name: str, **asked: Any) -> dict[str, Any]:
        """One call of the library. Raises ProviderError."""
        self._pace.take(giving_back=name in ("terminate_instances", "stop_instances"))
        try:
            found: dict[str, Any] = getattr(self._client(), name)(**asked)
            return found
        except Exception as problem:  # whatever the library raises: it may have been carried out
            said = answers.told(problem)
            if isinstance(said, Throttled):
                self._pace.slower()
            raise said from problem

    def _limit(self, code: str) -> float:
        """What Service Quotas says of one quota of EC2's."""
        quota = self._opened("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]
        return float(quota["Value"])

    def _sizes(self, types: Sequence[str]) -> dict[str, int]:
        """vCPUs of these types, as instances of them are made."""
        found = self._call("describe_instance_types", InstanceTypes=[*types])["InstanceTypes"]
        return {one["InstanceType"]: int(one["VCpuInfo"]["DefaultVCpus"]) for one in found}

    def _client(self) -> Any:
        """The library's own client. It is made once; any number of threads may use it, but not make it."""
        with self._lock:
            if self._connected is None:
                self._connected = self._opened("ec2")
            return self._connected

    def _opened(self, service: str) -> Any:
        if self._said is None:
            raise ValueError(f"pool {self._pool.name} has no [pool.ec2] in farm.toml")
        once = {"total_max_attempts": 1, "mode": "standard"}
        config = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries=once)
        return boto3.session.Session(region_name=self._said.region).client(service, config=config)

    def _remember(self, made: str) -> None:
        now_ms = self._now()
        self._made = {one: at_ms for one, at_ms in self._made.items() if now_ms - at_ms < SETTLED_MS}
        self._made[made] = now_ms

    def _left_ms(self, status: dict[str, Any]) -> int:
        """How long it will be there still; at least 1."""
        since: datetime | None = status.get("UpdateTime")
        if status.get("Code") in TAKEN:
            return 1
        if since is None:
            return NOTICE_MS
        passed_ms = self._now() - round(since.astimezone(UTC).timestamp() * 1000)
        return min(NOTICE_MS, max(1, NOTICE_MS - passed_ms))
