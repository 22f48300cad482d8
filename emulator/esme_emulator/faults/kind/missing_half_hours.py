"""Missing half hours: a log with gaps, such as losses of power leave."""

from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.errors import FaultError
from esme_emulator.faults.parameters import INSTANT, SHARE, Key
from gbcs.instants import HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV


@dataclass(frozen=True, slots=True)
class MissingHalfHours(Fault):
    """Half hours are missing in the logs: of a meter the same ones in every read."""

    kind: ClassVar[str] = "missing-half-hours"
    stage: ClassVar[Stage] = Stage.LOGS

    share: Annotated[float, Key(SHARE, "share of the half hours, drawn for each of a meter's")] = (
        0.1
    )
    since: Annotated[int | None, Key(INSTANT, "none before this time stamp is missing")] = None
    until: Annotated[int | None, Key(INSTANT, "none from this time stamp on is missing")] = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise FaultError("no time is left: `since` is not before `until`", "until")

    def concerns(self, srv: str) -> bool:
        """Return whether an SRV reads a log of half hours."""
        return srv in BY_SRV and BY_SRV[srv].period == HALF_HOUR

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return which entries there are, where the log is one of half hours."""
        if self.share == 0 or not self.concerns(call.srv):
            return None
        since = -inf if self.since is None else self.since
        until = inf if self.until is None else self.until
        before = conduct.has_entry

        def has_entry(stamp: int) -> bool:
            lost = since <= stamp < until and (
                self.share == 1 or means.lasting(call.device, f"entry {stamp}") < self.share
            )
            return not lost and (before is None or before(stamp))

        return replace(conduct, has_entry=has_entry), {"share": self.share}
