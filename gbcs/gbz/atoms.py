"""Atoms of ZCL payloads, as construct schemas. Everything in ZCL is little-endian.

construct's own integers of 3, 5, 6 and 7 octets and its `Bytes` are not used: compiled, they accept
short reads. Each schema here has exactly one encoding of a value.

Source: ZigBee Cluster Library Specification, 07-5123, clause 2.6.2 (data types); checked on all
GBZ vectors.
"""

from collections.abc import Iterator
from typing import Any, Literal

import construct

from gbcs.gbz.values import Instant
from gbcs.records import Fixed, Part, Record, take

_FORMS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Number(Fixed):
    """An integer of `size` octets; big-endian in GBZ headers, little-endian in ZCL."""

    def __init__(
        self, size: int, *, signed: bool = False, order: Literal["little", "big"] = "little"
    ) -> None:
        super().__init__()
        self.size, self.signed, self.order = size, signed, order

    def part(self) -> Part:
        """Return how this is read."""
        form = _FORMS.get(self.size)
        if form is None:
            convert = f"int.from_bytes({{}}, {self.order!r}, signed={self.signed})"
            return Part("", (f"{self.size}s",), lambda _, values: convert.format(next(values)))
        order = "" if self.size == 1 else "<" if self.order == "little" else ">"
        form = form.lower() if self.signed else form
        return Part(order, (form,), lambda _, values: next(values))

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        return int.from_bytes(take(stream, self.size, path), self.order, signed=self.signed)

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        try:
            stream.write(obj.to_bytes(self.size, self.order, signed=self.signed))
        except (AttributeError, OverflowError):
            raise construct.IntegerError(
                f"{obj!r} is not an integer of {self.size} octets", path=path
            ) from None
        return obj


class UtcTime(Number):
    """Seconds since 2000 in four octets, as an `Instant`."""

    def __init__(self, order: Literal["little", "big"] = "little") -> None:
        super().__init__(4, order=order)

    def part(self) -> Part:
        """Return how this is read."""
        number = super().part()

        def express(code: Any, values: Iterator[str]) -> str:
            code.append("from gbcs.gbz.values import Instant")
            return f"Instant({number.express(code, values)})"

        return number._replace(express=express)

    def _parse(self, stream: Any, context: Any, path: str) -> Instant:
        return Instant(super()._parse(stream, context, path))


class Sized(construct.Construct):  # type: ignore[misc]
    """Octets behind their length, which the schema `count` reads."""

    def __init__(self, count: construct.Construct) -> None:
        super().__init__()
        self.count = count

    def _parse(self, stream: Any, context: Any, path: str) -> bytes:
        return take(stream, self.count._parse(stream, context, path), path)

    def _emitparse(self, code: Any) -> str:
        code.append("from gbcs.records import take")
        return f"take(io, {self.count._compileparse(code)})"

    def _build(self, obj: bytes, stream: Any, context: Any, path: str) -> bytes:
        self.count._build(len(obj), stream, context, path)
        stream.write(obj)
        return obj


class OctetString(construct.Construct):  # type: ignore[misc]
    """A ZCL string of octets behind a length of `size` octets; a length of all ones means None."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.count, self.invalid = Number(size), (1 << 8 * size) - 1

    def _parse(self, stream: Any, context: Any, path: str) -> bytes | None:
        length = self.count._parse(stream, context, path)
        return None if length == self.invalid else take(stream, length, path)

    def _build(self, obj: bytes | None, stream: Any, context: Any, path: str) -> bytes | None:
        length = self.invalid if obj is None else len(obj)
        if obj is not None and length >= self.invalid:
            limit = self.invalid - 1
            raise construct.StringError(f"{length} octets; {limit} are the limit", path=path)
        self.count._build(length, stream, context, path)
        stream.write(obj or b"")
        return obj


class CharacterString(OctetString):
    """A ZCL string of characters: text if its octets are UTF-8, else the octets."""

    def _parse(self, stream: Any, context: Any, path: str) -> str | bytes | None:  # type: ignore[override]
        octets = super()._parse(stream, context, path)
        try:
            return octets if octets is None else octets.decode()
        except UnicodeDecodeError:
            return octets

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        super()._build(obj.encode() if isinstance(obj, str) else obj, stream, context, path)
        return obj


UINT8, UINT16, UINT24, UINT32, UINT48 = (Number(size) for size in (1, 2, 3, 4, 6))
INT32 = Number(4, signed=True)
ENUM8 = BITMAP8 = UINT8
BITMAP32 = UINT32
UTC_TIME, GBZ_TIME = UtcTime(), UtcTime("big")
OCTET_STRING, TEXT = OctetString(), CharacterString()
REST = construct.GreedyBytes
"""All remaining octets."""
DATE = Record(
    "year" / UINT8,  # since 1900
    "month" / UINT8,  # FF every month, FD and FE those in which daylight saving ends and begins
    "day_of_month" / UINT8,  # FF every day, FE the last, FD the last but one
    "day_of_week" / UINT8,  # 1 Monday to 7 Sunday, FF every
)
