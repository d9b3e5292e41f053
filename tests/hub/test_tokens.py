"""Tokens of people: what is kept of them, and when they are no longer good."""

import msgspec
import pytest
from farms import TestFarm

from penstock.hub import tokens
from penstock.hub.context import Unauthorized
from penstock.model.farm import Event, Farm
from penstock.model.people import Role, Token

HOUR_MS = 3_600_000


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def test_a_token_says_who_calls_and_only_its_digest_is_kept(farm: TestFarm) -> None:
    secret = tokens.create(farm.hub, "ada", Role.DEVELOPER, HOUR_MS, "laptop")
    found = tokens.who(farm.hub, secret)
    assert (found.user, found.name, found.role) == ("ada", "laptop", Role.DEVELOPER)
    kept = msgspec.json.encode([*farm.all(Token), *farm.all(Event)]).decode()
    assert secret not in kept
    assert secret.partition("-")[2] not in kept
    assert [token.user for token in tokens.listing(farm.hub)] == ["ada"]


@pytest.mark.parametrize("wrong", ["", "nonsense", "t00002-nonsense"])
def test_nobody_has_another_token(farm: TestFarm, wrong: str) -> None:
    tokens.create(farm.hub, "ada", Role.ADMIN, 0)
    with pytest.raises(Unauthorized, match="nobody"):
        tokens.who(farm.hub, wrong)


def test_a_token_expires_in_farm_time(farm: TestFarm) -> None:
    brief = tokens.create(farm.hub, "ada", Role.VIEWER, HOUR_MS)
    lasting = tokens.create(farm.hub, "bob", Role.VIEWER, 0)
    farm.clock.wall += 10 * HOUR_MS  # a wall clock that jumps ends no token
    assert tokens.who(farm.hub, brief).user == "ada"
    farm.pass_time(HOUR_MS)
    with pytest.raises(Unauthorized, match="expired"):
        tokens.who(farm.hub, brief)
    assert tokens.who(farm.hub, lasting).user == "bob"


def test_revoked_is_revoked_at_once_and_only_what_was_named(farm: TestFarm) -> None:
    first, second, other = (
        tokens.create(farm.hub, "ada", Role.VIEWER, 0, name) for name in ("ci", "ci", "laptop")
    )
    assert [tokens.revoke(farm.hub, "ada", "ci") for _ in range(2)] == [2, 0]
    for token in (first, second):
        with pytest.raises(Unauthorized, match="revoked"):
            tokens.who(farm.hub, token)
    assert tokens.who(farm.hub, other).name == "laptop"


def test_a_restored_farm_takes_no_token_of_before(farm: TestFarm) -> None:
    token = tokens.create(farm.hub, "ada", Role.VIEWER, 0)
    row = farm.get(Farm, "farm")
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(row, incarnation="other")))
    with pytest.raises(Unauthorized, match="restored"):
        tokens.who(farm.hub, token)
    assert tokens.who(farm.hub, tokens.create(farm.hub, "ada", Role.VIEWER, 0)).user == "ada"


@pytest.mark.parametrize(
    ("user", "name"), [("", ""), ("-ada", ""), ("a b", ""), ("ada", "x/y"), ("a" * 65, ""), ("ada\n", "")]
)
def test_names_are_words(farm: TestFarm, user: str, name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        tokens.create(farm.hub, user, Role.VIEWER, 0, name)
    assert farm.all(Token) == []


def test_a_token_has_a_future(farm: TestFarm) -> None:
    with pytest.raises(ValueError, match="expired"):
        tokens.create(farm.hub, "ada", Role.VIEWER, -1)
