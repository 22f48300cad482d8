"""A meter's nature: kind, age, tariff and loads, all drawn from fleet seed and EUI.

Knows numbers only, nothing of GBCS content; a meter costs nothing until it is asked.
"""

from dataclasses import dataclass
from functools import lru_cache

from emulator.device.energy import HALF_HOURS, Series, series
from emulator.seeded import draw
from gbcs.eui import EUI
from profiles import LoadProfile, MeterProfile, meter_profiles

FIRST_INSTALLATION_DAY, LAST_INSTALLATION_DAY = 6210, 8036
"""2017-01-01 to 2022-01-01, in days since 2000-01-01: when meters were fitted."""

ONE_RATE = (0,) * HALF_HOURS
ECONOMY_7 = tuple(1 if 1 <= slot < 15 else 0 for slot in range(HALF_HOURS))
"""Register of each half hour: one for all, or a second one from 00:30 to 07:30 UTC."""

_REACTIVE = 0.3
"""Reactive against active energy, a power factor of about 0.96. Assumed."""

NOTHING = LoadProfile("nothing", "No flow", 0.0, 1.0, (1.0,) * HALF_HOURS, 1.0)


@dataclass(frozen=True, slots=True)
class Nature:
    """What one meter is, and the energy through each of its registers."""

    profile: MeterProfile
    installed: int
    """Day of installation, at whose start every register stood at 0, since 2000-01-01."""
    tariff: tuple[int, ...]
    """TOU register, from 0, of each half hour of the day."""
    block_thresholds: tuple[int, ...]
    """Wh a year at which each next block starts; empty unless the tariff is of blocks."""
    primary: Series
    secondary: Series | None
    active_export: Series
    reactive_import: Series
    reactive_export: Series
    phases: int
    """1 or 3."""
    secret: bytes
    """16 drawn octets that only this meter has, for further draws."""


@lru_cache(maxsize=16_384)
def nature(seed: str, eui: EUI, profiles: tuple[MeterProfile, ...] | None = None) -> Nature:
    """Return the nature of the meter `eui` in the fleet of `seed`."""
    secret = draw(seed, "meter", eui, 16)
    profile = _choose(profiles or meter_profiles(), int.from_bytes(secret[:4], "big"))
    days = LAST_INSTALLATION_DAY - FIRST_INSTALLATION_DAY
    installed = FIRST_INSTALLATION_DAY + int.from_bytes(secret[4:8], "big") % days
    return Nature(
        profile,
        installed,
        ECONOMY_7 if profile.secondary or secret[8] % 4 == 0 else ONE_RATE,
        (),
        series(profile.primary, secret + b"import"),
        series(profile.secondary, secret + b"secondary") if profile.secondary else None,
        series(profile.export or NOTHING, secret + b"export"),
        series(profile.primary, secret + b"reactive-import", _REACTIVE),
        series(profile.export or NOTHING, secret + b"reactive-export", _REACTIVE),
        3 if profile.variant == "polyphase" else 1,
        secret,
    )


def _choose(profiles: tuple[MeterProfile, ...], drawn: int) -> MeterProfile:
    place = drawn % sum(profile.share for profile in profiles)
    for profile in profiles:
        place -= profile.share
        if place < 0:
            return profile
    raise AssertionError("shares are whole numbers above 0")
