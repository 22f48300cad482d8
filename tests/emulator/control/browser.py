"""The machine's Chromium, driven by playwright, without a way out of loopback."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import skip

if TYPE_CHECKING:
    from playwright.async_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
BINARY = next(filter(None, map(shutil.which, _NAMES)), None)
MISSING = "Chromium is not installed (apt-get install chromium)"

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@asynccontextmanager
async def chromium() -> AsyncIterator["Browser"]:
    """Run a browser, or skip the test."""
    if BINARY is None:
        skip(MISSING)
    api = pytest.importorskip(
        "playwright.async_api", reason="playwright is not installed: make .venv/dev"
    )
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BINARY, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
