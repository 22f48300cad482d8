"""Annotated octets: every octet of a message with its offset, its field and its meaning.

Follows the layout of `gbcs.header` and `gbcs.dlms`; GBZ and ASN.1 have explanations of their own.
Each call checks that the lines add up to the octets of the message, so no line can be wrong about
its octets. Decrypted attributes follow the blob that holds them, with offsets of their own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gbcs.axdr import write_length
from gbcs.codec import encode
from gbcs.content import encode_content
from gbcs.dlms.access import AccessRequest, AccessResponse, Choice, DataNotification
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import BitString, Data, DataType
from gbcs.errors import DecodeError, EncodeError
from gbcs.instants import MAX_INSTANT, from_date_time, to_iso
from gbcs.message import CRA, Message, Protected
from gbcs.obis import dotted
from gbcs.opaque import Opaque
from gbcs.other_information import write_other_information
from gbcs.tables.accesses import access_names, protected_names
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.result_codes import result_name
from gbcs.usecases.protection_shapes import Shape, protection_of

if TYPE_CHECKING:
    from gbcs.asn1 import Asn1Content
    from gbcs.gbz import GbzContent


@dataclass(frozen=True, slots=True)
class Line:
    """Some octets and their meaning. `offset` counts from the message, or from the plaintext."""

    offset: int
    octets: bytes
    field: str
    meaning: str
    depth: int = 0
    decrypted: bool = False
    """Whether the octets are of a decrypted attribute rather than of the message."""


Part = tuple[bytes, str, str, int]
"""Octets, field, meaning and depth."""


def explain(message: Message) -> list[Line]:
    """Return the lines for `message`, with decrypted attributes behind their blobs.

    Raises `EncodeError` if the message cannot be encoded, or if lines and octets disagree.
    """
    octets = encode(message)
    protected = {item.blob: item for item in message.protected}
    lines: list[Line] = []
    offset = 0
    for part in _message(message, octets):
        lines.append(Line(offset, *part))
        offset += len(part[0])
        blob = protected.get(part[0])
        if blob is not None:
            lines.extend(_decrypted(blob, message, part[3] + 1))
    if b"".join(line.octets for line in lines if not line.decrypted) != octets:
        raise EncodeError("the explanation does not add up to the octets of the message")
    return lines


def _message(message: Message, octets: bytes) -> Iterator[Part]:
    content = encode_content(message.payload)
    information = write_other_information(message.message_code, message.supplementary)
    if message.mac is not None:
        length = write_length(_octets_after_mac_header(octets))
        yield octets[:1], "general-ciphering", "MAC header", 0
        yield octets[1:7], "empty header fields", "", 1
        yield length, "length", f"{_octets_after_mac_header(octets)} octets follow", 1
        yield b"\x11", "security control", "authenticated, suite 1", 1
        yield bytes(4), "invocation counter", "0", 1
    yield b"\xdf", "general-signing", "grouping header", 0
    yield b"\x09", "length", "transaction id", 1
    yield bytes((message.cra,)), "CRA flag", message.cra.name.lower(), 1
    counter = message.originator_counter
    yield counter.to_bytes(8, "big"), "originator counter", str(counter), 1
    yield b"\x08" + message.originator, "originator", str(message.originator), 1
    yield b"\x08" + message.recipient, "recipient", str(message.recipient), 1
    when = message.transaction_time
    yield write_length(len(when)) + when, "date-time", _date_time(when) if when else "none", 1
    yield write_length(len(information)), "length", "other information", 1
    use_case = message.use_case
    title = f"{use_case.name} {use_case.title}" if use_case else "unknown use case"
    yield information[:2], "message code", title, 2
    yield from _supplementary(message)
    yield write_length(len(content)), "length", f"content of {len(content)} octets", 1
    yield from _content(message)
    if message.signature is not None:
        length = write_length(len(message.signature))
        yield length, "length", "signature" if message.signature else "no signature", 0
        if message.signature:
            yield message.signature, "signature", f"ECDSA r, s: {message.signature_status}", 0
    if message.mac is not None:
        yield message.mac, "MAC", str(message.mac_status), 0


def _octets_after_mac_header(octets: bytes) -> int:
    """Return the length in the MAC header: octets behind seven fixed ones and the length itself."""
    # The length's own size depends on its value, so each size is tried.
    for size in (1, 2, 3, 4, 5):
        rest = len(octets) - 7 - size
        if len(write_length(rest)) == size:
            return rest
    raise EncodeError("no length fits")


def _supplementary(message: Message) -> Iterator[Part]:
    party = message.supplementary
    if party is None:
        return
    yield bytes(party.party), "supplementary remote party", str(party.party), 2
    for number, name in (
        (party.party_counter, "supplementary remote party counter"),
        (party.originator_counter, "supplementary originator counter"),
    ):
        if number is not None:
            yield number.to_bytes(8, "big"), name, str(number), 2
    if party.certificate:
        yield party.certificate, "key-agreement certificate", "X.509, DER", 2


def _content(message: Message) -> Iterator[Part]:
    payload = message.payload
    match payload:
        case Opaque(octets):
            yield octets, "content", f"not typed: {payload.reason}".rstrip(": "), 2
        case AccessRequest():
            yield from _head(b"\xd9", "access-request", payload.invoke_id, payload.date_time)
            number = len(payload.accesses)
            yield write_length(number), "count", f"{number} specifications", 3
            for access in payload.accesses:
                action = access.choice is Choice.ACTION
                name = (method_name if action else attribute_name)(
                    access.class_id, access.obis, access.index
                )
                yield bytes((access.choice,)), "choice", access.choice.name.lower(), 4
                yield access.class_id.to_bytes(2, "big"), "class id", str(access.class_id), 5
                yield access.obis, "instance id", dotted(access.obis), 5
                yield bytes((access.index,)), "method" if action else "attribute", name, 5
                if access.selection is not None and access.selector is not None:
                    yield bytes((access.selector,)), "selector", str(access.selector), 5
                    yield from _data(access.selection, 5)
            yield write_length(number), "count", f"{number} data", 3
            for access in payload.accesses:  # all data follow all specifications
                yield from _data(access.data, 4, protection_of(access))
        case AccessResponse():
            yield from _head(b"\xda", "access-response", payload.invoke_id, payload.date_time)
            yield b"\x00", "specifications", "none", 3
            number = len(payload.results)
            yield write_length(number), "count", f"{number} data", 3
            names = access_names(message.message_code, number) or ("",) * number
            for result, name in zip(payload.results, names, strict=True):
                yield from _named(_data(result.data, 4, protection_of(result)), name)
            yield write_length(number), "count", f"{number} results", 3
            for result in payload.results:
                octets = bytes((result.choice, result.code))
                yield octets, result.choice.name.lower(), result_name(result.code), 4
        case DataNotification():
            yield from _head(b"\x0f", "data-notification", payload.invoke_id, payload.date_time)
            yield from _data(payload.body, 3)
        case _:
            yield from _other_family(payload, 2)


def _other_family(payload: "Asn1Content | GbzContent", depth: int) -> Iterator[Part]:
    from gbcs.gbz import GbzContent

    if isinstance(payload, GbzContent):
        from gbcs.gbz.explanation import content_parts

        return content_parts(payload, depth)
    from gbcs.asn1 import explanation

    return explanation.content_parts(payload, encode_content(payload), depth)


def _head(tag: bytes, name: str, invoke_id: int, date_time: bytes) -> Iterator[Part]:
    yield tag, name, "", 2
    yield invoke_id.to_bytes(4, "big"), "long invoke id and priority", f"{invoke_id:08X}", 3
    octets = write_length(len(date_time)) + date_time
    yield octets, "date-time", _date_time(date_time) if date_time else "none", 3


def _data(data: Data, depth: int, shape: Shape | None = None) -> Iterator[Part]:
    kind, value = data.type.title, data.value
    tag = bytes((data.type,))
    if isinstance(value, tuple):
        yield tag + write_length(len(value)), kind, f"of {len(value)}", depth
        for number, item in enumerate(value):
            part = shape and shape.part(number)
            parts = _data(item, depth + 1, part)
            yield from parts if part is None else _named(parts, part.name)
    elif isinstance(value, CompactArray):
        rows = value.rows()
        yield tag + value.description, kind, f"rows of type {value.description.hex()}", depth
        yield write_length(len(value.contents)), "length", f"{len(rows)} rows", depth + 1
        for row in rows:
            yield CompactArray.of(value.description, [row]).contents, "row", _row(row), depth + 1
    elif isinstance(value, bytes) and data.type is not DataType.OCTET_STRING:
        octets = data.octets()
        yield octets, kind, value.decode("utf-8", "replace"), depth
    elif isinstance(value, bytes):
        yield tag + write_length(len(value)), kind, f"{len(value)} octets", depth
        yield value, "octets", _octets(value), depth + 1
    elif isinstance(value, BitString):
        yield data.octets(), kind, f"{value.length} bits", depth
    else:
        meaning = value if shape is None else shape.meaning(value)
        yield data.octets(), kind, "" if value is None else str(meaning), depth


def _named(parts: Iterator[Part], name: str) -> Iterator[Part]:
    """Yield `parts`, with `name` before the meaning of the first of them."""
    octets, field, meaning, depth = next(parts)
    yield octets, field, ": ".join(filter(None, (name, meaning))), depth
    yield from parts


def _row(row: object) -> str:
    if isinstance(row, tuple):
        first = (
            to_iso(row[0]) if row and isinstance(row[0], int) and 0 <= row[0] <= MAX_INSTANT else ""
        )
        rest = row[1:] if first else row
        return " ".join(filter(None, [first, *[str(column) for column in rest]]))
    return str(row)


def _octets(value: bytes) -> str:
    if len(value) == 12:
        return _date_time(value)
    if len(value) == 6:  # most likely a logical name
        return dotted(value)
    return "encrypted" if value.startswith(b"\x31\x00\x00\x00\x00") else ""


def _date_time(octets: bytes) -> str:
    try:
        return to_iso(from_date_time(octets))
    except ValueError:
        return "date-time with parts not specified"


def _decrypted(item: Protected, message: Message, depth: int) -> Iterator[Line]:
    if item.plaintext is None:
        yield Line(0, b"", "decrypted", str(item.status), depth, decrypted=True)
        return
    offset = 0
    for octets, field, meaning, level in _plaintext(item, item.plaintext, message, depth):
        yield Line(offset, octets, field, meaning, level, decrypted=True)
        offset += len(octets)


def _plaintext(item: Protected, plaintext: bytes, message: Message, depth: int) -> Iterable[Part]:
    payload = message.payload
    if isinstance(payload, AccessResponse | DataNotification):
        try:
            return list(_opened(Data.parse(plaintext), message, depth))
        except DecodeError:
            return [(plaintext, "decrypted", "not DLMS data", depth)]
    from gbcs.gbz import GbzContent
    from gbcs.gbz.explanation import plaintext_parts

    if not isinstance(payload, GbzContent):
        return [(plaintext, "decrypted", "", depth)]
    return plaintext_parts(payload, item.blob, plaintext, depth)


def _opened(data: Data, message: Message, depth: int) -> Iterator[Part]:
    """Yield the parts of a decrypted value, each attribute under its name if names are known."""
    values = data.value if isinstance(data.value, tuple) else ()
    names = protected_names(message.message_code, len(values))
    if message.cra is not CRA.RESPONSE or names is None:
        yield from _data(data, depth)
        return
    yield next(_data(data, depth))
    for value, name in zip(values, names, strict=True):
        yield from _named(_data(value, depth + 1), name)
