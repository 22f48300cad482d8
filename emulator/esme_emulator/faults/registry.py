"""All kinds of faults, and their descriptions for the docs, the command line and OpenAPI.

A new kind is one file in `faults/kind/` and one line in `_KINDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from esme_emulator.faults.base import Fault, Stage
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
from esme_emulator.faults.parameters import Parameter, describe
from esme_emulator.faults.selector import Selector

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


@dataclass(frozen=True, slots=True)
class KindDescription:
    """The description of one kind of fault."""

    name: str
    stage: Stage
    doc: str
    """One sentence."""
    parameters: tuple[Parameter, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "kind": self.name,
            "stage": self.stage.name.lower(),
            "doc": self.doc,
            "parameters": [parameter.to_json() for parameter in self.parameters],
        }


def kinds() -> tuple[KindDescription, ...]:
    """Return the description of every kind, in the order of their stages."""
    return tuple(
        KindDescription(fault.kind, fault.stage, _first_line(fault), describe(fault))
        for fault in _KINDS
    )


def selectors() -> tuple[Parameter, ...]:
    """Return the keys by which a rule of any kind selects calls."""
    return describe(Selector)


def _first_line(fault: type[Fault]) -> str:
    return (fault.__doc__ or "").partition("\n")[0]
