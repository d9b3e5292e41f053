"""What each role may do."""

import pytest

from penstock.model.people import ROLES, Role, may


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("needed", ROLES)
def test_a_role_may_do_what_those_before_it_may(role: Role, needed: Role) -> None:
    assert may(role, needed) == (needed in ROLES[: ROLES.index(role) + 1])


def test_roles_are_named_from_least_to_most() -> None:
    assert [str(role) for role in ROLES] == ["viewer", "developer", "operator", "admin"]
