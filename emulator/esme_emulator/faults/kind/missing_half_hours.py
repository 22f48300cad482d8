"""Missing half hours: the log has gaps, as after power cuts."""

from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, FaultError, Stage
from esme_emulator.faults.parameters import INSTANT, SHARE, Key
from gbcs.instants import HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV


@dataclass(frozen=True, slots=True)
class MissingHalfHours(Fault):
    """Half hours are missing from the logs; a meter misses the same ones in every read."""

    kind: ClassVar[str] = "missing-half-hours"
    stage: ClassVar[Stage] = Stage.LOGS

    share: Annotated[
        float, Key(SHARE, "share of half hours that are missing, drawn for each meter")
    ] = 0.1
    since: Annotated[int | None, Key(INSTANT, "time stamp from which entries may be missing")] = (
        None
    )
    until: Annotated[int | None, Key(INSTANT, "time stamp from which none are missing")] = None

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
