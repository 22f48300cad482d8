"""The detail behind code and time of a GBZ alert: octets to a dataclass and back.

Knows the layout of the detail for each alert code. Octets without that layout are `Opaque`.

Source: GBCS v4.1 section 16 and clause 7.2.10; vectors GCS02, GCS05 and GCS53; Wireshark's GBCS
dissector for 81A0, 8F1C and 8F72, which have no vector.
"""

from dataclasses import asdict

from construct import Const, Int8ub, Int16ub, Int64ub

from gbcs.axdr import LengthValue
from gbcs.errors import DecodeError, EncodeError
from gbcs.gbz.content import Detail, FirmwareHash, FutureDatedExecution, IntegrityIssue
from gbcs.gbz.values import Opaque
from gbcs.records import Record
from gbcs.wire import Schema

_FUTURE_DATED = Schema(
    "gbz.alert.detail",
    Record(
        Const(b"\x0e"),  # length of the rest, in octets
        "message_code" / Int16ub,
        "originator_counter" / Int64ub,
        "cluster" / Int16ub,
        "frame_control" / Int8ub,
        "command" / Int8ub,
    ),
)
_INTEGRITY = Schema("gbz.alert.detail", Record("other_information" / Int16ub))
_FIRMWARE = Schema(
    "gbz.alert.detail", Record(Const(b"\x09"), "manufacturer_image_hash" / LengthValue())
)
_LAYOUTS: dict[int, tuple[type[FutureDatedExecution | IntegrityIssue | FirmwareHash], Schema]] = {
    0x8F66: (FutureDatedExecution, _FUTURE_DATED),  # successfully actioned
    0x8F67: (FutureDatedExecution, _FUTURE_DATED),  # not successfully actioned
    0x81A0: (IntegrityIssue, _INTEGRITY),  # smart meter integrity issue
    0x8F1C: (FirmwareHash, _FIRMWARE),  # firmware verification failed
    0x8F72: (FirmwareHash, _FIRMWARE),  # firmware verification successful
}


def decode_detail(code: int, octets: bytes) -> Detail:
    """Return the detail in `octets` of an alert with this code, `Opaque` if the layout differs."""
    kind, layout = _LAYOUTS.get(code, (None, None))
    if kind is None or layout is None:
        return Opaque(octets)
    try:
        fields = layout.parse(octets)
    except DecodeError:
        return Opaque(octets)
    return kind(**fields)


def encode_detail(code: int, detail: Detail) -> bytes:
    """Return the octets of an alert's detail. Raises `EncodeError` if it is of another code."""
    if isinstance(detail, Opaque):
        return detail.octets
    kind, layout = _LAYOUTS.get(code, (None, None))
    if kind is None or layout is None or not isinstance(detail, kind):
        raise EncodeError(
            f"{type(detail).__name__} is not the detail of alert {code:04X}", "gbz.alert.detail"
        )
    return layout.build(asdict(detail))
