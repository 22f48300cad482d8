"""One block of a general block transfer: octets to `Block` and back.

Knows the fields of a block and nothing of the blocks beside it. A block is the APDU E0 alone, or
behind a routing header, as GBCS carries it: a general-ciphering that protects nothing and says
whose message this is.

Source: DLMS UA 1000-2 (Green Book) edition 8, clause 9.4.6.13; GBCS v4.1 clause 7.2.11; Wireshark's
GBCS dissector for the routing header. No vector is segmented; tshark is the judge.
"""

from dataclasses import asdict, dataclass
from typing import Any

from construct import Const, Int8ub, Int16ub, Int64ub, Struct

from gbcs.axdr import Length, LengthValue, Octets, write_length
from gbcs.errors import DecodeError, EncodeError
from gbcs.eui import EUI
from gbcs.message import Message
from gbcs.wire import Schema

GENERAL_BLOCK_TRANSFER = b"\xe0"
ROUTED = b"\xdd\x09"
"""A general-ciphering with a transaction id, which that before a message has not."""

LAST, STREAMING, WINDOW = 0x80, 0x40, 0x3F
"""Bits of the block control."""
MAX_WINDOW = 63

UNPROTECTED = bytes.fromhex("0100000000")
"""Security control and invocation counter of a routing header: suite 1, neither authenticated nor
encrypted. Inferred from the suite of all other headers; no text or vector at hand shows it."""

_PROTECTED = 0x30  # authenticated, encrypted
_BEFORE_LENGTH = 34
_BLOCK = Struct(
    Const(GENERAL_BLOCK_TRANSFER),
    "control" / Int8ub,
    "number" / Int16ub,
    "acknowledged" / Int16ub,
    "data" / LengthValue(),
)
_BARE = Schema("block", _BLOCK)
_ROUTED = Schema(
    "block",
    Struct(
        Const(ROUTED),
        "cra" / Int8ub,
        "originator_counter" / Int64ub,
        Const(b"\x08"),
        "originator" / Octets(8),
        Const(b"\x08"),
        "recipient" / Octets(8),
        Const(b"\x00\x02"),  # no date-time, other information of two octets
        "message_code" / Int16ub,
        Const(b"\x00"),  # no key information
        "length" / Length(),
        "security" / Octets(len(UNPROTECTED)),
        *_BLOCK.subcons,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Whose message a block is a part of."""

    cra: int
    originator_counter: int
    originator: EUI
    recipient: EUI
    message_code: int
    security: bytes = UNPROTECTED
    """Security control and invocation counter."""

    @classmethod
    def of(cls, message: Message) -> "Routing":
        """Return the routing header for the blocks of `message`."""
        return cls(
            cra=message.cra,
            originator_counter=message.originator_counter,
            originator=message.originator,
            recipient=message.recipient,
            message_code=message.message_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a transfer, or without data an acknowledgement."""

    number: int
    """From 1, one after another."""
    data: bytes = b""
    last: bool = False
    streaming: bool = False
    """Whether more follow before the sender waits for an acknowledgement."""
    window: int = MAX_WINDOW
    """How many blocks, up to 63, the sender of this one takes before it acknowledges them."""
    acknowledged: int = 0
    """The last block that has reached the sender of this one with all before it, 0 for none."""
    routing: Routing | None = None

    @property
    def is_acknowledgement(self) -> bool:
        """Whether this brings only the number of what has arrived."""
        return not self.data

    @property
    def is_abort(self) -> bool:
        """Whether its sender gives the transfer up."""
        return self.last and not (self.streaming or self.data or self.number or self.acknowledged)

    @staticmethod
    def begins(octets: bytes) -> bool:
        """Return whether these are the first octets of a block, not of a message."""
        return octets.startswith((GENERAL_BLOCK_TRANSFER, ROUTED))

    @classmethod
    def parse(cls, octets: bytes) -> "Block":
        """Return the block in `octets`, with or without a routing header.

        >>> Block.parse(bytes.fromhex("E0 83 0002 0000 03 616263")).data
        b'abc'

        Raises `DecodeError`.
        """
        routed = octets.startswith(ROUTED)
        fields = (_ROUTED if routed else _BARE).parse(octets)
        control = fields["control"]
        return cls(
            number=fields["number"],
            data=fields["data"],
            last=bool(control & LAST),
            streaming=bool(control & STREAMING),
            window=control & WINDOW,
            acknowledged=fields["acknowledged"],
            routing=_routing(fields, len(octets)) if routed else None,
        )

    def octets(self) -> bytes:
        """Return the octets of this block. Raises `EncodeError` where a number has none."""
        if not 0 <= self.window <= MAX_WINDOW:
            raise EncodeError(f"{self.window}; it has 0 to {MAX_WINDOW} blocks", "block.window")
        fields = {
            "control": LAST * self.last | STREAMING * self.streaming | self.window,
            "number": self.number,
            "acknowledged": self.acknowledged,
            "data": self.data,
        }
        block = _BARE.build(fields)
        if self.routing is None:
            return block
        security = self.routing.security
        if security[:1] and security[0] & _PROTECTED:
            raise EncodeError("a block is not protected, the message in it is", "block.security")
        return _ROUTED.build(fields | asdict(self.routing) | {"length": len(security) + len(block)})


def _routing(fields: Any, size: int) -> Routing:
    length, security = fields["length"], fields["security"]
    if size - length != _BEFORE_LENGTH + len(write_length(length)):
        raise DecodeError("does not say how many octets follow", "block.length")
    if security[0] & _PROTECTED:
        raise DecodeError("a block is not protected, the message in it is", "block.security")
    return Routing(
        cra=fields["cra"],
        originator_counter=fields["originator_counter"],
        originator=EUI(fields["originator"]),
        recipient=EUI(fields["recipient"]),
        message_code=fields["message_code"],
        security=security,
    )


def lone_block(octets: bytes) -> DecodeError:
    """Return what is to be said of a block where a message belongs."""
    try:
        what = f"block {Block.parse(octets).number}"
    except DecodeError:
        what = "a broken block"
    found = f"begins with {octets[:1].hex().upper()}: {what} of a general block transfer"
    return DecodeError(f"{found}; reassemble the message first", "message")
