"""The ASGI application of the control interface: routes, error answers, OpenAPI description.

The endpoints of the process as a whole are here: health and metrics.

Knows HTTP and the running parts; starts nothing. Requests are handled in the event loop of the
parts, so nothing needs a lock.
"""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from esme_emulator.cache.store.base import StoreError
from esme_emulator.control.cache_routes import cache_routes
from esme_emulator.control.clock_routes import clock_routes
from esme_emulator.control.fleet_routes import fault_routes, fleet_routes
from esme_emulator.control.guard import Guard
from esme_emulator.control.journal_routes import journal_routes
from esme_emulator.control.meter_routes import meter_routes
from esme_emulator.control.metrics import CONTENT_TYPE, Metrics
from esme_emulator.control.models import DuisCounts, Health, Problem
from esme_emulator.control.page_routes import add_page
from esme_emulator.control.registry_routes import registry_routes
from esme_emulator.control.steering_routes import steering_routes
from esme_emulator.monitor.parts import AbsentError, RunningParts, dsp_of
from esme_emulator.profiles import ProfileError


def process_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()
    metrics = Metrics(parts)

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

    @router.get("/duis", tags=["duis"])
    async def get_duis() -> DuisCounts:
        """Return what the front door for DUIS received and delivered."""
        dsp = dsp_of(parts)
        tally, deliveries = dsp.tally, dsp.deliveries
        return DuisCounts(
            requests={" ".join(key): number for key, number in tally.requests.items()},
            responses=dict(tally.responses),
            deliveries={str(each): number for each, number in deliveries.attempts.items()},
            refusals={str(status): number for status, number in deliveries.refusals.items()},
            jobs=dsp.jobs,
            waiting=deliveries.waiting,
            schedules=dsp.schedules,
        )

    @router.get("/metrics", tags=["process"], response_class=PlainTextResponse)
    async def get_metrics() -> Response:
        """Return metrics in the text format of Prometheus."""
        return Response(await metrics.exposition(), media_type=CONTENT_TYPE)

    return router


_MAX_REASON = 500
"""Maximum length of an error text, in characters."""


def create_app(parts: RunningParts, token: str | None = None) -> FastAPI:
    """Return the application that shows and steers `parts`; requests need the token, if any."""
    app = FastAPI(
        title="esme-emulator control",
        version=_version(),
        description="Shows and steers the parts of this process. Needs a token beyond loopback.",
        # FastAPI's own pages of the description would load scripts from the internet.
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": Problem, "description": "The request was refused"}},
        # Only described here, for Swagger UI: the guard looks at the token.
        dependencies=[] if token is None else [Depends(HTTPBearer(auto_error=False))],
    )
    app.add_middleware(Guard, token=token)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(AbsentError, _absent)
    app.add_exception_handler(StoreError, _store_down)
    app.add_exception_handler(ProfileError, _unreadable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(process_routes(parts))
    app.include_router(fleet_routes(parts))
    app.include_router(meter_routes(parts))
    app.include_router(fault_routes(parts))
    app.include_router(cache_routes(parts))
    app.include_router(registry_routes(parts))
    app.include_router(journal_routes(parts))
    app.include_router(clock_routes(parts.clock))
    app.include_router(steering_routes(parts))
    add_page(app, parts)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    reason = error.detail
    if reason == HTTPStatus(error.status_code).phrase:
        reason = f"{request.method} {request.url.path}: {reason.lower()}"
    return _problem(error.status_code, reason, error.headers)


async def _absent(_: Request, error: Exception) -> JSONResponse:
    return _problem(404, str(error))


async def _unreadable(_: Request, error: Exception) -> JSONResponse:
    return _problem(409, str(error))


async def _store_down(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, str(error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    mistakes = error.errors() if isinstance(error, RequestValidationError) else ()
    places = [".".join(str(part) for part in mistake["loc"]) for mistake in mistakes]
    reasons = [mistake["msg"] for mistake in mistakes]
    return _problem(422, "; ".join(map(": ".join, zip(places, reasons, strict=True))))


def _problem(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=reason[:_MAX_REASON]).model_dump(), status, headers)


def _version() -> str:
    try:
        return version("esme-emulator")
    except PackageNotFoundError:
        return "unknown"
