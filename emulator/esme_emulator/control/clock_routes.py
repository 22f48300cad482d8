"""Endpoints of the clock: its time, steps of a manual clock, the pace of a scaled one."""

from fastapi import APIRouter, HTTPException

from esme_emulator.control.models import MAX_ADVANCE, Advance, ClockState, Pace
from esme_emulator.runtime.clock import (
    Clock,
    ClockError,
    ManualClock,
    ScaledClock,
    instant,
    iso,
)
from esme_emulator.transport import TransportError

_HOUR = 3600


def clock_routes(clock: Clock) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(tags=["clock"])

    @router.get("/clock")
    async def get_clock() -> ClockState:
        """Return the time of the clock that fleet and cache share."""
        now = clock.now()
        return ClockState(
            clock=clock.describe(),
            now=iso(now),
            unix=now,
            manual=isinstance(clock, ManualClock),
            factor=clock.factor,
        )

    @router.put("/clock")
    async def set_pace(pace: Pace) -> ClockState:
        """Change the pace of a scaled clock. It goes on from the present time."""
        if not isinstance(clock, ScaledClock):
            raise HTTPException(
                409,
                f"the clock is {clock.describe()}: only a scaled one has a pace; "
                "start with --clock scaled:1",
            )
        try:
            clock.set_factor(pace.factor)
        except ClockError as error:
            raise HTTPException(422, str(error)) from None
        return await get_clock()

    @router.post("/clock/advance")
    async def advance_clock(advance: Advance) -> ClockState:
        """Advance a manual clock; answered when everything due on the way has happened."""
        if not isinstance(clock, ManualClock):
            raise HTTPException(
                409,
                f"the clock is {clock.describe()}: only a manual one can be advanced; "
                "start with --clock manual",
            )
        seconds = _seconds(advance, clock.now())
        try:
            await clock.advance(seconds)
        except ClockError as error:
            raise HTTPException(409, str(error)) from None
        except TransportError as error:
            raise HTTPException(503, f"{error} The clock stands at {iso(clock.now())}.") from None
        return await get_clock()

    return router


def _seconds(advance: Advance, now: float) -> float:
    """Return by how much to advance, in seconds."""
    match advance:
        case Advance(seconds=float(seconds), hours=None, at=None):
            pass
        case Advance(seconds=None, hours=float(hours), at=None):
            seconds = hours * _HOUR
        case Advance(seconds=None, hours=None, at=str(at)):
            try:
                seconds = instant(at) - now
            except ClockError as error:
                raise HTTPException(422, f"at: {error}") from None
            if seconds <= 0:
                raise HTTPException(409, f"at: {at} is not after {iso(now)}, the present time")
        case _:
            raise HTTPException(422, "give one of seconds, hours and at")
    if seconds > MAX_ADVANCE:
        raise HTTPException(422, f"that is more than {MAX_ADVANCE} seconds: advance in steps")
    return seconds
