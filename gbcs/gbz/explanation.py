"""GBZ content as annotated octets: a part for each field of each header and each ZCL payload.

Knows the places of header fields; the schema of a payload knows those of its fields. Parts are
octets, field, meaning and depth, as in `gbcs.explain`, which checks that they add up.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gbcs.gbz.alerts import encode_detail
from gbcs.gbz.clusters import MANUFACTURER_SPECIFIC, TO_CLIENT, find_command
from gbcs.gbz.content import (
    ENCRYPTED,
    FROM_DATE_TIME,
    LAST,
    Component,
    Detail,
    Encrypted,
    FirmwareHash,
    FutureDatedExecution,
    GbzContent,
    IntegrityIssue,
)
from gbcs.gbz.json_form import namers_of
from gbcs.gbz.json_values import Namers, write_value
from gbcs.gbz.payload import encode_payload
from gbcs.gbz.values import Fields, Opaque

Part = tuple[bytes, str, str, int]

_CONTROLS = {LAST: "last", ENCRYPTED: "encrypted", FROM_DATE_TIME: "with a from date time"}
_FRAME_CONTROLS = {
    0x01: "of the cluster",
    MANUFACTURER_SPECIFIC: "of a manufacturer",
    TO_CLIENT: "to the client",
    0x10: "no default response",
}


def content_parts(content: GbzContent, depth: int) -> Iterator[Part]:
    """Yield the parts of a content. Raises `EncodeError` if a field does not fit its place."""
    number = len(content.components)
    yield content.profile.to_bytes(2, "big"), "profile", "ZigBee Smart Energy", depth
    alert = content.alert
    if alert is not None:
        number = alert.number_of_components
    yield bytes((number,)), "number of components", str(number), depth
    if alert is not None:
        yield alert.code.to_bytes(2, "big"), "alert code", f"{alert.code:04X}", depth
        yield alert.time.to_bytes(4, "big"), "time", str(alert.time), depth
        if alert.detail is not None:
            octets = encode_detail(alert.code, alert.detail)
            yield octets, "detail", _detail(alert.detail), depth
    for component in content.components:
        yield from _component(component, depth)


def _detail(detail: Detail) -> str:
    match detail:
        case FutureDatedExecution():
            what = f"{detail.cluster_name or 'unknown'}: {detail.command_name or 'unknown'}"
            return f"{what}, of {detail.message_code:04X}, counter {detail.originator_counter}"
        case IntegrityIssue():
            return f"integrity issue {detail.other_information:04X}"
        case FirmwareHash():
            return "hash of a firmware image"
        case Opaque():
            return "not typed"


def _component(component: Component, depth: int) -> Iterator[Part]:
    payload, control, frame_control = component.payload, component.control, component.frame_control
    yield bytes((control,)), "control", _flags(_CONTROLS, control) or "none", depth
    name = component.cluster_name or "unknown"
    yield component.cluster.to_bytes(2, "big"), "cluster", name, depth + 1
    frame = list(_frame(component, depth + 1))
    size = sum(len(octets) for octets, *_ in frame)
    if isinstance(payload, Encrypted):
        own = [(payload.blob, "octets", "encrypted", depth + 2)]
        length = len(payload.blob).to_bytes(2, "big")
        frame.append((length, "length", f"{len(payload.blob)} octets", depth + 1))
        size += len(length) + len(payload.blob)
    else:
        octets = encode_payload(component.cluster, frame_control, component.command, payload)
        own = list(payload_parts(component, payload, octets, depth + 2))
        size += len(octets)
    yield size.to_bytes(2, "big"), "length", f"{size} octets", depth + 1
    yield from frame
    yield from own


def _frame(component: Component, depth: int) -> Iterator[Part]:
    """Yield the parts between the extended header and the payload."""
    payload, since = component.payload, component.from_date_time
    if since is not None:
        yield since.to_bytes(4, "big"), "from date time", str(since), depth
    if isinstance(payload, Encrypted):
        control, counter = payload.header_control, payload.frame_counter
        yield bytes((control,)), "additional header control", str(control), depth
        yield bytes((counter,)), "additional header frame counter", str(counter), depth
    control = component.frame_control
    yield bytes((control,)), "frame control", _flags(_FRAME_CONTROLS, control) or "none", depth
    if component.manufacturer is not None:
        octets = component.manufacturer.to_bytes(2, "little")
        yield octets, "manufacturer", f"{component.manufacturer:04X}", depth
    number = component.transaction_sequence_number
    yield bytes((number,)), "transaction sequence number", str(number), depth
    yield bytes((component.command,)), "command", component.command_name or "unknown", depth


def payload_parts(
    component: Component, payload: Fields | Opaque, octets: bytes, depth: int
) -> Iterator[Part]:
    """Yield the parts of a ZCL payload, or of the plaintext of an encrypted one."""
    known = find_command(component.cluster, component.frame_control, component.command)
    if isinstance(payload, Opaque) or known is None or known.layout is None:
        if octets:
            yield octets, "payload", "not typed", depth
        return
    namers = namers_of(component)
    for field in known.layout.trace(octets):
        meaning = _meaning(field.name, field.value, namers)
        yield field.octets, field.name.replace("_", " "), meaning, depth + field.depth


def plaintext_parts(
    content: GbzContent, blob: bytes, plaintext: bytes, depth: int
) -> Iterator[Part]:
    """Yield the parts of `plaintext`, to which `blob` decrypts: the payload of one component."""
    for component in content.components:
        payload = component.payload
        if isinstance(payload, Encrypted) and payload.blob == blob:
            typed = payload.plaintext or Opaque(plaintext)
            yield from payload_parts(component, typed, plaintext, depth)
            return


def _meaning(name: str, value: Any, namers: Namers) -> str:
    namer = namers.get(name)
    named = namer(value) if namer is not None else None
    return f"{_text(value)} {named}" if named else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name.replace('_', ' ')} {_text(item)}"
            for name, item in value.items()
            if name != "_io"
        )
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value))
    if value is None:
        return "none"
    if isinstance(value, bytes):
        return value.hex().upper()
    written = write_value(value, {})
    return str(int(written) if isinstance(written, int) else written)  # a number, if not a time


def _flags(names: Mapping[int, str], value: int) -> str:
    return ", ".join(name for bit, name in names.items() if value & bit)
