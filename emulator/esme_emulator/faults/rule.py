"""A rule: a name, what happens, and to which calls. Frozen; what is going on is in the engine."""

from dataclasses import dataclass

from esme_emulator.faults.base import Fault
from esme_emulator.faults.selector import EVERY_CALL, Selector


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One fault, for the calls that `where` addresses."""

    name: str
    """Unique among the rules of a fleet; draws depend on it."""
    fault: Fault
    where: Selector = EVERY_CALL

    @property
    def kind(self) -> str:
        """The kind of its fault."""
        return self.fault.kind
