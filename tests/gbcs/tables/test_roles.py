import pytest

from gbcs.tables.roles import ENTITLEMENTS, Role, entitled
from gbcs.tables.use_cases import for_srv


@pytest.mark.parametrize(
    ("srv", "roles"),
    [
        ("4.6.1", {Role.IS, Role.GS}),
        ("4.6.2", {Role.ES}),
        ("4.8.1", {Role.IS, Role.GS, Role.ED, Role.GT, Role.OU}),
        ("4.8.2", {Role.IS, Role.ED, Role.OU}),
        ("4.8.3", {Role.ES, Role.ED, Role.OU}),
        ("4.10", {Role.IS, Role.GS, Role.ED, Role.GT}),
        ("4.17", {Role.IS, Role.GS, Role.ED, Role.GT, Role.OU}),
    ],
)
def test_roles_entitled_to_read_logs(srv, roles):
    assert entitled(srv) == roles


def test_no_role_is_entitled_to_an_unknown_srv():
    assert entitled("99.9") == frozenset()


def test_every_entitlement_is_of_a_known_srv():
    assert all(for_srv(srv) for srv in ENTITLEMENTS)
    assert all(ENTITLEMENTS.values())


def test_roles_have_full_names():
    assert Role("IS").full_name == "import supplier"
    assert len({role.full_name for role in Role}) == len(Role)
