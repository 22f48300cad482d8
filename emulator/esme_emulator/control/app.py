"""The control interface as an ASGI application: endpoints, errors and the OpenAPI description.

Knows HTTP and the parts that run; starts nothing. All of it runs in the event loop that the parts
run in, so that nothing needs a lock. The description, `/openapi.json`, needs no network; pages that
show it, which would load from elsewhere, are left out.
"""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from esme_emulator.cache.store.base import StoreError
from esme_emulator.control.cache_routes import cache_routes
from esme_emulator.control.clock_routes import clock_routes
from esme_emulator.control.fault_routes import fault_routes
from esme_emulator.control.fleet_routes import fleet_routes
from esme_emulator.control.guard import Door
from esme_emulator.control.metrics import CONTENT_TYPE, Metrics
from esme_emulator.control.models import Health, Problem
from esme_emulator.control.registry_routes import registry_routes
from esme_emulator.monitor.parts import AbsentError, RunningParts

_MAX_REASON = 500
"""Characters of a reason, at most."""


def create_app(parts: RunningParts) -> FastAPI:
    """Return the application over what runs in this process."""
    app = FastAPI(
        title="esme-emulator control",
        version=_version(),
        description="What runs, seen and steered. On loopback only.",
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": Problem, "description": "Refused, and why"}},
    )
    app.add_middleware(Door)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(AbsentError, _absent)
    app.add_exception_handler(StoreError, _away)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(fleet_routes(parts))
    app.include_router(fault_routes(parts))
    app.include_router(clock_routes(parts))
    app.include_router(cache_routes(parts))
    app.include_router(registry_routes(parts))
    measured = Metrics(parts)

    @app.get("/", tags=["process"])
    async def index() -> dict[str, list[str]]:
        """Name every path and its methods."""
        paths = app.openapi()["paths"]
        return {path: [method.upper() for method in paths[path]] for path in sorted(paths)}

    @app.get("/health", tags=["process"], responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Tell whether fleet and cache are connected to the broker; 503 if one is not."""
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

    @app.get("/metrics", tags=["process"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give metrics for Prometheus, in its text format."""
        return Response(await measured.exposition(), media_type=CONTENT_TYPE)

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


async def _away(_: Request, error: Exception) -> JSONResponse:
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
