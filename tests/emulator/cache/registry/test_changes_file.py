"""Changes are kept beside the registry's file, for the next cache that uses it."""

import errno
import os
from datetime import date
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.registry.file import RegistryFileError, changes_path, load_registry
from esme_emulator.cache.registry.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Registration,
)
from esme_emulator.cache.registry.registry import Reason, Registry
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, parse_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

OLD, NEW = EUI.parse("90B3D51F30010000"), EUI.parse("90B3D51F30050000")
USER = EUI.parse("90B3D51F30040000")
DAY = date(2026, 2, 1)
TEXT = f"""# whom we supply
[[party]]
eui = "{OLD}"
roles = ["IS", "ES"]

[[party]]
eui = "{NEW}"
roles = ["IS"]

[[party]]
eui = "{USER}"
roles = ["OU"]

[[registration]]
party = "{OLD}"
"""
SUPPLIER_CHANGE = f"""
[[change]]
kind = "supplier"
device = "{METER}"
old = "{OLD}"
new = "{NEW}"
day = 2026-02-01
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "registry.toml"
    path.write_text(TEXT)
    return path


def refusal(registry: Registry, party: EUI, day: date = DAY, device: EUI = METER) -> Reason | None:
    instant = parse_iso(f"{day}T12:00:00Z")
    return registry.check(party, device, "4.8.1", Window(instant, instant), UNIX_NOW)


def test_a_change_is_made_again_and_the_users_file_left_alone(path: Path) -> None:
    told = load_registry(path)
    assert not changes_path(path).exists()
    told.change_of_supplier(METER, OLD, NEW, DAY)
    told.change_of_tenancy(METER, DAY)
    told.register(Registration(USER, Devices(METER, METER), DAY, None, frozenset({Role.OU})))
    assert told.forgotten == ""
    assert path.read_text() == TEXT
    again = load_registry(path)
    assert again.forgotten == ""
    assert again.registrations(METER) == told.registrations(METER)
    later = date(2026, 2, 2)
    assert refusal(again, OLD, later) is Reason.NOT_REGISTERED
    assert refusal(again, NEW, later) is None
    assert refusal(again, USER, later) is None
    assert refusal(again, USER, date(2026, 1, 1)) is None
    assert refusal(again, USER, device=OTHER_METER) is None
    midnight = float(EPOCH_UNIX + parse_iso("2026-02-01"))
    assert again.changed(METER, midnight) == midnight


def test_changes_may_be_moved_to_the_users_file(path: Path) -> None:
    told = load_registry(path)
    told.change_of_supplier(METER, OLD, NEW, DAY)
    told.change_of_tenancy(METER, DAY)
    changes = changes_path(path).read_text()
    path.write_text(TEXT + changes)
    for _ in ("with the other file there still", "without it"):
        assert load_registry(path).registrations(METER) == told.registrations(METER)
        changes_path(path).unlink(missing_ok=True)


def test_several_caches_on_one_file_are_told_each_and_keep_it_once_for_all(path: Path) -> None:
    caches = [load_registry(path) for _ in range(2)]
    for one in caches:
        one.change_of_supplier(METER, OLD, NEW, DAY)
        one.change_of_tenancy(METER, DAY)
        one.register(Registration(USER, Devices(METER, METER), start=DAY))
    again = load_registry(path)
    for party in (OLD, NEW, USER):
        for day in (date(2026, 1, 1), DAY, date(2026, 3, 1)):
            assert refusal(again, party, day) is refusal(caches[0], party, day)


def test_a_change_that_cannot_be_written_is_reported_and_written_with_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes a part of it, which is removed again."""
    registry = load_registry(path)
    registry.change_of_tenancy(OTHER_METER, DAY)
    before = changes_path(path).read_bytes()
    write = os.write

    def full(file: int, octets: bytes) -> int:
        if len(octets) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, octets[:-19])

    monkeypatch.setattr(os, "write", full)
    registry.change_of_supplier(METER, OLD, NEW, DAY)
    assert registry.forgotten == f"{path}.changes: No space left on device"
    assert refusal(registry, NEW) is None
    assert changes_path(path).read_bytes() == before
    monkeypatch.undo()
    registry.change_of_tenancy(METER, DAY)
    assert registry.forgotten == ""
    assert load_registry(path).registrations(METER) == registry.registrations(METER)


def test_a_file_whose_last_line_has_no_end_takes_further_changes(path: Path) -> None:
    """Its user edited it with an editor that does not end the last line."""
    changes_path(path).write_text(SUPPLIER_CHANGE.strip())
    told = load_registry(path)
    told.change_of_tenancy(METER, DAY)
    assert told.forgotten == ""
    again = load_registry(path)
    assert refusal(again, OLD) is None
    assert refusal(again, OLD, date(2026, 2, 2)) is Reason.NOT_REGISTERED
    assert refusal(again, USER) is Reason.NOT_REGISTERED


def test_a_cache_that_cannot_write_undoes_no_change_of_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = load_registry(path), load_registry(path)
    really = os.fsync
    writing = Thread(target=other.change_of_tenancy, args=(METER, DAY))

    def fail(_: int) -> None:
        monkeypatch.setattr(os, "fsync", really)
        writing.start()
        writing.join(0.2)  # while the other waits, or has written
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    one.change_of_tenancy(OTHER_METER, DAY)
    writing.join()
    assert "Input/output error" in one.forgotten
    assert other.forgotten == ""
    again = load_registry(path)
    assert refusal(again, USER) is Reason.NOT_REGISTERED
    assert refusal(again, USER, device=OTHER_METER) is None


def test_a_registry_without_a_file_says_that_it_forgets() -> None:
    registry = Registry([(OLD, [Role.IS]), (NEW, [Role.IS])], [Registration(OLD)])
    assert registry.forgotten == ""
    registry.change_of_supplier(METER, OLD, NEW, DAY)
    assert "give --registry FILE" in registry.forgotten


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("[[change]]\n", ["change 1: kind: give one of registration, supplier, tenancy"]),
        (
            '[[change]]\nkind = "end"\n',
            ["change 1: kind: 'end' is unknown; known are registration, supplier, tenancy"],
        ),
        (
            "[[change]]\nkind = []\n",
            ["change 1: kind: give one of registration, supplier, tenancy"],
        ),
        ("change = 1\n", ["change: write it as [[change]], once for each"]),
        (
            '[[change]]\nkind = "tenancy"\nold = 3\n',
            [
                "change 1: device: is missing",
                "change 1: day: is missing",
                "change 1: old: unknown key; known are device, day",
            ],
        ),
        (
            SUPPLIER_CHANGE.replace(str(NEW), str(USER)),
            [f"change 1: {USER} is not a supplier: its roles are OU"],
        ),
        (SUPPLIER_CHANGE.replace(str(NEW), str(OLD)), [f"change 1: {OLD} is the old supplier too"]),
        (
            SUPPLIER_CHANGE.replace(str(NEW), "90B3D51F30099999"),
            ["change 1: 90B3D51F30099999 is not a party"],
        ),
        (
            SUPPLIER_CHANGE + SUPPLIER_CHANGE.replace("-02-01", "-03-01"),
            [f"change 2: {OLD} is not registered for {METER} on 2026-03-01 as IS"],
        ),
        (
            '[[change]]\nkind = "registration"\nparty = "90B3D51F30099999"\n',
            ["change 1: party: 90B3D51F30099999 is not in the [[party]] entries"],
        ),
    ],
)
def test_invalid_changes_are_reported_with_their_entries(
    text: str, mistakes: list[str], path: Path
) -> None:
    beside = changes_path(path)
    beside.write_text(text)
    with pytest.raises(RegistryFileError) as raised:
        load_registry(path)
    assert list(raised.value.mistakes) == [f"{beside}: {mistake}" for mistake in mistakes]
    beside.unlink()
    path.write_text(text + TEXT if text.startswith("change =") else TEXT + text)
    with pytest.raises(RegistryFileError) as raised:
        load_registry(path)
    assert list(raised.value.mistakes) == [f"{path}: {mistake}" for mistake in mistakes]


def test_the_file_of_changes_has_nothing_else(path: Path) -> None:
    changes_path(path).write_text('[[party]]\neui = "90B3D51F30099999"\nroles = ["IS"]\n')
    with pytest.raises(RegistryFileError, match=r"changes: party: unknown key; known are change"):
        load_registry(path)


EUIS = st.sampled_from([METER, OTHER_METER, EUI(b"\xff" * 8)])
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
ROLES = st.none() | st.frozensets(st.sampled_from([Role.IS, Role.ES]), min_size=1)


@st.composite
def registrations(draw: st.DrawFn) -> Registration:
    first, last = sorted((draw(EUIS), draw(EUIS)))
    start, end = sorted((draw(DAYS), draw(DAYS)))
    limits = (start, end) if start < end else (draw(st.sampled_from([start, None])), None)
    return Registration(OLD, Devices(first, last), *limits, draw(ROLES))


CHANGES = st.lists(
    registrations()
    | st.builds(ChangeOfTenancy, EUIS, DAYS)
    | st.builds(ChangeOfSupplier, EUIS, st.just(OLD), st.just(NEW), DAYS),
    max_size=6,
)


@given(CHANGES)
def test_any_changes_are_made_again_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Change]
) -> None:
    path = tmp_path_factory.mktemp("any") / "registry.toml"
    path.write_text(TEXT)
    registry = load_registry(path)
    for change in changes:
        try:
            registry.make(change)
        except ValueError:
            continue
        assert registry.forgotten == ""
    again = load_registry(path)
    for device in (METER, OTHER_METER, EUI(b"\xff" * 8), EUI(bytes(8))):
        assert again.registrations(device) == registry.registrations(device)
        assert again.changed(device, 5e9) == registry.changed(device, 5e9)
