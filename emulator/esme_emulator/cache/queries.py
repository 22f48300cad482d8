"""Finds or purges the entries of a store by device and SRV.

An SRV has several names in a store (`policy.reads.names_of`); this is the only module that maps a
user's SRV to them. Does not know how a store keeps entries.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.reads import names_of
from esme_emulator.cache.store.base import Store
from gbcs import EUI


async def purge(store: Store, device: EUI | None = None, srv: str | None = None) -> int:
    """Drop all entries, or those of a device or an SRV; return their number.

    Raises `StoreError`, and `ValueError` if `srv` is never cached.
    """
    return sum([await store.purge(device=device, srv=name) for name in _names(srv)])


async def entries(
    store: Store, device: EUI | None = None, srv: str | None = None
) -> AsyncGenerator[tuple[Key, Entry], None]:
    """Yield all entries, or those of a device or an SRV. Raises as `purge`."""
    for name in _names(srv):
        async with AsyncExitStack() as stack:
            found = store.entries(device, name)
            if isinstance(found, AsyncGenerator):
                stack.push_async_callback(found.aclose)
            async for pair in found:
                yield pair


def _names(srv: str | None) -> tuple[str | None, ...]:
    return (None,) if srv is None else names_of(srv)
