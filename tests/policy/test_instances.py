"""Whether an agent is on the instance that its secret was given to."""

import json

import pytest

from penstock.model.pool_ec2 import Ec2
from penstock.policy.instances import refusal

SAID = Ec2(region="eu-west-1", types=(), subnets=())
MINE = {"instanceId": "i-1", "region": "eu-west-1", "accountId": "123456789012", "version": "2017-09-30"}


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
        ("[]", "i-1", "", "what it says about its instance is no identity document"),
        ("{\ud800", "i-1", "", "what it says about its instance is no identity document"),
        ("{}", "i-1", "", "it is on another instance than it was made for"),
    ],
)
def test_what_it_says_is_held_against_the_books(text: str, known: str, account: str, why: str) -> None:
    said = Ec2(region=SAID.region, types=(), subnets=(), account=account)
    assert refusal(text, known, said) == why
