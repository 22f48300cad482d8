"""GBZ use case specific components: octets to `Component` and back.

Knows the extended header, the additional header of encrypted components and the ZCL header, and
checks every length in them. GBZ headers are big-endian, ZCL is little-endian.

Source: GBCS v4.1 clause 7.2.10; all GBZ vectors.
"""

from typing import Any

from construct import If, Int8ub, Int16ub, Int16ul, this

from gbcs.errors import DecodeError, EncodeError
from gbcs.frozen import maker
from gbcs.gbz.atoms import GBZ_TIME, REST, Sized
from gbcs.gbz.clusters import MANUFACTURER_SPECIFIC
from gbcs.gbz.content import ENCRYPTED, FROM_DATE_TIME, LAST, Component, Encrypted
from gbcs.gbz.payload import decode_payload, encode_payload
from gbcs.records import Record, Rows
from gbcs.wire import Schema

_COMPONENTS = Schema(
    "gbz.components",
    Rows(Record("control" / Int8ub, "cluster" / Int16ub, "frame" / Sized(Int16ub)), Int8ub),
)

_ZCL_HEADER = (
    "frame_control" / Int8ub,
    "manufacturer" / If(this.frame_control & MANUFACTURER_SPECIFIC, Int16ul),
    "transaction_sequence_number" / Int8ub,
    "command" / Int8ub,
)
_FRAMES = {
    0: Schema("frame", Record(*_ZCL_HEADER, "payload" / REST)),
    FROM_DATE_TIME: Schema(
        "frame", Record("from_date_time" / GBZ_TIME, *_ZCL_HEADER, "payload" / REST)
    ),
    ENCRYPTED: Schema(
        "frame",
        Record(
            "header_control" / Int8ub,
            "frame_counter" / Int8ub,
            *_ZCL_HEADER,
            "payload" / Sized(Int16ub),
        ),
    ),
}
"""The layout behind the extended header, by its control field without the bit of the last one."""

_component = maker(Component)


def decode_components(octets: bytes) -> tuple[Component, ...]:
    """Return the components in `octets`, which begin with their number. Raises `DecodeError`."""
    return tuple([_decode(item, index) for index, item in enumerate(_COMPONENTS.parse(octets))])


def encode_components(components: tuple[Component, ...]) -> bytes:
    """Return the number and the octets of `components`. Raises `EncodeError`."""
    return _COMPONENTS.build([_encode(item, index) for index, item in enumerate(components)])


def _decode(item: Any, index: int) -> Component:
    path = f"gbz.components[{index}]"
    control, cluster = item["control"], item["cluster"]
    schema = _FRAMES.get(control & ~LAST)
    if schema is None:
        raise DecodeError(f"{control:02X} is not an extended header control field", path)
    try:
        frame = schema.parse(item["frame"])
    except DecodeError as error:
        raise DecodeError(error.reason, f"{path}.{error.path}") from error
    frame_control, command, octets = frame["frame_control"], frame["command"], frame["payload"]
    return _component(
        cluster=cluster,
        frame_control=frame_control,
        transaction_sequence_number=frame["transaction_sequence_number"],
        command=command,
        payload=Encrypted(octets, frame["frame_counter"], frame["header_control"])
        if control & ENCRYPTED
        else decode_payload(cluster, frame_control, command, octets),
        last=bool(control & LAST),
        from_date_time=frame.get("from_date_time"),
        manufacturer=frame["manufacturer"],
    )


def _encode(component: Component, index: int) -> dict[str, Any]:
    path = f"gbz.components[{index}]"
    schema = _FRAMES.get(component.control & ~LAST)
    if schema is None:
        raise EncodeError("an encrypted component cannot have a from date time", path)
    specific = bool(component.frame_control & MANUFACTURER_SPECIFIC)
    if specific is (component.manufacturer is None):
        raise EncodeError("the manufacturer and its bit in the frame control disagree", path)
    payload = component.payload
    try:
        if isinstance(payload, Encrypted):
            own: dict[str, Any] = {
                "header_control": payload.header_control,
                "frame_counter": payload.frame_counter,
            }
            octets = payload.blob
        else:
            own = {"from_date_time": component.from_date_time}
            octets = encode_payload(
                component.cluster, component.frame_control, component.command, payload
            )
        frame = schema.build(
            own
            | {
                "frame_control": component.frame_control,
                "manufacturer": component.manufacturer,
                "transaction_sequence_number": component.transaction_sequence_number,
                "command": component.command,
                "payload": octets,
            }
        )
    except EncodeError as error:
        raise EncodeError(error.reason, f"{path}.{error.path}".rstrip(".")) from error
    return {"control": component.control, "cluster": component.cluster, "frame": frame}
