"""Profiles of loads, meters and WANs: TOML files, and the frozen dataclasses they are read into.

Knows files and their meaning in numbers; imports nothing else of the project.
"""

from esme_emulator.profiles.loader import (
    any_profile,
    check,
    latency_beside,
    latency_file,
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
    "MeterProfile",
    "ProfileError",
    "Sun",
    "WanProfile",
    "any_profile",
    "check",
    "latency_beside",
    "latency_file",
    "load_profile",
    "load_profiles",
    "meter_profile",
    "meter_profiles",
    "profile_files",
    "source_of",
    "unreadable_latencies",
    "wan_profile",
    "wan_profiles",
]
