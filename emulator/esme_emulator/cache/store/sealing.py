"""Writes keys and readings for a store outside this process: compressed, and sealed.

Readings are deflated at the fastest level, which removes nine tenths of a day's daily reads and a
quarter of its half hours. With a key they are sealed with AES-256-GCM under a random nonce, which
is safe for 2³² of them (NIST SP 800-38D, 8.3); without a key they carry a CRC-32. Both cover the
*place* too, which is the estate and the key of the entry, so that no entry can stand in for
another. An entry that cannot be opened is no error but a miss: it is counted, logged once, and read
from the meter again.
"""

import logging
import os
import zlib
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from esme_emulator.cache.entry import Entry, Key
from gbcs import EUI

KEY_OCTETS = 32
"""Length of a store key, for AES-256, in octets."""

_PLAIN, _SEALED = b"\x01", b"\x02"
_NONCE = 12
_CRC = 4
_LEVEL = 1
_DAMAGED = "it is damaged"
_RAW_DEFLATE = -15
_LONGEST = 1 << 24
"""Maximum length of readings in octets; a full log has a quarter of a million."""

_FIELDS: dict[str, Callable[[str], Any]] = {
    "device": EUI.parse,
    "srv": str,
    "start": int,
    "end": int,
    "identity": str,
}
"""Parsers of the fields of `Key`."""

_log = logging.getLogger(__name__)


def key_text(key: Key) -> str:
    """Return `key` as text, such as `00DBE50000000000:4.8.1:0:86400:0123456789abcdef`."""
    return ":".join(map(str, key))


def key_of(text: str) -> Key:
    """Return the key in a text of `key_text`. Raises `ValueError` for other text."""
    fields = zip(_FIELDS.values(), text.split(":"), strict=True)
    return Key(*(read(field) for read, field in fields))


class Seal:
    """Compresses readings of one estate, and seals them if there is a `key` of 32 octets.

    `unreadable` counts the entries that could not be opened.
    """

    def __init__(self, estate: str, key: bytes | None = None) -> None:
        self._estate = estate
        self._cipher = None if key is None else AESGCM(key)
        self.unreadable = 0

    def close_entry(self, key: Key, entry: Entry) -> bytes:
        """Return the readings of `entry` in the form stored under `key`."""
        return self._close(self._place(key, f"received {float(entry.received)!r}"), entry.buffer)

    def open_entry(self, key: Key, received: float, octets: bytes) -> Entry | None:
        """Return the entry from octets of `close_entry`, or None if they cannot be read."""
        try:
            place = self._place(key, f"received {float(received)!r}")
        except (TypeError, ValueError):  # SQLite keeps any type in any column
            self.give_up(_DAMAGED)
            return None
        readings = self._open(place, octets)
        return None if readings is None else Entry(readings, received)

    def close_settled(self, key: Key, fence: int, readings: bytes) -> bytes:
        """Return `readings` in the form stored for processes that wait for a lease."""
        return self._close(self._place(key, f"fence {fence}"), readings)

    def open_settled(self, key: Key, fence: int, octets: bytes) -> bytes | None:
        """Return the readings from octets of `close_settled`, or None if they cannot be read."""
        return self._open(self._place(key, f"fence {fence}"), octets)

    def _place(self, key: Key, what: str) -> bytes:
        return f"{self._estate}\0{key_text(key)}\0{what}".encode()

    def _close(self, place: bytes, readings: bytes) -> bytes:
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
        packed = deflate.compress(readings) + deflate.flush()
        if self._cipher is None:
            return _PLAIN + zlib.crc32(place + packed).to_bytes(_CRC, "big") + packed
        nonce = os.urandom(_NONCE)
        return _SEALED + nonce + self._cipher.encrypt(nonce, packed, place)

    def _open(self, place: bytes, octets: bytes) -> bytes | None:
        try:
            packed = self._unsealed(place, octets)
            inflate = zlib.decompressobj(_RAW_DEFLATE)
            readings = inflate.decompress(packed, _LONGEST)
            if inflate.eof and not inflate.unused_data:
                return readings
            reason = _DAMAGED
        except (TypeError, zlib.error):  # not octets, or damaged ones
            reason = _DAMAGED
        except ValueError as error:
            reason = str(error)
        self.give_up(reason)
        return None

    def give_up(self, reason: str) -> None:
        """Count an entry that cannot be read, and log the first of them."""
        if not self.unreadable:
            _log.warning(
                "an entry of the store cannot be read and counts as missing, as will others: %s",
                reason,
            )
        self.unreadable += 1

    def _unsealed(self, place: bytes, octets: bytes) -> bytes:
        """Return the compressed readings. Raises `ValueError` with the reason."""
        form = octets[:1]
        if form == _PLAIN and self._cipher is not None:
            raise ValueError("it is not sealed, although there is a key")
        if form == _SEALED and self._cipher is None:
            raise ValueError("it is sealed, and there is no key")
        if form == _SEALED and self._cipher is not None and len(octets) > _NONCE:
            nonce, sealed = octets[1 : 1 + _NONCE], octets[1 + _NONCE :]
            try:
                return self._cipher.decrypt(nonce, sealed, place)
            except InvalidTag:
                raise ValueError("it was sealed with another key, or is damaged") from None
        packed = octets[1 + _CRC :]
        crc = zlib.crc32(place + packed).to_bytes(_CRC, "big")
        if form != _PLAIN or octets[1 : 1 + _CRC] != crc:
            raise ValueError(_DAMAGED)
        return packed
