"""Where readings are kept: the interface of every store, and the store in memory."""

from typing import Protocol

from emulator.cache.entry import Entry, Key


class StoreError(Exception):
    """A store that cannot be used; the text is one line for the user."""


class Store(Protocol):
    """Entries by key, and how far own counters are reserved.

    Every method raises `StoreError` where the store cannot be used.
    """

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        ...

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep `entry` under `key`, in place of what was there; kept when this returns."""
        ...

    async def purge(self, received_before: float) -> int:
        """Drop entries received before this Unix time and return how many they were."""
        ...

    async def reserved(self) -> int:
        """Return the highest own counter that may be in use, 0 at first."""
        ...

    async def reserve(self, counter: int) -> None:
        """Record that own counters up to `counter` may be in use; recorded when this returns."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class MemoryStore:
    """A store that lasts as long as the process."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._reserved = 0

    async def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`, or None."""
        return self._entries.get(key)

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep `entry` under `key`."""
        self._entries[key] = entry

    async def purge(self, received_before: float) -> int:
        """Drop entries received before this Unix time."""
        old = [key for key, entry in self._entries.items() if entry.received < received_before]
        for key in old:
            del self._entries[key]
        return len(old)

    async def reserved(self) -> int:
        """Return the highest own counter that may be in use."""
        return self._reserved

    async def reserve(self, counter: int) -> None:
        """Record that own counters up to `counter` may be in use."""
        self._reserved = counter

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
