"""The WAN of a fleet: one for all meters, or that of each meter's profile."""

from dataclasses import asdict
from pathlib import Path

import pytest

from esme_emulator.device.model import meter_of
from esme_emulator.estate.euis import EuiRange
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.wan import BY_PROFILE, NO_WAN, WanLink, check_wan, wan_of
from esme_emulator.profiles import ProfileError, meter_profile, wan_profile
from esme_emulator.profiles.latency import NONE
from gbcs.tables.roles import Role
from tests.support.estate import ESTATE as SMALL
from tests.support.estate import KEYS, SEED, UNIX_NOW, command

PROFILES = tuple(meter_profile(name) for name in ("single", "smets1", "single-north"))
METERS = EuiRange(SMALL.meters[0], 60)


def fleet_behind(name: str) -> Fleet:
    wan = wan_of(name, SEED, profiles=PROFILES)
    return Fleet(METERS, KEYS, SEED, NONE, wan=wan, profiles=PROFILES)


def ask_all(fleet: Fleet) -> dict[str, list[float]]:
    """Return the seconds to the reply of every meter, by the WAN of its profile."""
    taken: dict[str, list[float]] = {}
    for device in METERS:
        octets = command("4.8.3", Role.ED, device=device)[1]
        (reply,) = fleet.receive(device, octets, UNIX_NOW).replies or (None,)
        if reply is not None:
            kind = meter_of(SEED, device, PROFILES).profile.wan
            taken.setdefault(kind, []).append(reply.due - UNIX_NOW)
    return taken


def test_each_meter_is_behind_the_wan_of_its_own_profile() -> None:
    fleet = fleet_behind(BY_PROFILE)
    taken = ask_all(fleet)
    kinds = [meter_of(SEED, device, PROFILES).profile.wan for device in METERS]
    assert set(taken) == {"smets2-cellular", "smets1-sms", "smets2-long-range-radio"}
    assert all(seconds > 0 for all_ in taken.values() for seconds in all_)
    assert fleet.wan is not None
    sms = wan_profile("smets1-sms").wake_sms
    assert sms > 0
    assert fleet.wan.tally.sms == sms * kinds.count("smets1-sms")
    assert fleet.wan.tally.commands == len(METERS)


def test_links_by_profile_draw_the_same_as_one_link_for_all() -> None:
    by_profile, for_all = (ask_all(fleet_behind(name)) for name in (BY_PROFILE, "smets1-sms"))
    assert by_profile["smets1-sms"] == for_all["smets1-sms"]
    assert by_profile["smets2-cellular"] != for_all["smets2-cellular"]


def test_a_wan_by_name_is_shared_and_none_is_no_wan() -> None:
    wan = wan_of("smets1-sms", SEED, profiles=PROFILES)
    assert isinstance(wan, WanLink)
    assert {wan.of(device) for device in METERS} == {wan}
    assert wan_of(NO_WAN, SEED) is None


def test_meters_whose_profile_has_no_wan_answer_at_once(tmp_path: Path) -> None:
    text = Path("profiles/meters/single.toml").read_text()
    lines = ['wan = "none"' if line.startswith("wan ") else line for line in text.splitlines()]
    (tmp_path / "wired.toml").write_text("\n".join(lines))
    profiles = (meter_profile(str(tmp_path / "wired.toml")),)
    fleet = Fleet(
        METERS, KEYS, SEED, NONE, wan=wan_of(BY_PROFILE, SEED, profiles=profiles), profiles=profiles
    )
    octets = command("4.8.3", Role.ED)[1]
    (reply,) = fleet.receive(METERS[0], octets, UNIX_NOW).replies
    assert reply.due == UNIX_NOW
    assert fleet.wan is not None
    assert set(asdict(fleet.wan.tally).values()) == {0}


def test_an_unknown_wan_is_refused() -> None:
    for name in (BY_PROFILE, NO_WAN, "smets1-sms"):
        check_wan(name)
    with pytest.raises(ProfileError, match="there is no such profile"):
        check_wan("tin-can")
