"""One block of a general block transfer: octets to `Block` and back.

Knows the fields of one block, and nothing of the other blocks. A block is the APDU E0, alone or
behind a routing header. GBCS sends it with that header: a general-ciphering that protects nothing
and names the message.

Source: DLMS UA 1000-2 (Green Book) edition 8, clause 9.4.6.13; GBCS v4.1 clause 7.2.11; Wireshark's
GBCS dissector for the routing header. No vector is segmented, so tests compare with tshark.
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
"""Begins a general-ciphering with a transaction id; the MAC header of a message has none."""

LAST, STREAMING, WINDOW = 0x80, 0x40, 0x3F
"""Bits of the block control octet."""
MAX_WINDOW = 63
"""The widest window, in blocks: six bits of the block control octet."""

UNPROTECTED = bytes.fromhex("0100000000")
"""Security control and invocation counter of a routing header: suite 1, no protection.

Inferred from the suite of all other headers; neither text nor vector shows it."""

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
    """The message that a block is a part of."""

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
    """One block of a transfer; without data, an acknowledgement."""

    number: int
    """Number of the block in its transfer, from 1."""
    data: bytes = b""
    last: bool = False
    streaming: bool = False
    """Whether more blocks follow before the sender waits for an acknowledgement."""
    window: int = MAX_WINDOW
    """Blocks, up to 63, that the sender of this one accepts before it acknowledges."""
    acknowledged: int = 0
    """The last block that its sender has received with all before it, 0 if none."""
    routing: Routing | None = None

    @property
    def is_acknowledgement(self) -> bool:
        """Whether the block carries no data, only the number acknowledged."""
        return not self.data

    @property
    def is_abort(self) -> bool:
        """Whether the sender aborts the transfer."""
        return self.last and not (self.streaming or self.data or self.number or self.acknowledged)

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.is_abort:
            return "the end of an aborted general block transfer"
        if self.is_acknowledgement:
            return f"acknowledgement of a general block transfer, up to block {self.acknowledged}"
        return f"block {self.number} of a general block transfer"

    @staticmethod
    def begins(octets: bytes) -> bool:
        """Return whether `octets` begin a block rather than a message."""
        return octets.startswith((GENERAL_BLOCK_TRANSFER, ROUTED))

    @classmethod
    def parse(cls, octets: bytes) -> "Block":
        """Return the block in `octets`, with or without a routing header.

        >>> Block.parse(bytes.fromhex("E0 83 0002 0000 03 616263")).data
        b'abc'

        Raises `DecodeError` if they are not one block.
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
        """Return the octets of this block. Raises `EncodeError` if a number is out of range."""
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
            raise EncodeError("a block is not protected; protect the message", "block.security")
        return _ROUTED.build(fields | asdict(self.routing) | {"length": len(security) + len(block)})


def _routing(fields: Any, size: int) -> Routing:
    length, security = fields["length"], fields["security"]
    if size - length != _BEFORE_LENGTH + len(write_length(length)):
        raise DecodeError("is not the number of octets that follow", "block.length")
    if security[0] & _PROTECTED:
        raise DecodeError("a block is not protected, only the message in it", "block.security")
    return Routing(
        cra=fields["cra"],
        originator_counter=fields["originator_counter"],
        originator=EUI(fields["originator"]),
        recipient=EUI(fields["recipient"]),
        message_code=fields["message_code"],
        security=security,
    )


def lone_block(octets: bytes) -> DecodeError:
    """Return the error for a block in place of a message."""
    try:
        what = Block.parse(octets).title
    except DecodeError:
        what = "a broken block of a general block transfer"
    found = f"begins with {octets[:1].hex().upper()}: {what}"
    return DecodeError(f"{found}; reassemble the message first", "message")
