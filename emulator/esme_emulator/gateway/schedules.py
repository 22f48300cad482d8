"""Schedules of reads (5.1, 5.2, 5.3): created, read, deleted, and when they are due."""

from dataclasses import dataclass

from esme_emulator.gateway.documents import Content, CreateSchedule, Request
from gbcs import EUI
from gbcs.usecases.read_request import Window


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a schedule."""

    schedule: int
    user: EUI
    details: CreateSchedule
    due: float
    """Unix time in seconds."""
    window: Window | None


class Schedules:
    """All schedules, in memory."""

    def __init__(self) -> None:
        raise NotImplementedError

    def answer(self, request: Request, now: float) -> Content | None:
        """Carry out an admitted request of 5.1, 5.2 or 5.3.

        Return the content of its response (I0), or None for I99 without content.
        """
        raise NotImplementedError

    def next_due(self) -> float | None:
        """Return the Unix time of the next run, None if there is none."""
        raise NotImplementedError

    def due(self, now: float) -> list[Run]:
        """Return the runs that are due by `now`, in their order; each is returned once."""
        raise NotImplementedError
