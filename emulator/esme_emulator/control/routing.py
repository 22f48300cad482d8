"""Parameters of requests, and calls of the cache's store with a timeout, for all endpoints.

A store ends its calls by itself; a timeout here keeps a broken one from holding up the answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from fastapi import HTTPException

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.reads import names_of
from esme_emulator.cache.store.base import StoreError
from esme_emulator.monitor.parts import RunningFleet, counted
from gbcs import EUI

NO_FILE = "a file can be named on the command line only"


def eui_of(text: str, name: str = "") -> EUI:
    """Return the EUI in `text`; an error begins with the parameter's `name`, if given."""
    try:
        return EUI.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}" if name else str(error)) from None


def meter_eui(hosted: RunningFleet, text: str) -> EUI:
    """Return the EUI in `text`. A meter that is not in the fleet is answered with 404."""
    device = eui_of(text)
    if device not in hosted.meters:
        raise HTTPException(404, f"{device} is not a meter of this fleet")
    return device


def refuse_file(name: str, value: object) -> None:
    """Answer 422 to a profile that is a file: no request makes this process open one."""
    if isinstance(value, str) and value.endswith(".toml"):
        raise HTTPException(422, f"{name}: {NO_FILE}")


def cached_srv(text: str | None) -> str | None:
    """Return `text` if it is None or an SRV whose readings a cache can store."""
    return _srv(text, names_of)


def counted_srv(text: str | None) -> str | None:
    """Return `text` if it is None or an SRV by which commands are counted."""
    return _srv(text, counted)


def _srv(text: str | None, check: Callable[[str], object]) -> str | None:
    if text is not None:
        try:
            check(text)
        except ValueError as error:
            reason = "; ".join(str(error).splitlines())
            raise HTTPException(422, f"srv: {reason}") from None
    return text


STORE_TIMEOUT = 10.0
"""Timeout of a call, in seconds."""

PURGE_TIMEOUT = 60.0
"""Timeout of a purge, in seconds; one of many entries takes several calls."""

T = TypeVar("T")


async def within(seconds: float, call: Awaitable[T]) -> T:
    """Return the result of `call`. Raises `StoreError` if it fails or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        raise StoreError(f"the store has not answered within {seconds:g} s") from None


async def first_of(found: AsyncIterator[tuple[Key, Entry]], number: int) -> dict[Key, Entry]:
    """Return the first `number` entries of a listing, without repetitions."""
    entries: dict[Key, Entry] = {}
    async for key, entry in found:
        if len(entries) >= number:
            break
        entries[key] = entry
    if isinstance(found, AsyncGenerator):
        await found.aclose()
    return entries
