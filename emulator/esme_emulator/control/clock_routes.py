"""Endpoints of the clock: what time it is here, and moving on a manual one."""

from fastapi import APIRouter, HTTPException

from esme_emulator.control.models import Advance, ClockState
from esme_emulator.monitor.parts import RunningParts
from esme_emulator.runtime.clock import ClockError, ManualClock, iso


def clock_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints of the clock that all parts of this process share."""
    router = APIRouter(tags=["clock"])
    clock = parts.clock

    def state() -> ClockState:
        now = clock.now()
        return ClockState(
            clock=clock.describe(), now=iso(now), unix=now, manual=isinstance(clock, ManualClock)
        )

    @router.get("/clock")
    async def get_clock() -> ClockState:
        """Tell what time it is."""
        return state()

    @router.post("/clock/advance")
    async def advance_clock(advance: Advance) -> ClockState:
        """Move a manual clock on; answered when all that is due on the way has begun."""
        if not isinstance(clock, ManualClock):
            raise HTTPException(
                409, f"the clock is {clock.describe()}: only a manual one can be advanced"
            )
        try:
            await clock.advance(advance.seconds)
        except ClockError as error:
            raise HTTPException(409, str(error)) from None
        return state()

    return router
