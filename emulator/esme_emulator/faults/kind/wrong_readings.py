"""Wrong readings: the clock drifts, entries are missing, or the meter refuses the command."""

from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, ClassVar

from pydantic import Field

from esme_emulator.device.meter import Behaviour
from esme_emulator.faults.base import (
    Call,
    Detail,
    Fault,
    FaultContext,
    FaultError,
    Share,
    Stage,
    choice,
)
from esme_emulator.runtime.config import Instant, Takes
from gbcs.dlms.access import AccessRequest
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.reading_services import READING_SERVICES
from gbcs.tables.result_codes import ResultCode

_YEAR = 366 * DAY


@dataclass(frozen=True, slots=True)
class ClockDrift(Fault):
    """The clock of the meter is ahead or behind."""

    kind: ClassVar[str] = "clock-drift"
    stage: ClassVar[Stage] = Stage.LOGS

    seconds: Annotated[
        float,
        Takes(f"seconds from {-_YEAR:,} to {_YEAR:,}"),
        Field(ge=-_YEAR, le=_YEAR, description="seconds ahead; negative if behind"),
    ] = 300.0
    per_day: Annotated[
        float,
        Takes(f"seconds from {-DAY:,} to {DAY:,}"),
        Field(ge=-DAY, le=DAY, description="seconds added per day, from `since` on"),
    ] = 0.0
    since: Annotated[Instant | None, Field(description="start of the drift of `per_day`")] = None

    def __post_init__(self) -> None:
        if self.per_day and self.since is None:
            raise FaultError("is missing: `per_day` counts from it", "since")

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Add the present drift to the clock."""
        ahead = self.seconds
        if self.since is not None:
            days = max(0.0, call.now - EPOCH_UNIX - self.since) / DAY
            ahead += self.per_day * days
        if not ahead:
            return None
        return replace(behaviour, drift=behaviour.drift + ahead), {"seconds": ahead}


_OF_LOGS = frozenset(service.srv for service in READING_SERVICES if service.windowed)


@dataclass(frozen=True, slots=True)
class EmptyLog(Fault):
    """The log has no entries; reading it succeeds."""

    kind: ClassVar[str] = "empty-log"
    stage: ClassVar[Stage] = Stage.LOGS

    def concerns(self, srv: str) -> bool:
        """Return whether an SRV reads a log."""
        return srv in _OF_LOGS

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Remove all entries if the command reads a log."""
        if not self.concerns(call.srv):
            return None
        return replace(behaviour, has_entry=lambda stamp: False), {}


@dataclass(frozen=True, slots=True)
class MissingHalfHours(Fault):
    """Half hours are missing from the logs; a meter misses the same ones in every read."""

    kind: ClassVar[str] = "missing-half-hours"
    stage: ClassVar[Stage] = Stage.LOGS

    share: Annotated[
        Share, Field(description="share of half hours that are missing, drawn for each meter")
    ] = 0.1
    since: Annotated[
        Instant | None, Field(description="time stamp from which entries may be missing")
    ] = None
    until: Annotated[
        Instant | None, Field(description="time stamp from which none are missing")
    ] = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise FaultError("no time is left: `since` is not before `until`", "until")

    def concerns(self, srv: str) -> bool:
        """Return whether an SRV reads a half-hourly log."""
        return srv in BY_SRV and BY_SRV[srv].period == HALF_HOUR

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Remove entries if the command reads a half-hourly log."""
        if self.share == 0 or not self.concerns(call.srv):
            return None
        since = -inf if self.since is None else self.since
        until = inf if self.until is None else self.until
        before = behaviour.has_entry

        def has_entry(stamp: int) -> bool:
            lost = since <= stamp < until and (
                self.share == 1 or context.lasting(call.device, f"entry {stamp}") < self.share
            )
            return not lost and (before is None or before(stamp))

        return replace(behaviour, has_entry=has_entry), {"share": self.share}


FAILURES = {str(code): code for code in ResultCode if code is not ResultCode.SUCCESS}


def can_refuse(call: Call) -> bool:
    """Return whether a command is answered with result codes, as DLMS commands are."""
    return isinstance(call.command.payload, AccessRequest)


@dataclass(frozen=True, slots=True)
class FailWithCode(Fault):
    """The first access of a DLMS command fails with a result code; the meter skips the others."""

    kind: ClassVar[str] = "result-code"
    stage: ClassVar[Stage] = Stage.REFUSAL

    code: Annotated[
        ResultCode,
        choice(FAILURES),
        Field(description="the result code, by its standard name"),
    ] = ResultCode.TEMPORARY_FAILURE

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Refuse a DLMS command."""
        if not can_refuse(call):
            return None
        return replace(behaviour, refusal=int(self.code)), {"code": str(self.code)}
