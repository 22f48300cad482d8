"""Meters of a fleet file that are not in service, or whose CSV cannot be read, do not reply."""

from pathlib import Path

import pytest

from esme_emulator.device.meter import NORMAL, Behaviour, Outcome
from esme_emulator.faults.base import Call, Delivery
from esme_emulator.fleet.counters import NOT_HOSTED
from esme_emulator.fleet.fleet import Fleet, Receipt
from esme_emulator.fleet.wan import BY_PROFILE, wan_of
from esme_emulator.profiles import built, read_fleet
from esme_emulator.profiles.latency import NONE
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, SEED, UNIX_NOW, command


class ByKind:
    """Faults that look at the profile of each meter."""

    def behaviour(self, call: Call) -> Behaviour:
        assert call.profile_of() == "single"
        return NORMAL

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        return (Delivery(octets),)


def ask(fleet: Fleet, srv: str = "4.8.1") -> Receipt:
    return fleet.receive(METER, command(srv)[1], UNIX_NOW)


@pytest.mark.parametrize("state", ["not-commissioned", "suspended", "decommissioned"])
def test_a_meter_that_is_not_commissioned_is_like_none(state: str) -> None:
    meters = built({str(METER): {"state": state}, str(OTHER_METER): {}})
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE, profiles=meters)
    receipt = ask(fleet)
    assert (receipt.outcome, receipt.replies) == (NOT_HOSTED, ())
    octets = command("4.8.1", device=OTHER_METER)[1]
    assert fleet.receive(OTHER_METER, octets, UNIX_NOW).reply


@pytest.mark.parametrize("text", [None, "start,import_wh\nsoon,5\n"])
def test_a_meter_whose_csv_cannot_be_read_sends_no_reply(text: str | None, tmp_path: Path) -> None:
    """The WAN by profile and the faults need its profile, but not its half hours."""
    table = f'[[meter]]\neui = "{METER}"\ncsv = "{{eui}}.csv"\nwan = "smets1-sms"\n'
    (tmp_path / "fleet.toml").write_text(table)
    data = tmp_path / f"{METER}.csv"
    data.write_text("start,import_wh\n2026-03-28T00:00Z,5\n")
    meters = read_fleet(tmp_path / "fleet.toml")
    if text is None:
        data.unlink()
    else:
        data.write_text(text)
    wan = wan_of(BY_PROFILE, SEED, profiles=meters)
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE, wan=wan, faults=ByKind(), profiles=meters)
    receipt = ask(fleet)
    assert (receipt.outcome, receipt.replies) == (Outcome.UNANSWERED, ())
    assert str(data) in receipt.reason
    assert "\n" not in receipt.reason
