"""Entitlement by parties, roles, registrations by day, and changes of them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.registry.registration import Devices, Registration
from esme_emulator.cache.registry.registry import Reason, Registry, default_registry
from esme_emulator.estate.parties import DISTRIBUTOR, EXPORT_SUPPLIER, OTHER_USER, SUPPLIER
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX, MAX_INSTANT
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

NEXT = EUI.parse("90B3D51F30010010")
STRANGER = EUI.parse("90B3D51F30099999")
DAY_0 = date(2000, 1, 1)
CHANGE = date(2026, 1, 10)
MIDNIGHT = (CHANGE - DAY_0).days * DAY


def registry(*registrations: Registration) -> Registry:
    parties = [
        (SUPPLIER, (Role.IS,)),
        (NEXT, (Role.IS,)),
        (DISTRIBUTOR, (Role.ED,)),
        (OTHER_USER, (Role.OU,)),
    ]
    return Registry(parties, registrations)


def ask(
    of: Registry,
    party: EUI,
    start: int,
    end: int,
    srv: str = "4.8.1",
    device: EUI = METER,
) -> Reason | None:
    return of.check(party, device, srv, Window(start, end), UNIX_NOW)


@pytest.mark.parametrize(
    ("party", "srv", "reason"),
    [
        (SUPPLIER, "4.8.1", None),
        (SUPPLIER, "4.6.1", None),
        (SUPPLIER, "4.8.3", Reason.ROLE_NOT_ENTITLED),
        (EXPORT_SUPPLIER, "4.8.3", None),
        (EXPORT_SUPPLIER, "4.8.1", Reason.ROLE_NOT_ENTITLED),
        (DISTRIBUTOR, "4.8.1", None),
        (DISTRIBUTOR, "4.6.1", Reason.ROLE_NOT_ENTITLED),
        (OTHER_USER, "4.8.1", None),
        (OTHER_USER, "4.6.1", Reason.ROLE_NOT_ENTITLED),
        (STRANGER, "4.8.1", Reason.UNKNOWN_PARTY),
        (STRANGER, "1.1.1", Reason.UNKNOWN_PARTY),
        (SUPPLIER, "1.1.1", None),
    ],
)
def test_the_emulated_parties_have_their_roles_for_every_device_and_all_dates(
    party: EUI, srv: str, reason: Reason | None
) -> None:
    assert ask(default_registry(), party, 0, MAX_INSTANT, srv) is reason
    assert ask(default_registry(), party, 0, MAX_INSTANT, srv, OTHER_METER) is reason


def test_a_supplier_without_a_registration_has_nothing_and_others_have_everything() -> None:
    of = registry()
    assert ask(of, SUPPLIER, 0, DAY) is Reason.NOT_REGISTERED
    assert ask(of, DISTRIBUTOR, 0, MAX_INSTANT) is None
    assert ask(of, OTHER_USER, 0, MAX_INSTANT) is None


def test_a_party_in_the_first_registrations_is_entitled_by_registrations_alone() -> None:
    of = registry(
        Registration(OTHER_USER, Devices(METER, METER), start=CHANGE),
        Registration(DISTRIBUTOR, Devices(METER, METER)),
    )
    assert ask(of, OTHER_USER, MIDNIGHT, MIDNIGHT + DAY) is None
    assert ask(of, OTHER_USER, MIDNIGHT - 1, MIDNIGHT + DAY) is Reason.NOT_REGISTERED
    assert ask(of, OTHER_USER, MIDNIGHT, MIDNIGHT, device=OTHER_METER) is Reason.NOT_REGISTERED
    assert ask(of, DISTRIBUTOR, 0, 1, device=OTHER_METER) is Reason.NOT_REGISTERED


def test_an_added_registration_restricts_its_party_for_its_devices_alone() -> None:
    """A party that a new consumer allows stays entitled to other meters."""
    of = registry()
    of.change_of_tenancy(METER, CHANGE)
    of.register(Registration(OTHER_USER, Devices(METER, METER), start=CHANGE))
    of.register(Registration(DISTRIBUTOR, Devices(METER, METER), start=CHANGE))
    for party in (OTHER_USER, DISTRIBUTOR):
        assert ask(of, party, MIDNIGHT, MAX_INSTANT) is None
        assert ask(of, party, 0, MAX_INSTANT, device=OTHER_METER) is None
    assert ask(of, DISTRIBUTOR, MIDNIGHT - 1, MIDNIGHT) is Reason.NOT_REGISTERED
    of.register(Registration(OTHER_USER, start=CHANGE))
    assert ask(of, OTHER_USER, 0, 1, device=OTHER_METER) is Reason.NOT_REGISTERED


def test_a_registration_lasts_from_its_first_day_to_the_second_before_it_ends() -> None:
    of = registry(Registration(SUPPLIER, start=CHANGE, end=CHANGE + timedelta(days=2)))
    last = MIDNIGHT + 2 * DAY - 1
    assert ask(of, SUPPLIER, MIDNIGHT, last) is None
    assert ask(of, SUPPLIER, MIDNIGHT - 1, last) is Reason.NOT_REGISTERED
    assert ask(of, SUPPLIER, MIDNIGHT, last + 1) is Reason.NOT_REGISTERED
    assert ask(of, SUPPLIER, last, last) is None
    assert ask(of, SUPPLIER, last + 1, last + 1) is Reason.NOT_REGISTERED


def test_registrations_that_follow_each_other_are_one_and_a_gap_is_a_gap() -> None:
    first = Registration(SUPPLIER, end=CHANGE)
    assert ask(registry(first, Registration(SUPPLIER, start=CHANGE)), SUPPLIER, 0, MIDNIGHT) is None
    later = Registration(SUPPLIER, start=CHANGE + timedelta(days=1))
    gap = registry(first, later)
    assert ask(gap, SUPPLIER, 0, MIDNIGHT - 1) is None
    assert ask(gap, SUPPLIER, MIDNIGHT - 1, MIDNIGHT + DAY) is Reason.NOT_REGISTERED
    assert ask(gap, SUPPLIER, MIDNIGHT + DAY, MIDNIGHT + DAY) is None


def changed() -> Registry:
    of = registry(Registration(SUPPLIER))
    of.change_of_supplier(METER, SUPPLIER, NEXT, CHANGE)
    return of


def test_on_the_day_of_a_change_both_suppliers_are_entitled_and_not_a_second_beyond() -> None:
    of = changed()
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY - 1) is None
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY) is Reason.NOT_REGISTERED
    assert ask(of, NEXT, MIDNIGHT, MAX_INSTANT) is None
    assert ask(of, NEXT, MIDNIGHT - 1, MIDNIGHT) is Reason.NOT_REGISTERED
    for party in (SUPPLIER, NEXT):
        assert ask(of, party, MIDNIGHT, MIDNIGHT + DAY - 1) is None


def test_a_change_is_of_one_device_and_of_suppliers_only() -> None:
    of = changed()
    assert ask(of, SUPPLIER, 0, MAX_INSTANT, device=OTHER_METER) is None
    assert ask(of, NEXT, MIDNIGHT, MIDNIGHT, device=OTHER_METER) is Reason.NOT_REGISTERED
    assert ask(of, DISTRIBUTOR, 0, MAX_INSTANT) is None


LATER = CHANGE + timedelta(days=30)


def test_later_registrations_of_the_old_supplier_go_to_the_new_one_too() -> None:
    """It does not return, and the gap that it left stays one."""
    of = registry(
        Registration(SUPPLIER, end=CHANGE + timedelta(days=2)),
        Registration(SUPPLIER, Devices(METER, METER), start=LATER),
    )
    of.change_of_supplier(METER, SUPPLIER, NEXT, CHANGE)
    later = (LATER - DAY_0).days * DAY
    for day in (MIDNIGHT + DAY, later, later + DAY):
        assert ask(of, SUPPLIER, day, day) is Reason.NOT_REGISTERED
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY - 1) is None
    assert ask(of, NEXT, MIDNIGHT, MIDNIGHT + 2 * DAY - 1) is None
    assert ask(of, NEXT, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY) is Reason.NOT_REGISTERED
    assert ask(of, NEXT, later, MAX_INSTANT) is None


def test_a_change_is_of_the_roles_that_the_new_supplier_has() -> None:
    """A supplier of import and export that is an other user too loses import alone."""
    every = [Role.IS, Role.ES, Role.OU]
    of = Registry(
        [(SUPPLIER, every), (NEXT, [Role.IS, Role.OU])],
        [Registration(SUPPLIER), Registration(SUPPLIER, start=LATER)],
    )
    of.change_of_supplier(METER, SUPPLIER, NEXT, CHANGE)
    later = (LATER - DAY_0).days * DAY
    for day in (MIDNIGHT + DAY, later):
        assert ask(of, SUPPLIER, day, day, "4.6.1") is Reason.NOT_REGISTERED
        assert ask(of, SUPPLIER, day, day, "4.6.2") is None
        assert ask(of, SUPPLIER, day, day, "4.8.1") is None
        assert ask(of, NEXT, day, day, "4.6.1") is None
    assert ask(of, NEXT, 0, MIDNIGHT, "4.8.1") is None
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY - 1, "4.6.1") is None
    next_day = CHANGE + timedelta(days=1)
    with pytest.raises(ValueError, match=f"for {METER} on {next_day} as IS"):
        of.change_of_supplier(METER, SUPPLIER, NEXT, next_day)


def test_a_change_written_as_two_registrations_is_the_same() -> None:
    of = registry(Registration(SUPPLIER, end=CHANGE), Registration(NEXT, start=CHANGE))
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY - 1) is None
    assert ask(of, SUPPLIER, 0, MIDNIGHT + DAY) is Reason.NOT_REGISTERED


def test_the_day_on_which_a_registration_ends_without_a_successor_is_not_in_it() -> None:
    exporter = EUI.parse("90B3D51F30010008")
    of = Registry(
        [(SUPPLIER, [Role.IS]), (exporter, [Role.ES])],
        [Registration(SUPPLIER, end=CHANGE), Registration(exporter, start=CHANGE)],
    )
    assert ask(of, SUPPLIER, MIDNIGHT, MIDNIGHT) is Reason.NOT_REGISTERED


def test_a_window_that_ends_before_it_starts_is_no_way_around_a_registration() -> None:
    of = registry(Registration(SUPPLIER, start=CHANGE))
    assert ask(of, NEXT, MAX_INSTANT, 0) is Reason.NOT_REGISTERED
    assert ask(of, SUPPLIER, MAX_INSTANT, 0) is Reason.NOT_REGISTERED
    assert ask(of, SUPPLIER, MAX_INSTANT, MIDNIGHT) is None


def test_a_registration_in_one_role_gives_nothing_in_another() -> None:
    of = Registry(
        [(SUPPLIER, [Role.IS, Role.ES])], [Registration(SUPPLIER, roles=frozenset({Role.ES}))]
    )
    assert ask(of, SUPPLIER, 0, 1, "4.8.3") is None
    assert ask(of, SUPPLIER, 0, 1, "4.8.1") is Reason.NOT_REGISTERED


def test_days_of_two_roles_are_not_put_together() -> None:
    of = Registry(
        [(SUPPLIER, [Role.IS, Role.GS])],
        [
            Registration(SUPPLIER, end=CHANGE, roles=frozenset({Role.IS})),
            Registration(SUPPLIER, start=CHANGE, roles=frozenset({Role.GS})),
        ],
    )
    assert ask(of, SUPPLIER, 0, MIDNIGHT) is Reason.NOT_REGISTERED


def test_a_change_of_tenancy_ends_the_entitlement_of_other_users_on_the_day() -> None:
    of = registry(Registration(SUPPLIER))
    of.change_of_tenancy(METER, CHANGE)
    assert ask(of, OTHER_USER, 0, MIDNIGHT - 1) is None
    assert ask(of, OTHER_USER, 0, MIDNIGHT) is Reason.NOT_REGISTERED
    assert ask(of, OTHER_USER, MIDNIGHT, MIDNIGHT + 1) is Reason.NOT_REGISTERED
    assert ask(of, OTHER_USER, MIDNIGHT, MIDNIGHT + 1, device=OTHER_METER) is None
    for party in (SUPPLIER, DISTRIBUTOR):
        assert ask(of, party, 0, MAX_INSTANT) is None
    of.register(Registration(OTHER_USER, Devices(METER, METER), start=CHANGE))
    assert ask(of, OTHER_USER, MIDNIGHT, MAX_INSTANT) is None


def test_a_change_of_tenancy_ends_entitlement_by_consent_and_no_other() -> None:
    both = [Role.IS, Role.ED, Role.OU]
    for start in (None, CHANGE):
        of = Registry([(SUPPLIER, both)], [Registration(SUPPLIER, start=start)])
        of.change_of_tenancy(METER, CHANGE)
        assert ask(of, SUPPLIER, MIDNIGHT, MAX_INSTANT, "4.6.1") is None
        assert ask(of, SUPPLIER, MIDNIGHT, MAX_INSTANT, "4.15") is None
    users = Registry([(SUPPLIER, [Role.OU])], [Registration(SUPPLIER)])
    users.change_of_tenancy(METER, CHANGE)
    assert ask(users, SUPPLIER, 0, MIDNIGHT - 1) is None
    assert ask(users, SUPPLIER, MIDNIGHT, MIDNIGHT) is Reason.NOT_REGISTERED


def test_a_change_of_tenancy_ends_later_registrations_too() -> None:
    """The former consumer gave that consent; a registration without days entitles to nothing."""
    of = registry()
    of.register(Registration(OTHER_USER, Devices(METER, METER), start=LATER))
    of.change_of_tenancy(METER, CHANGE)
    assert ask(of, OTHER_USER, 0, 1) is Reason.NOT_REGISTERED
    assert ask(of, OTHER_USER, MIDNIGHT, MIDNIGHT) is Reason.NOT_REGISTERED
    later = (LATER - DAY_0).days * DAY
    assert ask(of, OTHER_USER, later, later) is Reason.NOT_REGISTERED
    of.register(Registration(OTHER_USER, Devices(METER, METER), start=CHANGE))
    assert ask(of, OTHER_USER, MIDNIGHT, MAX_INSTANT) is None


@pytest.mark.parametrize(
    ("day", "seconds", "since"),
    [
        (CHANGE, -1, 0),
        (CHANGE, 0, MIDNIGHT),
        (CHANGE, 99 * DAY, MIDNIGHT),
        (CHANGE - timedelta(days=3), -1, MIDNIGHT - 3 * DAY),
    ],
)
def test_a_device_has_been_as_it_is_since_its_last_change(
    day: date, seconds: int, since: int
) -> None:
    def told_to_begin_with() -> Registry:
        return registry(Registration(SUPPLIER, end=day), Registration(NEXT, start=day))

    def change_of_supplier() -> Registry:
        of = registry(Registration(SUPPLIER))
        of.change_of_supplier(METER, SUPPLIER, NEXT, day, received=0.0)
        return of

    def change_of_tenancy() -> Registry:
        """Change the tenancy again, with no consent left to end."""
        of = registry(Registration(OTHER_USER, end=DAY_0 + timedelta(days=1)))
        of.change_of_tenancy(METER, day, received=0.0)
        return of

    now = EPOCH_UNIX + MIDNIGHT + seconds
    for make in (told_to_begin_with, change_of_supplier, change_of_tenancy):
        assert make().changed(METER, now) == (since + EPOCH_UNIX if since else 0)


def test_registrations_of_others_and_of_other_devices_change_no_device() -> None:
    of = registry(
        Registration(SUPPLIER),
        Registration(DISTRIBUTOR, start=CHANGE),
        Registration(OTHER_USER, start=CHANGE, end=LATER),
        Registration(NEXT, Devices(OTHER_METER, OTHER_METER), start=CHANGE),
    )
    of.change_of_tenancy(OTHER_METER, LATER)
    now = float(EPOCH_UNIX + MAX_INSTANT)
    assert of.changed(METER, now) == 0
    assert of.changed(OTHER_METER, now) > EPOCH_UNIX + MIDNIGHT


def test_without_a_window_today_is_required() -> None:
    of = registry(Registration(SUPPLIER, start=CHANGE, end=CHANGE + timedelta(days=1)))
    now = 946_684_800.0 + MIDNIGHT
    assert of.check(SUPPLIER, METER, "4.1.1", None, now) is None
    assert of.check(SUPPLIER, METER, "4.1.1", None, now - 0.001) is Reason.NOT_REGISTERED
    assert of.check(SUPPLIER, METER, "4.1.1", None, now + DAY) is Reason.NOT_REGISTERED


def test_impossible_changes_are_refused_in_one_line() -> None:
    of = registry(Registration(SUPPLIER, end=CHANGE))
    with pytest.raises(ValueError, match="90B3D51F30099999 is not a party"):
        of.register(Registration(STRANGER))
    with pytest.raises(ValueError, match="90B3D51F30099999 is not a party"):
        of.change_of_supplier(METER, SUPPLIER, STRANGER, CHANGE - timedelta(days=1))
    held = CHANGE - timedelta(days=1)
    for party, roles in ((OTHER_USER, "OU"), (DISTRIBUTOR, "ED")):
        with pytest.raises(ValueError, match=f"^{party} is not a supplier: its roles are {roles}$"):
            of.change_of_supplier(METER, SUPPLIER, party, held)
    for old, day in ((SUPPLIER, CHANGE), (DISTRIBUTOR, held), (STRANGER, held)):
        words = f"^{old} is not registered for {METER} on {day} as IS$"
        with pytest.raises(ValueError, match=words):
            of.change_of_supplier(METER, old, NEXT, day)
    assert ask(of, SUPPLIER, 0, MIDNIGHT - 1) is None


DAYS = st.integers(0, 8)
WRITTEN = st.lists(
    st.tuples(st.sampled_from([SUPPLIER, NEXT]), st.none() | DAYS, st.none() | DAYS), max_size=5
)


@given(WRITTEN, st.integers(0, 9 * DAY - 1), st.integers(0, 9 * DAY - 1))
def test_a_party_is_entitled_to_a_window_if_each_day_is_in_a_registration(
    written: list[tuple[EUI, int | None, int | None]], one: int, other: int
) -> None:
    """Every day: in [start, end) of its own, or its end where another party's begins."""

    def day(number: int | None) -> date | None:
        return None if number is None else DAY_0 + timedelta(days=number)

    of = registry(*(Registration(party, start=day(s), end=day(e)) for party, s, e in written))
    start, end = sorted((one, other))

    def covered(number: int) -> bool:
        return any(
            party == SUPPLIER
            and (s or 0) <= number
            and (
                e is None
                or number < e
                or (number == e and any(p == NEXT and (b or 0) == e for p, b, _ in written))
            )
            for party, s, e in written
        )

    expected = all(map(covered, range(start // DAY, end // DAY + 1)))
    assert (ask(of, SUPPLIER, start, end) is None) is expected
