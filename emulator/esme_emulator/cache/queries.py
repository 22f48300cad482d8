"""Which entries of a store a user means by an SRV: all that its readings are kept as.

Knows that one SRV has several names in a store; knows nothing of how one keeps anything.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.reads import names_of
from esme_emulator.cache.store.base import Store
from gbcs import EUI


async def purge(store: Store, device: EUI | None = None, srv: str | None = None) -> int:
    """Drop what is kept, all of it or that of a device or an SRV; return how many entries.

    Raises `StoreError`, and `ValueError` where `srv` is never kept.
    """
    return sum([await store.purge(device=device, srv=name) for name in _names(srv)])


async def entries(
    store: Store, device: EUI | None = None, srv: str | None = None
) -> AsyncGenerator[tuple[Key, Entry], None]:
    """Go through what is kept, all of it or that of a device or an SRV. Raises as `purge`."""
    for name in _names(srv):
        async with AsyncExitStack() as stack:
            found = store.entries(device, name)
            if isinstance(found, AsyncGenerator):
                stack.push_async_callback(found.aclose)
            async for pair in found:
                yield pair


def _names(srv: str | None) -> tuple[str | None, ...]:
    return (None,) if srv is None else names_of(srv)
