"""Whether an agent is on the instance that its secret was given to."""

import json

import msgspec
import pytest
from conformance import samples

from penstock.model.pool_ec2 import Ec2
from penstock.model.rented import TAG_FARM, TAG_MACHINE, Instance, Shown
from penstock.policy.instances import NEAR_MS, Document, Evidence, read, refusal, started_ms

SAID = Ec2(region="eu-west-1", types=(), subnets=())
MINE = {
    "instanceId": "i-1",
    "region": "eu-west-1",
    "accountId": "123456789012",
    "pendingTime": "2023-11-14T22:13:20Z",
    "version": "2017-09-30",
}
STARTED_MS = 1_700_000_000_000
MACHINE = samples.machine("m1", provider_id="i-1")
SHOWN = Shown(
    instance=Instance(id="i-1", state="up", tags={TAG_FARM: "f1", TAG_MACHINE: "m1"}),
    account="123456789012",
    region="eu-west-1",
    started_ms=STARTED_MS,
)
NONE = "what it says about its instance is no identity document"


def shown(**changes: object) -> Evidence:
    return Evidence(shown=msgspec.structs.replace(SHOWN, **changes))


def tagged(state: str = "up", **tags: str) -> Evidence:
    return shown(instance=Instance(id="i-1", state=state, tags=tags))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "known", "account", "why"),
    [
        (json.dumps(MINE), "i-1", "", ""),
        (json.dumps(MINE), "i-1", "123456789012", ""),
        (json.dumps(MINE), "i-2", "", "it is on another instance than it was made for"),
        (
            json.dumps({**MINE, "region": "us-east-1"}),
            "i-1",
            "",
            "it is on another region than it was made for",
        ),
        (json.dumps(MINE), "i-1", "999999999999", "it is on another account than it was made for"),
        (json.dumps(MINE), "", "", "its provider has not said yet which instance it is: come again"),
        ("", "i-1", "", "it does not say which instance it is on: start it with --cloud ec2"),
        ("[]", "i-1", "", NONE),
        ("{\ud800", "i-1", "", NONE),
        ('{"instanceId": ["i-1"]}', "i-1", "", NONE),
        ("[" * 8000, "i-1", "", NONE),
        ("{}", "i-1", "", "it is on another instance than it was made for"),
    ],
)
def test_what_it_says_is_held_against_the_books(text: str, known: str, account: str, why: str) -> None:
    said = Ec2(region=SAID.region, types=(), subnets=(), account=account)
    machine = msgspec.structs.replace(MACHINE, provider_id=known)
    assert refusal(text, machine, said, "f1", None) == why


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (shown(), ""),
        (shown(started_ms=STARTED_MS + NEAR_MS), ""),
        (shown(started_ms=STARTED_MS + NEAR_MS + 1), "its identity document is not of the last start of its instance"),
        (shown(started_ms=STARTED_MS - NEAR_MS - 1), "its identity document is not of the last start of its instance"),
        (shown(account="999999999999"), "its provider has i-1 in 999999999999, eu-west-1"),
        (shown(region="us-east-1"), "its provider has i-1 in 123456789012, us-east-1"),
        (tagged(), "i-1 does not carry the tags of this machine"),
        (tagged(**{TAG_FARM: "f1", TAG_MACHINE: "m2"}), "i-1 does not carry the tags of this machine"),
        (tagged(**{TAG_FARM: "f2", TAG_MACHINE: "m1"}), "i-1 does not carry the tags of this machine"),
        (tagged("gone", **{TAG_FARM: "f1", TAG_MACHINE: "m1"}), "its provider says that i-1 is gone"),
        (tagged("coming", **{TAG_FARM: "f1", TAG_MACHINE: "m1"}), ""),
        (Evidence(), "its provider does not list i-1: come again"),
        (Evidence(unsigned="it was not signed"), "it was not signed"),
    ],
)  # fmt: skip
def test_what_it_says_is_held_against_what_its_provider_has(evidence: Evidence, why: str) -> None:
    assert refusal(json.dumps(MINE), MACHINE, SAID, "f1", evidence) == why


@pytest.mark.parametrize(
    ("pending", "found_ms"),
    [
        ("2023-11-14T22:13:20Z", STARTED_MS),
        ("2023-11-14T23:13:20+01:00", STARTED_MS),
        ("2023-11-14T22:13:20", 0),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_when_it_was_started_by_its_own_word(pending: str, found_ms: int) -> None:
    assert started_ms(Document(pending=pending)) == found_ms
    assert started_ms(read("{")) == 0
