"""What a provider says of a rented machine before its agent may register: asked for secrets of ours alone, outside transactions."""

import json
from dataclasses import replace

import msgspec
import pytest
from farms import KEY, planned
from renting import BURST, RULES, Rented

from penstock.hub import sessions
from penstock.hub.context import Unauthorized
from penstock.hub.sessions import Registered, Registration
from penstock.model.pool_ec2 import Ec2
from penstock.model.rented import Shown
from penstock.model.states import Power
from penstock.ports import NoAnswer, ProviderError, UnknownMachine
from penstock.providers.simulated import Simulated

STARTED_MS = 1_700_000_000_000
DOCUMENT = {
    "instanceId": "burst-00001",
    "region": "eu-west-1",
    "accountId": "1",
    "pendingTime": "2023-11-14T22:13:20Z",
}


class Vouching(Simulated):
    """A provider that can say which machine is which; `problem`: what it answers instead."""

    problem: ProviderError | None = None
    why, started_ms, account = "", STARTED_MS, "1"
    asked = 0

    def unsigned(self, document: str, signature: str) -> str:
        return self.why if signature != "Amazon's" else ""

    def shown(self, id_: str, started_ms: int) -> Shown:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        found = next(one for one in self.list().instances if one.id == id_)
        return Shown(instance=found, account=self.account, region="eu-west-1", started_ms=self.started_ms)


class Vouched(Rented):
    """A farm whose only machine has booted; its agent has not called."""

    __test__ = False

    def __init__(self) -> None:
        said = Ec2(region="eu-west-1", types=(), subnets=())
        pool = msgspec.structs.replace(BURST, ec2=said)
        super().__init__(msgspec.structs.replace(RULES, pools=(pool,)))
        self.vouching = self.provider = Vouching(pool, self.clock.monotonic_ms)
        self.hub = replace(self.hub, providers={"burst": self.provider})
        self.again()
        self.submit("c1", planned("zlib"))
        self.until(Power.REGISTERING)
        self.secret = next(iter(self.provider.up().values())).secret

    def register(self, secret: str = "", key: str = KEY, signature: str = "", **said: str) -> Registered:
        document = json.dumps(DOCUMENT | said)
        asked = Registration(name="any", key=key, slots=1, document=document, signature=signature)
        return sessions.register(self.hub, secret or self.secret, asked)


@pytest.fixture
def farm() -> Vouched:
    return Vouched()


def test_the_machine_that_its_provider_lists_registers(farm: Vouched) -> None:
    assert farm.register().machine.power == Power.UP
    assert farm.vouching.asked == 1


@pytest.mark.parametrize(
    ("changes", "said", "why"),
    [
        ({}, {"pendingTime": "2023-11-13T22:13:20Z"}, "not of the last start"),
        ({}, {"pendingTime": ""}, "not of the last start"),
        ({"account": "2"}, {}, "has burst-00001 in 2, eu-west-1"),
        ({}, {"accountId": "2"}, "has burst-00001 in 1, eu-west-1"),
        ({}, {"region": "us-east-1"}, "on another region"),
        ({}, {"instanceId": "burst-00002"}, "on another instance"),
        ({"why": "it was not signed"}, {}, "it was not signed"),
    ],
)
def test_whoever_lies_is_told_so_and_is_nobody(
    farm: Vouched, changes: dict[str, str], said: dict[str, str], why: str
) -> None:
    for name, value in changes.items():
        setattr(farm.vouching, name, value)
    with pytest.raises(Unauthorized, match=why):
        farm.register(**said)
    assert farm.machine.power == Power.REGISTERING


def test_who_shows_no_signature_makes_nobody_call_the_provider(farm: Vouched) -> None:
    farm.vouching.why = "it was not signed"
    with pytest.raises(Unauthorized, match="not signed"):
        farm.register()
    assert farm.vouching.asked == 0
    assert farm.register(signature="Amazon's").machine.power == Power.UP


def test_a_document_that_was_used_is_no_use_to_anybody_else(farm: Vouched) -> None:
    """With the same secret from another agent; after the next start of its own; with the secret of another machine."""
    done = farm.register()
    with pytest.raises(Unauthorized, match="another key"):
        farm.register(key="cd" * 32)
    farm.vouching.started_ms += 3_600_000
    with pytest.raises(Unauthorized, match="not of the last start"):
        farm.register(secret=done.credential or "")
    farm.vouching.started_ms -= 3_600_000
    farm.submit("c2", *(planned(f"more{n}") for n in range(4)))
    for _ in range(4000):
        if len(farm.provider.up()) > 1:
            break
        farm.tick(1000)
    other = next(order for order in farm.provider.up().values() if order.secret != farm.secret)
    with pytest.raises(Unauthorized, match="another instance"):
        farm.register(secret=other.secret, key="cd" * 32)


def test_while_its_provider_is_silent_nobody_enrols_but_who_has_comes_back(farm: Vouched) -> None:
    farm.vouching.problem = NoAnswer("late")
    with pytest.raises(Unauthorized, match=r"does not answer \(late\): come again"):
        farm.register()
    farm.vouching.problem = None
    done = farm.register()
    farm.vouching.problem = NoAnswer("late")
    assert farm.register(secret=done.credential or "").machine.id == done.machine.id
    farm.vouching.problem = UnknownMachine("no such one")
    with pytest.raises(Unauthorized, match="does not list burst-00001"):
        farm.register(secret=done.credential or "")


def test_secrets_that_are_not_ours_cost_no_call(farm: Vouched) -> None:
    with pytest.raises(Unauthorized, match="unknown or revoked"):
        farm.register(secret="guessed")
    done = farm.register()
    sessions.revoke(farm.hub, done.machine.id)
    with pytest.raises(Unauthorized, match="unknown or revoked"):
        farm.register(secret=done.credential or "")
    assert farm.vouching.asked == 1


def test_who_enrols_by_hand_in_such_a_pool_is_nobodys_instance(farm: Vouched) -> None:
    token = sessions.create_token(farm.hub, "burst")
    mine = Registration(name="mine", key="cd" * 32)
    assert sessions.register(farm.hub, token, mine).machine.power == Power.UP
    assert farm.vouching.asked == 0
