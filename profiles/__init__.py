"""Profiles of loads and meters: TOML files, and the frozen dataclasses they are read into.

Knows files and their meaning in numbers; imports nothing else of the project.
"""

from profiles.loader import LoadProfile, MeterProfile, ProfileError, load_profile, meter_profiles

__all__ = ["LoadProfile", "MeterProfile", "ProfileError", "load_profile", "meter_profiles"]
