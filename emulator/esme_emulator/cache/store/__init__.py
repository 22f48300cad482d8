"""Stores of readings: in memory, in an SQLite file, on a Valkey or Redis server or cluster.

Opens the store that a user names, and reads the key to seal it with. The only module that knows all
kinds of stores.
"""

import re
from pathlib import Path

from esme_emulator.cache.store.base import DEFAULT_LIMIT, VALKEY_SCHEMES, Store, StoreError
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cache.store.sealing import KEY_OCTETS
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.runtime.errors import NamedFileError

MEMORY = "memory:"
"""URL of the store in memory, which serves one process."""

_URL = re.compile(r"(?!sqlite:)[A-Za-z][A-Za-z0-9+.-]*:(?://)?")
"""The beginning of a URL, even a mistyped one: a file of that name would show its password."""


class StoreKeyError(StoreError, NamedFileError):
    """A file without a store key."""


def open_store(
    where: str | Path, estate: str, *, key: bytes | None = None, limit: int | None = None
) -> Store:
    """Return the store at `where`, for the readings of `estate`.

    `where` is `memory:`, the path of a file with or without `sqlite:` before it, or
    `valkey://[user:password@]host[:port][/database]` (or `redis://`). With a `key` of 32 octets,
    readings outside this process are sealed. `limit` is in octets.

    Raises `StoreError` if there is no such kind of store, or the file cannot be used. A server is
    not asked before the first call; `check` is a good first one.
    """
    most = DEFAULT_LIMIT if limit is None else limit
    if most < 1:
        raise StoreError(f"a store of {most} octets keeps nothing: give 1 or more")
    if key is not None and len(key) != KEY_OCTETS:
        raise StoreError(f"a store's key has {KEY_OCTETS} octets, not {len(key)}")
    text = str(where)
    if text == MEMORY:
        return MemoryStore(most)
    if text.partition(":")[0] in VALKEY_SCHEMES:
        from esme_emulator.cache.store.valkey import ValkeyStore  # takes the extra `valkey`

        return ValkeyStore(text, estate, key=key, limit=most)
    if url := _URL.match(text):
        raise StoreError(
            f"there is no kind of store {url[0]}: give memory:, a file, or valkey://host:port/0"
        )
    path = text.removeprefix("sqlite:")
    if not path:
        raise StoreError("sqlite: needs the path of a file, such as sqlite:readings.sqlite")
    return SqliteStore(Path(path), estate, key=key, limit=most)


def read_store_key(path: Path) -> bytes:
    """Return the key of 32 octets in a file of 64 hexadecimal digits. Raises `StoreKeyError`."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise StoreKeyError(f"store key {path}: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise StoreKeyError(
            f"store key {path}: give {2 * KEY_OCTETS} hexadecimal digits, "
            f"as `openssl rand -hex {KEY_OCTETS}` makes them"
        )
    return key
