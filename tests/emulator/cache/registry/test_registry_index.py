"""With many registrations and changes, neither a check nor a start reads all of them."""

import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.registry.file import changes_path, load_registry
from esme_emulator.cache.registry.registration import (
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Index,
    ReceivedChange,
    Registration,
)
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from gbcs import EUI
from gbcs.instants import parse_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.effort import at_most
from tests.support.estate import UNIX_NOW

RIVAL = EUI.parse("90B3D51F30010010")
MANY = 2000
FIRST = 0x00DBE50000000000
WINDOW = Window(parse_iso("2026-01-14"), parse_iso("2026-01-15"))
START = date(2020, 1, 1)


def device(number: int) -> EUI:
    return EUI.from_int(FIRST + number)


def empty(*registrations: Registration) -> Registry:
    roles = [(SUPPLIER, [Role.IS]), (RIVAL, [Role.IS]), (OTHER_USER, [Role.OU])]
    return Registry(roles, registrations)


def single(number: int) -> Devices:
    return Devices(device(number), device(number))


def wide(number: int) -> Devices:
    return Devices(device(3 * number), device(3 * number + 2))


@pytest.mark.parametrize("devices", [single, wide])
def test_a_check_does_not_look_at_the_registrations_of_other_devices(
    devices: Callable[[int], Devices],
) -> None:
    registry = empty(*(Registration(SUPPLIER, devices(number), START) for number in range(MANY)))
    meter = device(7)
    with at_most(200):
        assert registry.check(SUPPLIER, meter, "4.8.1", WINDOW, UNIX_NOW) is None
        assert registry.changed(meter, UNIX_NOW) > 0
    registry.change_of_supplier(meter, SUPPLIER, RIVAL, START + timedelta(days=1))
    with at_most(300):
        assert registry.check(SUPPLIER, meter, "4.8.1", WINDOW, UNIX_NOW) is not None
        assert registry.check(RIVAL, meter, "4.8.1", WINDOW, UNIX_NOW) is None
        assert registry.changed(meter, UNIX_NOW) > 0


def test_a_check_does_not_look_at_the_registrations_of_other_parties() -> None:
    parties = [EUI.from_int(number) for number in range(MANY)]
    registry = Registry(
        [(party, [Role.IS]) for party in parties],
        [Registration(party, start=START) for party in parties],
    )
    with at_most(100):
        assert registry.check(parties[7], device(7), "4.8.1", WINDOW, UNIX_NOW) is None
        assert registry.changed(device(7), UNIX_NOW) > 0


DAYS = [START + timedelta(days=number) for number in range(MANY)]
HISTORIES = {
    "tenancies-and-consents": [
        change
        for number in range(MANY // 2)
        for change in (
            ChangeOfTenancy(device(number), START),
            Registration(OTHER_USER, single(number), START),
        )
    ],
    "suppliers": [
        ChangeOfSupplier(device(number), SUPPLIER, RIVAL, START) for number in range(MANY)
    ],
    "registrations-of-all": [
        change
        for number in range(MANY // 2)
        for change in (
            ChangeOfTenancy(device(number), START),
            Registration(OTHER_USER, wide(number), START),
        )
    ],
    "one-device": [
        change
        for number in range(0, MANY, 2)
        for change in (
            ChangeOfSupplier(device(0), SUPPLIER, RIVAL, DAYS[number]),
            ChangeOfSupplier(device(0), RIVAL, SUPPLIER, DAYS[number + 1]),
        )
    ],
    "consumers-of-one-device": [
        change
        for day in DAYS[: MANY // 2]
        for change in (
            ChangeOfTenancy(device(0), day),
            Registration(OTHER_USER, single(0), day),
        )
    ],
}


@pytest.mark.parametrize("history", HISTORIES)
def test_changes_are_made_at_a_cost_that_does_not_grow_with_their_number(history: str) -> None:
    registry = empty(Registration(SUPPLIER))
    with at_most(300 * MANY):
        for change in HISTORIES[history]:
            registry.learn(ReceivedChange(change, 1.0))


def test_a_start_costs_as_much_for_each_change_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without parsing TOML, which takes far more calls than the changes."""
    path = tmp_path / "registry.toml"
    path.write_text(
        f'[[party]]\neui = "{OTHER_USER}"\nroles = ["OU"]\n'
        f'[[party]]\neui = "{SUPPLIER}"\nroles = ["IS"]\n'
    )
    entries = [
        entry
        for number in range(MANY // 2)
        for entry in (
            {"kind": "tenancy", "device": str(device(number)), "day": START},
            {
                "kind": "registration",
                "party": str(OTHER_USER),
                "devices": str(device(number)),
                "from": START,
                "told": "2026-01-15T12:00:00Z",
            },
        )
    ]
    loads = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda text: loads(text) if text else {"change": entries})
    changes_path(path).touch()
    with at_most(300 * MANY):
        registry = load_registry(path)
    assert registry.version == MANY


def test_one_more_change_does_not_read_all_others_again(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(f'[[party]]\neui = "{OTHER_USER}"\nroles = ["OU"]\n')
    one, other = load_registry(path), load_registry(path)
    for number in range(200):
        one.make(ChangeOfTenancy(device(number), START), 1.0)
    other.make(ChangeOfTenancy(device(999), START), 1.0)
    one.make(ChangeOfTenancy(device(998), START), 1.0)
    for registry in (other, one):
        with at_most(10_000):
            registry.make(ChangeOfTenancy(device(997), START), 1.0)


ADDRESSES = st.integers(0, 40) | st.integers((1 << 64) - 40, (1 << 64) - 1)


@given(st.lists(st.tuples(ADDRESSES, ADDRESSES), max_size=8), ADDRESSES)
def test_a_device_is_in_the_blocks_of_the_ranges_that_have_it(
    ranges: list[tuple[int, int]], address: int
) -> None:
    index = Index()
    written = []
    for ends in ranges:
        first, last = (EUI.from_int(end) for end in sorted(ends))
        written.append(Registration(SUPPLIER, Devices(first, last)))
        index.add(written[-1], supplies=True)
    where = EUI.from_int(address)
    found = [one for block in index.at(where) for _, one in block.by_party.get(SUPPLIER, ())]
    assert sorted(map(str, found)) == sorted(str(one) for one in written if where in one.devices)
