"""All kinds of faults.

Tests import the classes from here: `from esme_emulator.faults.kind import LateReply, NoReply`.
A new kind is a class in one of these modules and one line in `_KINDS`.
"""

from collections.abc import Mapping

from esme_emulator.faults.base import Fault
from esme_emulator.faults.kind.delivery import (
    Asleep,
    Duplicate,
    FailFirst,
    LateReply,
    LostBlock,
    NoReply,
    Reordered,
)
from esme_emulator.faults.kind.wrong_octets import (
    CorruptOctets,
    Truncated,
    WrongCounter,
    WrongMac,
    WrongRecipient,
)
from esme_emulator.faults.kind.wrong_readings import (
    ClockDrift,
    EmptyLog,
    FailWithCode,
    MissingHalfHours,
)

__all__ = [
    "Asleep",
    "ClockDrift",
    "CorruptOctets",
    "Duplicate",
    "EmptyLog",
    "FailFirst",
    "FailWithCode",
    "LateReply",
    "LostBlock",
    "MissingHalfHours",
    "NoReply",
    "Reordered",
    "Truncated",
    "WrongCounter",
    "WrongMac",
    "WrongRecipient",
]


_KINDS: tuple[type[Fault], ...] = (
    NoReply,
    Asleep,
    FailFirst,
    FailWithCode,
    ClockDrift,
    EmptyLog,
    MissingHalfHours,
    WrongCounter,
    WrongRecipient,
    WrongMac,
    CorruptOctets,
    Truncated,
    LostBlock,
    LateReply,
    Duplicate,
    Reordered,
)

FAULTS: Mapping[str, type[Fault]] = {fault.kind: fault for fault in _KINDS}
"""All kinds of faults by their names in rules."""
