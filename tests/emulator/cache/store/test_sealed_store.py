"""Readings are compressed and sealed; an altered entry is a miss and never a reading."""

import logging
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.sealing import Seal, key_of, key_text
from gbcs import EUI
from tests.support.estate import METER, OTHER_METER, UNIX_NOW

KEY = Key(METER, "4.8.1", 0, 86_400)
SECRET, OTHER_SECRET = bytes(32), bytes(31) + b"\x01"
RECEIVED = UNIX_NOW + 0.25
ENTRY = Entry(b"readings" * 50, RECEIVED)

secrets = st.sampled_from([None, SECRET])
any_keys = st.builds(
    Key,
    st.binary(min_size=8, max_size=8).map(EUI),
    st.sampled_from(["4.6.1", "4.8.1", "4.8.3"]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["", "0123456789abcdef"]),
)


@given(any_keys)
def test_a_key_is_read_from_its_text(key: Key) -> None:
    assert key_of(key_text(key)) == key
    assert isinstance(key_of(key_text(key)).device, EUI)


def test_every_field_of_a_key_is_in_its_text() -> None:
    assert len(key_text(KEY).split(":")) == len(Key._fields)


@given(secrets, any_keys, st.binary(max_size=3000), st.floats(0, 4e9))
def test_closed_readings_can_be_opened(
    secret: bytes | None, key: Key, readings: bytes, received: float
) -> None:
    seal, other = Seal("estate", secret), Seal("estate", secret)
    entry = Entry(readings, received)
    assert other.open_entry(key, received, seal.close_entry(key, entry)) == entry
    assert other.open_settled(key, 7, seal.close_settled(key, 7, readings)) == readings
    assert other.unreadable == 0


@pytest.mark.parametrize("secret", [None, SECRET])
def test_every_octet_matters(secret: bytes | None) -> None:
    seal = Seal("estate", secret)
    octets = seal.close_entry(KEY, ENTRY)
    altered = [
        octets[:at] + bytes((octets[at] ^ bit,)) + octets[at + 1 :]
        for at in range(len(octets))
        for bit in (1, 0x80)
    ]
    cut = [octets[:length] for length in range(len(octets))]
    for each in (*altered, *cut, octets + b"\0"):
        assert seal.open_entry(KEY, RECEIVED, each) is None
    assert seal.unreadable == len(altered) + len(cut) + 1


@pytest.mark.parametrize("secret", [None, SECRET])
def test_no_entry_can_stand_in_for_another(secret: bytes | None) -> None:
    seal = Seal("estate", secret)
    octets = seal.close_entry(KEY, ENTRY)
    for key in (
        KEY._replace(device=OTHER_METER),
        KEY._replace(srv="4.8.3"),
        KEY._replace(start=1),
        KEY._replace(end=86_401),
    ):
        assert seal.open_entry(key, RECEIVED, octets) is None
    assert seal.open_entry(KEY, RECEIVED + 1, octets) is None
    assert Seal("another estate", secret).open_entry(KEY, RECEIVED, octets) is None
    assert seal.open_settled(KEY, 1, octets) is None
    settled = seal.close_settled(KEY, 1, ENTRY.buffer)
    assert seal.open_settled(KEY, 2, settled) is None
    assert seal.open_entry(KEY, RECEIVED, settled) is None
    assert seal.open_entry(KEY, RECEIVED, octets) == ENTRY


@pytest.mark.parametrize(
    ("written", "read"),
    [(SECRET, OTHER_SECRET), (SECRET, None), (None, SECRET)],
)
def test_another_key_or_none_opens_nothing_and_is_logged_once(
    written: bytes | None, read: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    octets = Seal("estate", written).close_entry(KEY, ENTRY)
    seal = Seal("estate", read)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert seal.open_entry(KEY, RECEIVED, octets) is None
    assert seal.unreadable == 3
    assert len(caplog.records) == 1
    assert len(caplog.text.splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "read", "alter", "reason"),
    [
        (None, None, lambda octets: octets[:-1], "it is damaged"),
        (None, None, lambda octets: b"\0" + octets[1:], "it is damaged"),
        (None, None, lambda _: b"", "it is damaged"),
        (SECRET, SECRET, lambda octets: b"\0" + octets[1:], "it is damaged"),
        (SECRET, SECRET, lambda octets: octets[:5], "it is damaged"),
        (
            SECRET,
            SECRET,
            lambda octets: octets[:-1],
            "it was sealed with another key, or is damaged",
        ),
        (SECRET, OTHER_SECRET, bytes, "it was sealed with another key, or is damaged"),
        (SECRET, None, bytes, "it is sealed, and there is no key"),
        (None, SECRET, bytes, "it is not sealed, although there is a key"),
    ],
)
def test_the_log_says_what_is_wrong(
    written: bytes | None,
    read: bytes | None,
    alter: Callable[[bytes], bytes],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    octets = Seal("estate", written).close_entry(KEY, ENTRY)
    assert Seal("estate", read).open_entry(KEY, RECEIVED, alter(octets)) is None
    assert caplog.messages == [
        "an entry of the store cannot be read and counts as missing, as will others: " + reason
    ]


def test_the_same_readings_are_sealed_differently_each_time() -> None:
    seal = Seal("estate", SECRET)
    assert seal.close_entry(KEY, ENTRY) != seal.close_entry(KEY, ENTRY)


def test_readings_take_less_room_than_they_are_long() -> None:
    rows = b"".join(
        (800_000 + 1800 * n).to_bytes(4, "big") + bytes((0, 0, 1, n)) for n in range(49)
    )
    for secret in (None, SECRET):
        assert len(Seal("estate", secret).close_entry(KEY, Entry(rows, 1.0))) < len(rows)


def test_a_decompression_bomb_takes_no_more_memory_than_readings() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(bytes(1 << 26)) + deflate.flush()
    place = f"estate\0{key_text(KEY)}\0received {RECEIVED!r}".encode()
    octets = b"\x01" + zlib.crc32(place + packed).to_bytes(4, "big") + packed
    assert Seal("estate").open_entry(KEY, RECEIVED, octets) is None


@given(st.binary(max_size=200), secrets)
def test_any_octets_are_opened_or_not(octets: bytes, secret: bytes | None) -> None:
    assert Seal("estate", secret).open_entry(KEY, RECEIVED, octets) is None
