"""The page at `/`, its live stream, and Swagger UI at `/docs`, all without other servers.

The page is HTML, CSS and JavaScript in `control/page/`, without a build step. Swagger UI comes from
the package fastapi-offline. Scripts and styles are files of their own, so the content security
policy forbids inline ones; Swagger UI alone sets styles of elements.
"""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from esme_emulator.monitor.live import live_state
from esme_emulator.monitor.parts import RunningParts
from esme_emulator.runtime.clock import Clock, SystemClock

PAGE = Path(__file__).parent / "page"
SWAGGER = Path(fastapi_offline.__file__).parent / "static"

EVERY = 1.0
"""Interval between two states of the stream, in seconds of real time."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY.format(styles=""),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # a new version must not run with scripts of the former
}
_DOCS_HEADERS = _HEADERS | {
    "content-security-policy": _POLICY.format(styles=" 'unsafe-inline'"),
}


class _Files(StaticFiles):
    """Files with the headers of the page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a file, or that it was not modified."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS)
        return response


def add_page(app: FastAPI, parts: RunningParts) -> None:
    """Add the page to `app`."""
    app.include_router(_routes(parts))
    app.mount("/page", _Files(directory=PAGE))
    app.mount("/swagger", _Files(directory=SWAGGER))


def _routes(parts: RunningParts) -> APIRouter:
    router = APIRouter(tags=["page"])
    machine = SystemClock()
    state = _shared(parts, machine)

    @router.get("/", responses={200: {"content": {"text/html": {}}}})
    async def index(request: Request) -> Response:
        """Show the page to a browser; list every path and its methods to a program."""
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(PAGE / "index.html", headers=_HEADERS | {"vary": "accept"})
        paths = request.app.openapi()["paths"]
        listed = {path: [method.upper() for method in paths[path]] for path in sorted(paths)}
        return JSONResponse(listed, headers={"vary": "accept"})

    @router.get("/events", responses={200: {"content": {"text/event-stream": {}}}})
    async def stream() -> StreamingResponse:
        """Send clock, counts and latencies once a second, as server-sent events."""
        return StreamingResponse(
            _events(state, machine),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    @router.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html", headers=_DOCS_HEADERS)

    return router


def _shared(parts: RunningParts, machine: Clock) -> Callable[[], str]:
    """Return a function that returns the state as JSON. Several pages share one of each second."""
    text, made = "", float("-inf")

    def state() -> str:
        nonlocal text, made
        now = machine.now()
        if not 0 <= now - made < EVERY / 2:
            text, made = json.dumps(live_state(parts), separators=(",", ":")), now
        return text

    return state


async def _events(state: Callable[[], str], machine: Clock) -> AsyncIterator[str]:
    while True:
        yield f"data: {state()}\n\n"
        await machine.sleep(EVERY)
