"""Devices of registrations, in the words of the file of a registry."""

from emulator.cache.entitlement import EVERY_DEVICE, Devices
from gbcs import EUI

_EVERY, _TO = "*", " to "


def text_of(devices: Devices) -> str:
    """Return `*`, an EUI or `EUI to EUI`."""
    if devices == EVERY_DEVICE:
        return _EVERY
    if devices.first == devices.last:
        return str(devices.first)
    return f"{devices.first}{_TO}{devices.last}"


def devices_of(text: str) -> Devices:
    """Return the devices that `text_of` would write so. Raises `ValueError`, one line."""
    if text.strip() == _EVERY:
        return EVERY_DEVICE
    first, to, last = text.partition(_TO)
    devices = Devices(EUI.parse(first), EUI.parse(last if to else first))
    if devices.last < devices.first:
        raise ValueError(f"{devices.last} is before {devices.first}")
    return devices
