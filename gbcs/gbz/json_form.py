"""to_json() and from_json(): GBZ content as JSON, without loss.

Knows the JSON form of components and alerts, and no octets. Identifiers of clusters, messages and
alerts are four hexadecimal digits. Names of clusters, commands, attributes and statuses are written
for the reader and ignored when read.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gbcs.errors import EncodeError
from gbcs.gbz.clusters import (
    CLUSTER_FRAME,
    FRAME_TYPE,
    GENERAL_FRAME,
    MANUFACTURER_SPECIFIC,
    TO_CLIENT,
    attribute_name,
    find_command,
)
from gbcs.gbz.clusters.general import DATA_TYPES, STATUSES
from gbcs.gbz.content import (
    Component,
    Detail,
    Encrypted,
    FirmwareHash,
    FutureDatedExecution,
    GbzAlert,
    GbzContent,
    IntegrityIssue,
    Payload,
)
from gbcs.gbz.json_values import Json, Namers, read_instant, read_value, write_value
from gbcs.gbz.values import Fields, Opaque

_DETAILS: dict[str, type[Detail]] = {
    "future_dated_execution": FutureDatedExecution,
    "integrity_issue": IntegrityIssue,
    "firmware_hash": FirmwareHash,
    "opaque": Opaque,
}
_HEXADECIMAL = ("cluster", "message_code")


def to_json(content: GbzContent) -> dict[str, Json]:
    """Return `content` as JSON values, with the plaintexts of encrypted components."""
    alert = {} if content.alert is None else {"alert": _write_alert(content.alert)}
    return {
        "profile": f"{content.profile:04X}",
        **alert,
        "components": [_write_component(component) for component in content.components],
    }


def from_json(obj: Mapping[str, Json]) -> GbzContent:
    """Return the content whose JSON is `obj`. Raises `EncodeError` if it is not such JSON."""
    try:
        return GbzContent(
            int(obj["profile"], 16),
            tuple([_read_component(item) for item in obj["components"]]),
            _read_alert(obj["alert"]) if "alert" in obj else None,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise EncodeError(f"not GBZ content in JSON: {error!r}", "gbz") from error


def _write_component(component: Component) -> dict[str, Json]:
    optional = {
        "from_date_time": write_value(component.from_date_time, {}),
        "manufacturer": component.manufacturer,
    }
    return {
        "cluster": f"{component.cluster:04X}",
        "cluster_name": component.cluster_name,
        "command": component.command,
        "command_name": component.command_name,
        "frame_control": component.frame_control,
        "transaction_sequence_number": component.transaction_sequence_number,
        "last": component.last,
        **{name: value for name, value in optional.items() if value is not None},
        "payload": _write_payload(component.payload, namers_of(component)),
    }


def _read_component(obj: Mapping[str, Json]) -> Component:
    return Component(
        cluster=int(obj["cluster"], 16),
        frame_control=_number(obj["frame_control"]),
        transaction_sequence_number=_number(obj["transaction_sequence_number"]),
        command=_number(obj["command"]),
        payload=_read_payload(obj["payload"]),
        last=bool(obj["last"]),
        from_date_time=read_instant(obj["from_date_time"]) if "from_date_time" in obj else None,
        manufacturer=_number(obj["manufacturer"]) if "manufacturer" in obj else None,
    )


def _number(obj: Json) -> int:
    if not isinstance(obj, int):
        raise ValueError(f"{obj!r} is not an integer")
    return obj


def namers_of(component: Component) -> Namers:
    """Return the functions that name numbers in general commands.

    Empty for the commands of a cluster, whose fields of the same names have other meanings.
    """
    control = component.frame_control
    if control & (FRAME_TYPE | MANUFACTURER_SPECIFIC) != GENERAL_FRAME:
        return {}
    # A default response names the command it answers, which went the other way.
    answered = CLUSTER_FRAME | (~control & TO_CLIENT)
    return {
        "attribute": lambda attribute: attribute_name(component.cluster, attribute),
        "command": lambda command: _command_name(component.cluster, answered, command),
        "data_type": lambda code: DATA_TYPES[code][0] if code in DATA_TYPES else None,
        "status": STATUSES.get,
    }


def _command_name(cluster: int, frame_control: int, command: int) -> str | None:
    known = find_command(cluster, frame_control, command)
    return known.name if known else None


def _write_payload(payload: Payload, namers: Namers) -> dict[str, Json]:
    if isinstance(payload, Fields):
        return {"fields": write_value(payload.values, namers)}
    if isinstance(payload, Opaque):
        return {"opaque": payload.octets.hex().upper()}
    plaintext = payload.plaintext
    return {
        "encrypted": {
            "header_control": payload.header_control,
            "frame_counter": payload.frame_counter,
            "blob": payload.blob.hex().upper(),
            "plaintext": None if plaintext is None else _write_payload(plaintext, namers),
        }
    }


def _read_payload(obj: Mapping[str, Json]) -> Payload:
    if "encrypted" not in obj:
        return _read_clear(obj)
    encrypted = obj["encrypted"]
    plaintext = encrypted.get("plaintext")
    return Encrypted(
        bytes.fromhex(encrypted["blob"]),
        _number(encrypted["frame_counter"]),
        _number(encrypted["header_control"]),
        None if plaintext is None else _read_clear(plaintext),
    )


def _read_clear(obj: Mapping[str, Json]) -> Fields | Opaque:
    if "opaque" in obj:
        return Opaque(bytes.fromhex(obj["opaque"]))
    values = read_value(obj["fields"])
    if not isinstance(values, Mapping):
        raise ValueError("the fields are not an object")
    return Fields(values)


def _write_alert(alert: GbzAlert) -> dict[str, Json]:
    return {
        "code": f"{alert.code:04X}",
        "time": write_value(alert.time, {}),
        "number_of_components": alert.number_of_components,
        "detail": None if alert.detail is None else _write_detail(alert.detail),
    }


def _write_detail(detail: Detail) -> dict[str, Json]:
    kind = next(kind for kind, of in _DETAILS.items() if isinstance(detail, of))
    values = {field.name: getattr(detail, field.name) for field in fields(detail)}
    items = {
        name: f"{value:04X}" if name in _HEXADECIMAL else write_value(value, {})
        for name, value in values.items()
    }
    if isinstance(detail, FutureDatedExecution):
        items["cluster_name"] = detail.cluster_name
        items["command_name"] = detail.command_name
    return {kind: items}


def _read_alert(obj: Mapping[str, Json]) -> GbzAlert:
    return GbzAlert(
        int(obj["code"], 16),
        read_instant(obj["time"]),
        None if obj["detail"] is None else _read_detail(obj["detail"]),
        _number(obj["number_of_components"]),
    )


def _read_detail(obj: Mapping[str, Json]) -> Detail:
    ((kind, items),) = obj.items()
    of = _DETAILS[kind]
    values: dict[str, Any] = {
        field.name: int(items[field.name], 16)
        if field.name in _HEXADECIMAL
        else read_value(items[field.name])
        for field in fields(of)
    }
    return of(**values)
