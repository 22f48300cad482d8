"""Profiles of loads, meters and WANs: read from TOML files into frozen dataclasses.

Knows files and the meaning of their numbers; imports nothing else of ours except `runtime`.
"""

from esme_emulator.profiles.fleet_file import (
    MeterMix,
    MeterTable,
    OwnData,
    built,
    fleet_files,
    meter_table,
    own_data,
    read_fleet,
)
from esme_emulator.profiles.loader import (
    any_profile,
    check,
    load_profile,
    load_profiles,
    meter_profile,
    meter_profiles,
    profile_files,
    unreadable_latencies,
    wan_profile,
    wan_profiles,
)
from esme_emulator.profiles.model import (
    HalfHours,
    LoadProfile,
    MeterProfile,
    ProfileError,
    Sun,
    WanProfile,
    source_of,
)

__all__ = [
    "HalfHours",
    "LoadProfile",
    "MeterMix",
    "MeterProfile",
    "MeterTable",
    "OwnData",
    "ProfileError",
    "Sun",
    "WanProfile",
    "any_profile",
    "built",
    "check",
    "fleet_files",
    "load_profile",
    "load_profiles",
    "meter_profile",
    "meter_profiles",
    "meter_table",
    "own_data",
    "profile_files",
    "read_fleet",
    "source_of",
    "unreadable_latencies",
    "wan_profile",
    "wan_profiles",
]
