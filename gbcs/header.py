"""The envelope of a message: MAC header, grouping header, signature and MAC.

Knows octets and their places. Knows no keys, and not what the content means. Envelopes of the
lengths that come often are read and written by template.

Source: GBCS v4.1 clauses 7.2.3 to 7.2.7; all vectors.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from construct import Const, Int8ub, Int64ub

from gbcs.axdr import Length, LengthValue, Octets, read_length, write_length
from gbcs.block import ROUTED, Block, lone_block
from gbcs.errors import DecodeError, EncodeError
from gbcs.eui import EUI
from gbcs.records import Record
from gbcs.templates import Reader, Span, Writer
from gbcs.wire import Schema, spans_of

GENERAL_CIPHERING, GENERAL_SIGNING = 0xDD, 0xDF
COMMAND = 1
"""The CRA flag of a command. Only a command may lack the signature length (a pre-command)."""
MAC_OCTETS = 12
SIGNATURE_LENGTHS = (0, 64)
"""Octets of a signature: none, or ECDSA r and s of P-256."""
TRANSACTION_TIME_LENGTHS = (0, 12)
"""Octets of a date-time: absent, or a DLMS date-time."""

_EMPTY_FIELDS = bytes(6)  # transaction id, originator, recipient, date-time, other info, key info
_SECURITY_HEADER = bytes.fromhex("1100000000")  # security control, invocation counter
_MAC_HEADER = bytes((GENERAL_CIPHERING,)) + _EMPTY_FIELDS

_GROUPING_HEADER = (
    "tag" / Const(bytes((GENERAL_SIGNING,))),
    "transaction_id_length" / Const(b"\x09"),
    "cra" / Int8ub,
    "counter" / Int64ub,
    "originator_length" / Const(b"\x08"),
    "originator" / Octets(8),
    "recipient_length" / Const(b"\x08"),
    "recipient" / Octets(8),
    "transaction_time" / LengthValue(),
    "other_information" / LengthValue(),
    "content" / LengthValue(),
)
_PRE_COMMAND = Schema("message", Record(*_GROUPING_HEADER))
_SIGNED = Schema("message", Record(*_GROUPING_HEADER, "signature" / LengthValue()))
_SEALED = Schema(
    "message",
    Record(
        "mac_header" / Const(_MAC_HEADER),
        "length" / Length(),
        "security_header" / Const(_SECURITY_HEADER),
        *_GROUPING_HEADER,
        "signature" / LengthValue(),
        "mac" / Octets(MAC_OCTETS),
    ),
)


@dataclass(slots=True)
class Envelope:
    """The fields of a message as octets and numbers.

    `signature` is None if even its length is absent, as in a pre-command. `mac` is None if there
    is no MAC header. `sealed` are the octets under the MAC, from the grouping header to the
    signature; empty if the message was not read. Not frozen: it is made for every message and never
    leaves the codec.
    """

    cra: int
    counter: int
    originator: EUI
    recipient: EUI
    transaction_time: bytes
    other_information: bytes
    content: bytes
    signature: bytes | None
    mac: bytes | None
    sealed: bytes = b""

    @property
    def signed(self) -> bytes:
        """The octets under the signature: behind the tag of the grouping header, to the content."""
        signature = self.signature
        return self.sealed[1:] if signature is None else self.sealed[1 : -1 - len(signature)]


def _read(octets: bytes) -> Envelope:
    first = octets[0] if octets else -1
    if first == GENERAL_CIPHERING and not octets.startswith(ROUTED):
        fields = _SEALED.parse(octets)
        signature, mac = fields["signature"], fields["mac"]
        # The schema has read the length; only its value, not its presence, is still unchecked.
        start = len(octets) - fields["length"]
        if start != len(_MAC_HEADER) + len(write_length(fields["length"])):
            raise DecodeError("is not the number of octets that follow", "message.length")
        sealed = octets[start + len(_SECURITY_HEADER) : -MAC_OCTETS]
    elif first == GENERAL_SIGNING:
        mac, sealed = None, octets
        schema = _unsealed(octets)
        fields = schema.parse(octets)
        signature = fields.get("signature")
    else:
        if Block.begins(octets):
            raise lone_block(octets)
        found = f"{first:02X}" if octets else "nothing"
        raise DecodeError(f"begins with {found}; a message begins with DD or DF", "message")
    envelope = Envelope(
        fields["cra"],
        fields["counter"],
        EUI(fields["originator"]),
        EUI(fields["recipient"]),
        fields["transaction_time"],
        fields["other_information"],
        fields["content"],
        signature,
        mac,
        sealed,
    )
    _check(envelope, DecodeError)
    return envelope


def _unsealed(octets: bytes) -> Schema:
    """Return the schema of a message without MAC header."""
    return _PRE_COMMAND if _ends_at_content(octets) else _SIGNED


_SENT = frozenset(
    ("counter", "originator", "recipient", "transaction_time", "other_information", "content")
) | {"signature", "mac"}
"""Fields that differ from message to message. The others are tags, lengths and the CRA flag."""


def _spans(octets: bytes) -> Iterator[Span]:
    """Yield the gaps of a message, or of its octets under the MAC."""
    schema = _SEALED if octets[0] == GENERAL_CIPHERING else _unsealed(octets)
    return spans_of(schema.trace(octets), _SENT)


open_envelope = Reader(_read, _spans)
"""Returns the envelope of a message. Raises `DecodeError` with the path of the field."""
_WRITE = Writer(_spans)


def _check(envelope: Envelope, error: type[DecodeError] | type[EncodeError]) -> None:
    """Raise `error` if a field has a length that the specification does not allow."""
    signature = envelope.signature
    if len(envelope.transaction_time) not in TRANSACTION_TIME_LENGTHS:
        raise error("a date-time has 0 or 12 octets", "message.transaction_time")
    if signature is None:
        if envelope.cra != COMMAND:
            raise error("only a pre-command lacks the signature length", "message.signature")
    elif len(signature) not in SIGNATURE_LENGTHS:
        raise error(f"{len(signature)} octets; a signature has 0 or 64", "message.signature")


_BEFORE_LENGTHS = 29  # DF 09, CRA flag, counter, 08, originator, 08, recipient


def _ends_at_content(octets: bytes) -> bool:
    """Return whether the octets end with the content, so that no signature length follows."""
    position = _BEFORE_LENGTHS
    try:
        for _ in range(3):  # date-time, other information, content
            length, position = read_length(octets, position)
            position += length
    except DecodeError:
        return False
    return position == len(octets)


def write_signed(envelope: Envelope) -> bytes:
    """Return the octets that a signature covers. Raises `EncodeError`."""
    return _build(_PRE_COMMAND, envelope)[1:]  # all but the tag of the grouping header


def write_sealed(envelope: Envelope) -> bytes:
    """Return the octets that a MAC covers: from the grouping header to the signature.

    Raises `EncodeError` for a pre-command, which has no signature length.
    """
    if envelope.signature is None:
        raise EncodeError("a pre-command has no signature length; sign it first", "message")
    try:
        gaps = (
            envelope.counter.to_bytes(8, "big"),
            envelope.originator,
            envelope.recipient,
            envelope.transaction_time,
            envelope.other_information,
            envelope.content,
            envelope.signature,
        )
        # The lengths of the last four decide all octets that stand around the gaps.
        key = (envelope.cra, *map(len, gaps[3:]))
    except (AttributeError, OverflowError, TypeError):  # the schema says which field is wrong
        return _build(_SIGNED, envelope)
    octets = _WRITE.fill(key, gaps)
    if octets is None:
        octets = built = _build(_SIGNED, envelope)
        _WRITE.learn(key, gaps, lambda: built)
    return octets


def write_envelope(envelope: Envelope) -> bytes:
    """Return the octets of a message. Raises `EncodeError` if a field does not fit its place."""
    if envelope.signature is None and envelope.mac is None:
        return _build(_PRE_COMMAND, envelope)
    sealed = write_sealed(envelope)
    if envelope.mac is None:
        return sealed
    return add_mac(sealed, envelope.mac)


def add_mac(sealed: bytes, mac: bytes) -> bytes:
    """Return the message: MAC header, the `sealed` octets, and the MAC of 12 octets.

    Raises `EncodeError` if the MAC has another length.
    """
    if len(mac) != MAC_OCTETS:
        raise EncodeError(f"{len(mac)} octets; a MAC has {MAC_OCTETS}", "message.mac")
    body = _SECURITY_HEADER + sealed + mac
    return _MAC_HEADER + write_length(len(body)) + body


def _build(schema: Schema, envelope: Envelope) -> bytes:
    _check(envelope, EncodeError)
    fields = {
        "cra": envelope.cra,
        "counter": envelope.counter,
        "originator": envelope.originator,
        "recipient": envelope.recipient,
        "transaction_time": envelope.transaction_time,
        "other_information": envelope.other_information,
        "content": envelope.content,
        "signature": envelope.signature,
    }
    return schema.build(fields)
