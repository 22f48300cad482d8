"""Which store a user names, and the key it is sealed with.

Knows every kind of store; nothing else does.
"""

import re
from pathlib import Path

from esme_emulator.cache.store.base import DEFAULT_LIMIT, Store, StoreError
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cache.store.sealing import KEY_OCTETS
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cache.store.valkey_schemes import SCHEMES
from esme_emulator.runtime.errors import NamedFileError

MEMORY = "memory:"
"""The store of one process."""

_URL = re.compile(r"(?!sqlite:)[A-Za-z][A-Za-z0-9+.-]*:(?://)?")
"""How a URL begins, a mistyped one too: as a file it would be named in errors with its password."""


class StoreKeyError(StoreError, NamedFileError):
    """A file that has no key of a store."""


def open_store(
    where: str | Path, estate: str, *, key: bytes | None = None, limit: int | None = None
) -> Store:
    """Return the store at `where` with the readings of `estate`.

    `where` is `memory:`, the path of a file or `sqlite:` and one, or
    `valkey://[user:password@]host[:port][/database]` (or `redis://`). With a `key` of 32 octets
    what is kept outside this process is sealed. `limit` is in octets.

    Raises `StoreError` where that is no store, or one that cannot be used. A server is not asked
    before the store is first used; its `size` is a good first question.
    """
    most = DEFAULT_LIMIT if limit is None else limit
    if most < 1:
        raise StoreError(f"a store of {most} octets keeps nothing: give 1 or more")
    if key is not None and len(key) != KEY_OCTETS:
        raise StoreError(f"a store's key has {KEY_OCTETS} octets, not {len(key)}")
    text = str(where)
    if text == MEMORY:
        return MemoryStore(most)
    if text.partition(":")[0] in SCHEMES:
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
    """Return the key of 32 octets that a file holds as 64 hexadecimal digits.

    Raises `StoreKeyError`.
    """
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
