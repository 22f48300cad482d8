"""Endpoints of the process as a whole: paths, health, metrics and the clock."""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from esme_emulator.control.metrics import CONTENT_TYPE, Metrics
from esme_emulator.control.models import Advance, ClockState, Health
from esme_emulator.monitor.parts import RunningParts
from esme_emulator.runtime.clock import ClockError, ManualClock, iso


def process_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()
    clock = parts.clock
    metrics = Metrics(parts)

    @router.get("/", tags=["process"])
    async def index(request: Request) -> dict[str, list[str]]:
        """List every path and its methods."""
        paths = request.app.openapi()["paths"]
        return {path: [method.upper() for method in paths[path]] for path in sorted(paths)}

    @router.get("/health", tags=["process"], responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Report whether fleet and cache are connected to the broker; 503 if one is not."""
        lost = parts.lost()
        if lost:
            response.status_code = 503
        return Health(
            up=not lost,
            broker=parts.broker,
            connected=not lost,
            lost=lost,
            fleet=parts.fleet is not None,
            cache=parts.cache is not None,
        )

    @router.get("/metrics", tags=["process"], response_class=PlainTextResponse)
    async def get_metrics() -> Response:
        """Return metrics in the text format of Prometheus."""
        return Response(await metrics.exposition(), media_type=CONTENT_TYPE)

    @router.get("/clock", tags=["clock"])
    async def get_clock() -> ClockState:
        """Return the time of the clock that fleet and cache share."""
        now = clock.now()
        return ClockState(
            clock=clock.describe(), now=iso(now), unix=now, manual=isinstance(clock, ManualClock)
        )

    @router.post("/clock/advance", tags=["clock"])
    async def advance_clock(advance: Advance) -> ClockState:
        """Advance a manual clock; answered when everything due on the way has started."""
        if not isinstance(clock, ManualClock):
            raise HTTPException(
                409,
                f"the clock is {clock.describe()}: only a manual one can be advanced; "
                "start with --clock manual",
            )
        try:
            await clock.advance(advance.seconds)
        except ClockError as error:
            raise HTTPException(409, str(error)) from None
        return await get_clock()

    return router
