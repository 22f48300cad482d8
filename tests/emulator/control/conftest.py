"""A process, and a client of its control interface."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.emulator.control.process import Process


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
async def client(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with process.client() as client:
        yield client
