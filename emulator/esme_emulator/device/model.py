"""A meter: its profile, age, tariff and energy, all drawn from the fleet's seed and its EUI.

A model of numbers, without GBCS content. A meter costs nothing until it is used.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from esme_emulator.device.energy import NOTHING, Register, metered, reactive, series
from esme_emulator.profiles import MeterMix, MeterProfile, OwnData, ProfileError, meter_profiles
from esme_emulator.profiles.curve_file import Channel
from esme_emulator.profiles.model import HALF_HOURS
from esme_emulator.runtime.draws import draw, draw_number
from gbcs.eui import EUI
from gbcs.instants import day_of

INSTALLATION_DAYS = {"SMETS1": (4749, 6913), "SMETS2": (6210, 8036)}
"""First day, and day after the last, of the installation of a generation, since 2000-01-01.

2013-01-01 to 2018-12-05, and 2017-01-01 to 2022-01-01. Assumed.
"""

ONE_RATE = (0,) * HALF_HOURS
ECONOMY_7 = tuple(1 if 1 <= slot < 15 else 0 for slot in range(HALF_HOURS))
"""Register of each half hour: one for all, or the second from 00:30 to 07:30 UTC."""


@dataclass(frozen=True, slots=True)
class Meter:
    """The properties of one meter, and the energy through each of its registers."""

    profile: MeterProfile
    installed: int
    """Day of installation, since 2000-01-01; at its start all registers are 0."""
    tariff: tuple[int, ...]
    """Time of use (TOU) register, from 0, of each half hour of the day."""
    block_thresholds: tuple[int, ...]
    """Wh per year at which each next block starts; empty without a block tariff."""
    primary: Register
    secondary: Register | None
    """The second element; None on a meter with one element."""
    active_export: Register
    """Stays at 0 if the profile has no export."""
    reactive_import: Register
    """That of the first element, if there are two."""
    reactive_export: Register
    phases: int
    """1 or 3."""
    secret: bytes
    """16 octets drawn for this meter alone: the seed of its further draws."""
    prices: tuple[int, ...] | None = None
    """Price of a kWh in each TOU register or block, in thousandths of a penny. None: `tariff`'s."""
    standing_charge: int | None = None
    """Per day, in thousandths of a penny. None: `tariff`'s."""
    balance: int | None = None
    """Meter balance at installation, in thousandths of a penny.

    None: the account of a household, with top-ups and debts.
    """

    def draw(self, purpose: str, number: int = 0) -> int:
        """Return the `number`-th draw for `purpose`, 0 to 2^32 - 1.

        `purpose` has at most 16 characters.
        """
        return draw_number(self.secret, purpose, number)

    def draw_between(self, purpose: str, number: int, least: int, most: int) -> int:
        """Return the `number`-th draw for `purpose`, `least` to `most`."""
        return least + self.draw(purpose, number) * (most - least + 1) // 2**32


def meter_of(seed: str, eui: EUI, profiles: tuple[MeterProfile, ...] | None = None) -> Meter:
    """Return the meter `eui` of the fleet of `seed`.

    `profiles` are those of the fleet, chosen by their shares; None is the shipped mix. Raises
    `ProfileError` if a shipped profile or the meter's own data cannot be used.
    """
    if isinstance(profiles, MeterMix) and profiles.has_own(eui):
        return _owning(seed, eui, profiles, profiles.version)
    return _drawn(seed, eui, profiles)


def profile_of(
    seed: str, eui: EUI, profiles: tuple[MeterProfile, ...] | None = None
) -> MeterProfile:
    """Return the profile of `meter_of`, without reading the meter's own half hours."""
    kind = profiles.kind(eui) if isinstance(profiles, MeterMix) else None
    return kind or _drawn(seed, eui, profiles).profile


@lru_cache(maxsize=256)
def _owning(seed: str, eui: EUI, mix: MeterMix, version: int) -> Meter:
    """Return a meter with its own data; few are cached, since each may hold years of half hours.

    `version` is that of the mix, so that a change ends the cache.
    """
    return owning(seed, eui, mix, mix.own(eui))


def owning(seed: str, eui: EUI, mix: MeterMix, own: OwnData) -> Meter:
    """Return the meter `eui` of a fleet with this data of its own, which need not be in `mix`.

    Raises `ProfileError` if such a meter cannot have this data.
    """
    meter = _drawn(seed, eui, mix if own.profile is None else (own.profile,))
    table, curves = own.table, own.curves
    slots = own.tariff or meter.tariff
    registers: dict[str, Any] = {
        "primary": _register("import", meter.primary, own, slots),
        "active_export": _register("export", meter.active_export, own, ONE_RATE),
        "reactive_import": _register("reactive_import", meter.reactive_import, own, ONE_RATE),
        "reactive_export": _register("reactive_export", meter.reactive_export, own, ONE_RATE),
    }
    if meter.secondary is not None:
        registers["secondary"] = _register("secondary", meter.secondary, own, slots)
    if "import" in curves and "reactive_import" not in curves:
        registers["reactive_import"] = NOTHING
    if "export" in curves and "reactive_export" not in curves:
        registers["reactive_export"] = NOTHING
    return replace(
        meter,
        **registers,
        tariff=slots,
        installed=meter.installed if table.installed is None else day_of(table.installed),
        prices=None if table.prices is None else tuple(map(_thousandths, table.prices)),
        standing_charge=_optional(table.standing_charge),
        balance=None if table.balance is None else _thousandths(100 * table.balance),
    )


def _thousandths(pence: float) -> int:
    return round(1000 * pence)


def _optional(pence: float | None) -> int | None:
    return None if pence is None else _thousandths(pence)


def _register(channel: Channel, drawn: Register, own: OwnData, slots: tuple[int, ...]) -> Register:
    """Return the register of a channel: that of its data, or else `drawn`, with its start."""
    start = _start(own.table.registers.get(channel), slots)
    if channel in own.curves:
        return metered(own.curves[channel], start)
    return replace(drawn, start=start) if start else drawn


def _start(registers: list[int] | None, slots: tuple[int, ...]) -> tuple[int, ...]:
    """Return the energies at installation by half hour of the day, which add up to `registers`.

    Each is in the first half hour of its tariff register. Raises `ProfileError` if a register has
    no half hour.
    """
    if registers is None:
        return ()
    start = [0] * HALF_HOURS
    for number, energy in enumerate(registers):
        if number in slots:
            start[slots.index(number)] = energy
        elif energy:
            raise ProfileError(f"registers: no time of day has tariff register {number + 1}")
    return tuple(start)


@lru_cache(maxsize=16_384)
def _drawn(seed: str, eui: EUI, profiles: tuple[MeterProfile, ...] | None) -> Meter:
    """Return a meter whose every property is drawn."""
    secret = draw(seed, "meter", eui, 16)
    profile = _choose(profiles or meter_profiles(), int.from_bytes(secret[:4], "big"))
    first, after = INSTALLATION_DAYS[profile.generation]
    primary = series(profile.primary, secret, b"import")
    active_export = reactive_export = NOTHING
    if profile.export is not None:
        active_export = series(profile.export, secret, b"export")
        reactive_export = reactive(active_export, profile.export)
    return Meter(
        profile=profile,
        installed=first + int.from_bytes(secret[4:8], "big") % (after - first),
        tariff=ECONOMY_7 if profile.tariff == "economy-7" else ONE_RATE,
        block_thresholds=profile.block_thresholds,
        primary=primary,
        secondary=series(profile.secondary, secret, b"secondary") if profile.secondary else None,
        active_export=active_export,
        reactive_import=reactive(primary, profile.primary),
        reactive_export=reactive_export,
        phases=3 if profile.variant == "polyphase" else 1,
        secret=secret,
    )


def _choose(profiles: tuple[MeterProfile, ...], drawn: int) -> MeterProfile:
    place = drawn % sum(profile.share for profile in profiles)
    for profile in profiles:
        place -= profile.share
        if place < 0:
            return profile
    raise AssertionError("shares must be whole numbers above 0")
