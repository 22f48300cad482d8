"""All kinds of faults, and their descriptions for the docs, the command line and OpenAPI.

Tests import the classes from here: `from esme_emulator.faults.kind import LateReply, NoReply`.
A new kind is a class in one of these modules and one line in `_KINDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from esme_emulator.faults.base import Fault, Stage
from esme_emulator.faults.kind.delivery import Duplicate, LateReply, LostBlock, Reordered
from esme_emulator.faults.kind.silence import Asleep, FailFirst, NoReply
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
from esme_emulator.faults.parameters import Parameter, describe
from esme_emulator.faults.selector import Selector

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
