"""Conversions of values without parts: numbers, octets, EUIs, instants, key usages, certificates.

Each kind has four functions, in the order of `gbcs.asn1.kinds.Kind`: read, write, to JSON, from
JSON. In JSON octets are upper-case hex, instants ISO 8601 in UTC, and named numbers their names.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from gbcs.asn1.misfit import Misfit
from gbcs.asn1.named_numbers import KEY_USAGE_IDENTIFIERS, KeyUsage, NamedNumber
from gbcs.asn1.signed import Signed, join, split
from gbcs.eui import EUI

Way = Callable[[Any], Any]
Ways = tuple[Way, Way, Way, Way]

_KEY_USAGE_BITS = 16
_FIRST_YEAR = 1000
_NUMBER_OCTETS = 8


def expect(value: Any, expected: type) -> None:
    """Raise `Misfit` unless `value` is an instance of `expected`; a bool is not an int here."""
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise Misfit(f"expected {expected.__name__}, not {type(value).__name__}")


def named_number(cls: type[NamedNumber], *, named_only: bool) -> Ways:
    """Return the conversions of an ENUMERATED, or of an INTEGER that may hold other numbers too."""
    by_identifier = {member.identifier: member for member in cls}
    by_number = {int(member): member for member in cls}

    def read(plain: Any) -> Any:
        expect(plain, int)
        if plain not in by_number:
            if named_only:
                raise Misfit(f"{plain} is not a number of {cls.__name__}")
            if int(plain).bit_length() >= 8 * _NUMBER_OCTETS:
                raise Misfit(f"the number has more than {_NUMBER_OCTETS} octets")
        return by_number.get(plain, plain)

    def write(value: Any) -> int:
        return int(read(value))

    def to_json(value: Any) -> Any:
        number = read(value)
        return number.identifier if isinstance(number, cls) else number

    def from_json(obj: Any) -> Any:
        if isinstance(obj, str):
            if obj not in by_identifier:
                raise Misfit(f"{obj!r:.60} is not a {cls.__name__}")
            return by_identifier[obj]
        return read(obj)

    return read, write, to_json, from_json


def signed(cls: type[Signed]) -> Ways:
    """Return the conversions of a certificate or certification request.

    Its outermost length is read in either form and kept as DER. Its parts are kept as they are.
    """

    def read(plain: Any) -> Any:
        try:
            return cls(join(plain))
        except Misfit as misfit:
            raise Misfit(f"not a {cls.__name__}: {misfit}") from None

    def write(value: Any) -> Any:
        expect(value, bytes)
        try:
            return split(value)
        except Misfit as misfit:
            raise Misfit(f"not a {cls.__name__}: {misfit}") from None

    def to_json(value: Any) -> str:
        expect(value, bytes)
        return _hex(value)

    return read, write, to_json, lambda obj: cls(_octets(obj))


def _same(expected: type) -> Way:
    def check(value: Any) -> Any:
        expect(value, expected)
        return value

    return check


def _hex(value: Any) -> str:
    expect(value, bytes)
    return str(value.hex().upper())


def _octets(obj: Any) -> bytes:
    expect(obj, str)
    try:
        return bytes.fromhex(obj)
    except ValueError:
        raise Misfit(f"{obj!r:.60} is not hexadecimal digits, two for each octet") from None


def _eui(octets: Any) -> EUI:
    expect(octets, bytes)
    if len(octets) != 8:
        raise Misfit(f"an EUI-64 has 8 octets, not {len(octets)}")
    return EUI(octets)


def _eui_or_octets(octets: Any) -> EUI | bytes:
    expect(octets, bytes)
    return EUI(octets) if len(octets) == 8 else bytes(octets)


def _read_instant(plain: Any) -> datetime:
    expect(plain, datetime)
    instant: datetime = plain if plain.tzinfo else plain.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise Misfit("the instant is outside the years 1 to 9999") from None


def _write_instant(value: Any) -> datetime:
    expect(value, datetime)
    if value.tzinfo is None:
        raise Misfit("the instant has no time zone: end it with Z")
    instant = _read_instant(value)
    if instant.year < _FIRST_YEAR:
        # strftime of GeneralizedTime needs four digits, which Python does not pad everywhere.
        raise Misfit(f"the instant is before the year {_FIRST_YEAR}")
    return instant


def _instant_to_json(value: Any) -> str:
    return _write_instant(value).isoformat().replace("+00:00", "Z")


def _instant_from_json(obj: Any) -> datetime:
    expect(obj, str)
    try:
        return _write_instant(datetime.fromisoformat(obj))
    except ValueError:
        raise Misfit(f"{obj!r:.60} is not an ISO 8601 instant") from None


def _read_key_usage(plain: Any) -> KeyUsage:
    octets, size = plain
    if not 0 <= size <= min(8 * len(octets), _KEY_USAGE_BITS):
        raise Misfit(f"a key usage of {size} bits")
    bits = (octets[bit // 8] >> (7 - bit % 8) & 1 for bit in range(size))
    return KeyUsage(sum(value << bit for bit, value in enumerate(bits)))


def _write_key_usage(value: Any) -> tuple[bytes, int]:
    """Return octets and number of bits. DER drops zero bits at the end of a named bit list."""
    expect(value, int)
    if not 0 <= value < 1 << _KEY_USAGE_BITS:
        raise Misfit(f"{int(value)} is not a key usage")
    size = int(value).bit_length()
    octets = bytearray((size + 7) // 8)
    for bit in range(size):
        octets[bit // 8] |= (value >> bit & 1) << (7 - bit % 8)
    return bytes(octets), size


def _key_usage_to_json(value: Any) -> list[Any]:
    _write_key_usage(value)
    names = dict(enumerate(KEY_USAGE_IDENTIFIERS))
    return [names.get(bit, bit) for bit in range(int(value).bit_length()) if value >> bit & 1]


def _key_usage_from_json(obj: Any) -> KeyUsage:
    expect(obj, list)
    usage = 0
    for entry in obj:
        bit = KEY_USAGE_IDENTIFIERS.index(entry) if entry in KEY_USAGE_IDENTIFIERS else entry
        if not isinstance(bit, int) or isinstance(bit, bool) or not 0 <= bit < _KEY_USAGE_BITS:
            raise Misfit(f"{entry!r:.60} is not a bit of a key usage")
        usage |= 1 << bit
    return KeyUsage(usage)


WAYS: dict[Any, Ways] = {
    NoneType: (_same(NoneType), _same(NoneType), _same(NoneType), _same(NoneType)),
    int: (_same(int), _same(int), _same(int), _same(int)),
    bytes: (bytes, _same(bytes), _hex, _octets),
    EUI: (_eui, _eui, _hex, lambda obj: _eui(_octets(obj))),
    (EUI, bytes): (_eui_or_octets, _eui_or_octets, _hex, lambda obj: _eui_or_octets(_octets(obj))),
    datetime: (_read_instant, _write_instant, _instant_to_json, _instant_from_json),
    KeyUsage: (_read_key_usage, _write_key_usage, _key_usage_to_json, _key_usage_from_json),
}
"""The conversions of each annotation that needs no further argument."""
