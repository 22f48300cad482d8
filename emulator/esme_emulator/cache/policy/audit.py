"""The shadow audit in figures: hits that the meter was asked for too, and what it said otherwise.

Pure; knows how the ledger counts what an audit found, and nothing of how one is made.
"""

from dataclasses import dataclass

from esme_emulator.cache.policy.ledger import Ledger

EQUAL, DIFFERENT = "shadow-equal", "shadow-different"
"""What an audit found, among the ledger's reasons."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Hits by what the audit found."""

    asked: int
    """For which the meter was asked."""
    compared: int
    """To which it replied."""
    different: int
    """To which it replied with other readings than were served, or with what cannot be read."""

    @property
    def difference_ratio(self) -> float | None:
        """Which part of what was compared is different, 0 to 1; None where nothing was."""
        return self.different / self.compared if self.compared else None


def audit_of(ledger: Ledger) -> Audit:
    """Return what the audit of a cache has found since its start."""
    different = ledger.reasons[DIFFERENT]
    return Audit(ledger.shadow, ledger.reasons[EQUAL] + different, different)
