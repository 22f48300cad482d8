"""ZCL payloads: octets to named fields and back, by the tables in `gbcs.gbz.clusters`.

Octets that do not have the layout of their command stay octets. Fields that would not read back as
they were given are refused. Knows nothing of GBZ components.
"""

from collections.abc import Mapping
from typing import Any

from gbcs.errors import DecodeError, EncodeError
from gbcs.frozen import maker
from gbcs.gbz.clusters import find_command
from gbcs.gbz.values import Fields, Opaque

_fields = maker(Fields)


def decode_payload(
    cluster: int, frame_control: int, command: int, octets: bytes
) -> Fields | Opaque:
    """Return the fields in `octets`, or the octets if their layout is unknown or does not fit.

    >>> decode_payload(0x0702, 0x08, 0x0B, bytes.fromhex("0686"))["status"]
    134
    """
    known = find_command(cluster, frame_control, command)
    if known is None or known.layout is None:
        return Opaque(octets)
    try:
        return _fields(known.layout.parse(octets))
    except DecodeError:  # a device may deviate from the standard; its message is still readable
        return Opaque(octets)


def encode_payload(
    cluster: int, frame_control: int, command: int, payload: Fields | Opaque
) -> bytes:
    """Return the octets of `payload`.

    Raises `EncodeError` if the command's layout is unknown, or the fields are not its fields.
    """
    if isinstance(payload, Opaque):
        return payload.octets
    known = find_command(cluster, frame_control, command)
    if known is None or known.layout is None:
        raise EncodeError(f"no layout is known for command {command:02X} of cluster {cluster:04X}")
    octets = known.layout.build(payload.values)
    # construct ignores unknown fields and truncates some values, so the result is read back.
    if known.layout.parse(octets) != _plain(payload.values):
        raise EncodeError("the fields do not read back as they were given", known.name)
    return octets


def _plain(value: Any) -> Any:
    """Return `value` with dicts and tuples for its mappings and sequences, as schemas read them."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple([_plain(item) for item in value])
    return value
