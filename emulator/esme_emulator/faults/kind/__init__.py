"""The kinds of faults, one a file; `faults/registry.py` lists them.

Tests import the classes from here: `from esme_emulator.faults.kind import LateReply, NoReply`.
"""

from esme_emulator.faults.kind.asleep import Asleep
from esme_emulator.faults.kind.clock_drift import ClockDrift
from esme_emulator.faults.kind.corrupt_octets import CorruptOctets
from esme_emulator.faults.kind.duplicate import Duplicate
from esme_emulator.faults.kind.empty_log import EmptyLog
from esme_emulator.faults.kind.fail_first import FailFirst
from esme_emulator.faults.kind.late_reply import LateReply
from esme_emulator.faults.kind.lost_block import LostBlock
from esme_emulator.faults.kind.missing_half_hours import MissingHalfHours
from esme_emulator.faults.kind.no_reply import NoReply
from esme_emulator.faults.kind.reordered import Reordered
from esme_emulator.faults.kind.result_code import FailWithCode
from esme_emulator.faults.kind.truncated import Truncated
from esme_emulator.faults.kind.wrong_counter import WrongCounter
from esme_emulator.faults.kind.wrong_mac import WrongMac
from esme_emulator.faults.kind.wrong_recipient import WrongRecipient

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
