"""Several processes on one file of a registry, each told of every change, in any interleaving."""

import errno
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
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
from gbcs.instants import parse_iso
from gbcs.usecases.profile_read import Window
from tests.emulator.cache.registry.test_changes_file import TEXT
from tests.emulator.cache.registry.test_changes_file import path as path
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

OLD, NEW = EUI.parse("90B3D51F30010000"), EUI.parse("90B3D51F30050000")
USER = EUI.parse("90B3D51F30040000")
DAY, LATER = date(2026, 1, 10), date(2026, 1, 12)
WINDOW = Window(parse_iso("2026-01-14"), parse_iso("2026-01-14T23:59:59Z"))

REGISTRATION = Registration(USER, Devices(METER, METER), date(2025, 1, 1))
TENANCY = ChangeOfTenancy(METER, DAY)
CHANGES: list[Change] = [
    REGISTRATION,
    TENANCY,
    Registration(USER, Devices(METER, METER), DAY),
    ChangeOfTenancy(METER, LATER),
    ChangeOfTenancy(OTHER_METER, DAY),
    Registration(NEW, start=DAY),
    Registration(USER, Devices(METER, OTHER_METER), LATER),
    ChangeOfSupplier(METER, OLD, NEW, DAY),
    ChangeOfSupplier(METER, NEW, OLD, DAY),
    ChangeOfSupplier(METER, OLD, NEW, LATER),
]


def holds(registry: Registry) -> object:
    """Return all that a registry says."""
    devices = METER, OTHER_METER
    return [(registry.registrations(one), registry.changed(one, UNIX_NOW * 2)) for one in devices]


def tell(registry: Registry, change: Change, told: float) -> bool:
    try:
        registry.make(change, told)
    except ValueError:
        return False
    assert registry.forgotten == ""
    return True


def test_an_equal_change_does_not_undo_a_later_one(path: Path) -> None:
    one, other = load_registry(path), load_registry(path)

    def refused(registry: Registry) -> Reason | None:
        return registry.check(USER, METER, "4.8.1", WINDOW, UNIX_NOW)

    one.make(REGISTRATION, 1.0)
    one.make(TENANCY, 2.0)
    other.make(REGISTRATION, 3.0)
    assert other.repeated
    third = load_registry(path)
    for registry in (one, other, third):
        assert refused(registry) is Reason.NOT_REGISTERED
    other.make(TENANCY, 4.0)
    for registry in (one, other, third, load_registry(path)):
        assert refused(registry) is Reason.NOT_REGISTERED


def test_an_equal_change_keeps_later_registrations(path: Path) -> None:
    one, other = load_registry(path), load_registry(path)
    anew = Registration(USER, Devices(METER, METER), DAY)
    one.make(TENANCY, 1.0)
    one.make(anew, 2.0)
    other.make(TENANCY, 3.0)
    for registry in (one, other, load_registry(path)):
        assert registry.check(USER, METER, "4.8.1", WINDOW, UNIX_NOW) is None


@settings(max_examples=30)
@given(data=st.data())
def test_processes_that_were_told_the_same_changes_agree(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With anything in between, restarts too; a restarted process agrees with the last one told."""
    path = tmp_path_factory.mktemp("registry") / "registry.toml"
    path.write_text(TEXT)
    changes = data.draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=6))
    processes = [load_registry(path) for _ in range(3)]
    order = data.draw(st.permutations([place for place in range(3) for _ in changes]))
    told = [0, 0, 0]
    for number, place in enumerate(order, start=1):
        if data.draw(st.integers(0, 7)) == 0:
            processes[place] = load_registry(path)
        tell(processes[place], changes[told[place]], float(number))
        told[place] += 1
        assert holds(load_registry(path)) == holds(processes[place])
    for registry in processes:
        registry.make(ChangeOfTenancy(METER, date(2030, 1, 1)), 99.0)
    assert len({str(holds(registry)) for registry in processes}) == 1


def test_a_file_that_was_replaced_or_moved_away_is_read_again(path: Path) -> None:
    """As its user does with an editor, or by moving changes to the registry's own file."""
    one, other = load_registry(path), load_registry(path)
    one.make(TENANCY, 1.0)
    beside = changes_path(path)
    text = beside.read_text()
    copy = beside.with_name("copy")
    copy.write_text("# edited\n" + text.replace(str(METER), str(OTHER_METER)))
    copy.replace(beside)
    other.make(REGISTRATION, 2.0)
    one.make(REGISTRATION, 3.0)
    assert holds(load_registry(path)) == holds(other)
    path.write_text(TEXT + beside.read_text())
    beside.unlink()
    one.make(ChangeOfTenancy(OTHER_METER, LATER), 4.0)
    assert one.forgotten == ""
    assert "kind" in beside.read_text()
    load_registry(path)


@pytest.mark.parametrize("rubbish", [b"[[change]]\nkind = \n", b"\xff", b"[[change]]\n"])
def test_an_unreadable_file_is_not_written_until_it_is_repaired(rubbish: bytes, path: Path) -> None:
    registry = load_registry(path)
    registry.make(TENANCY, 1.0)
    beside = changes_path(path)
    good = beside.read_bytes()
    beside.write_bytes(good + rubbish)
    registry.make(ChangeOfTenancy(OTHER_METER, DAY), 2.0)
    assert registry.forgotten.startswith(f"{beside}: ")
    assert "\n" not in registry.forgotten
    assert beside.read_bytes() == good + rubbish
    beside.write_bytes(good)
    registry.make(REGISTRATION, 3.0)
    assert registry.forgotten == ""
    assert holds(load_registry(path)) == holds(registry)


def test_an_impossible_change_in_the_file_is_reported_by_the_next_start(path: Path) -> None:
    registry = load_registry(path)
    registry.make(TENANCY, 1.0)
    beside = changes_path(path)
    wrong = (
        f'[[change]]\nkind="supplier"\ndevice="{METER}"\nold="{NEW}"\nnew="{OLD}"\nday=2026-01-01\n'
    )
    beside.write_text(beside.read_text() + wrong)
    registry.make(REGISTRATION, 2.0)
    assert registry.forgotten == ""
    with pytest.raises(RegistryFileError, match=f"change 2: {NEW} is not registered for {METER}"):
        load_registry(path)
    beside.write_text(beside.read_text().replace(wrong, ""))
    assert holds(load_registry(path)) == holds(registry)


def test_a_file_that_cannot_be_written_is_read_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = load_registry(path)
    told.make(TENANCY, 1.0)
    really = os.open

    def read_only(file: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really(file, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    registry = load_registry(path)
    assert holds(registry) == holds(told)
    registry.make(REGISTRATION, 2.0)
    assert registry.forgotten == f"{changes_path(path)}: Read-only file system"
    monkeypatch.undo()
    registry.make(ChangeOfTenancy(OTHER_METER, DAY), 3.0)
    assert registry.forgotten == ""
    assert holds(load_registry(path)) == holds(registry)


# How long the file may become


def fill(path: Path, monkeypatch: pytest.MonkeyPatch, octets: int = 1500) -> tuple[Registry, int]:
    """Make changes of other devices until there is no room; return their number."""
    monkeypatch.setattr("esme_emulator.cache.registry.file.MOST_OCTETS", octets)
    registry = load_registry(path)
    told = 0
    while tell(registry, ChangeOfTenancy(EUI.from_int(told + 1), DAY), float(told)):
        told += 1
        assert told < 1000, "there is no limit"
    with pytest.raises(ValueError, match=rf"^\S+\.changes is full: it may have {octets} octets.*$"):
        registry.make(ChangeOfTenancy(EUI.from_int(told + 1), DAY), float(told))
    return registry, told


def test_every_written_change_can_be_read_and_a_change_without_room_is_not_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, number = fill(path, monkeypatch)
    assert number > 10
    refused = EUI.from_int(number + 1)
    assert registry.check(USER, refused, "4.8.1", WINDOW, UNIX_NOW) is None, "it is not made"
    again = load_registry(path)
    for device in range(1, number + 1):
        assert again.registrations(EUI.from_int(device)) == registry.registrations(
            EUI.from_int(device)
        )
    with pytest.raises(ValueError, match="is full"):
        again.make(ChangeOfTenancy(refused, DAY), 1.0)


def test_a_start_writes_each_change_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the latest time at which it was told; this makes room for other changes."""
    registry = load_registry(path)
    for number in range(20):
        registry.make(TENANCY, float(number))
        registry.make(REGISTRATION, float(number))
    long = changes_path(path).stat().st_size
    mode = changes_path(path).stat().st_mode
    again, third = load_registry(path), load_registry(path)
    assert changes_path(path).stat().st_size < long / 10
    assert changes_path(path).stat().st_mode == mode
    assert [one.name for one in path.parent.iterdir()].count("registry.toml.changes.new") == 0
    assert holds(registry) == holds(again) == holds(third)
    assert again.changed(METER, UNIX_NOW) >= 19.0
    registry.make(ChangeOfTenancy(OTHER_METER, DAY), 50.0)  # finds the file that is there now
    again.make(ChangeOfTenancy(OTHER_METER, DAY), 51.0)
    assert holds(load_registry(path)) == holds(again)


@pytest.mark.parametrize("call", ["replace", "fsync", "write"])
def test_a_file_that_cannot_be_rewritten_stays_as_it_is(
    call: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = load_registry(path)
    for number in range(3):
        registry.make(TENANCY, float(number))
    before = changes_path(path).read_bytes()

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    again = load_registry(path)
    assert holds(again) == holds(registry)
    assert changes_path(path).read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "registry.toml",
        "registry.toml.changes",
    ]
    monkeypatch.undo()
    again.make(REGISTRATION, 5.0)
    assert again.forgotten == ""
    assert holds(load_registry(path)) == holds(again)
