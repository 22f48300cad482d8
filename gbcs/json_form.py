"""Messages as JSON, losing nothing: `from_json(to_json(message))` encodes to the same octets.

Octets are upper-case hex, OBIS codes are dotted, DLMS values are those of `gbcs.json_data`.
What is derived (names, rows, decrypted attributes, what verification found) is there to be read
and is ignored on the way back.
"""

from collections.abc import Callable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from gbcs.dlms.access import (
    Access,
    AccessRequest,
    AccessResponse,
    AccessResult,
    Choice,
    DataNotification,
)
from gbcs.dlms.data import Data
from gbcs.errors import AuthenticationError, DecodeError, EncodeError
from gbcs.eui import EUI
from gbcs.instants import to_iso
from gbcs.json_data import Json, data_from_json, data_to_json, hex_of
from gbcs.message import CRA, MESSAGE_TYPES, Message, Payload, Protected, Supplementary
from gbcs.obis import dotted, parse_dotted
from gbcs.opaque import Opaque
from gbcs.tables.accesses import access_names, protected_names
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.result_codes import result_name
from gbcs.usecases.values import values_of

if TYPE_CHECKING:
    from gbcs.asn1 import Asn1Content
    from gbcs.gbz import GbzContent


def to_json(message: Message) -> Json:
    """Return `message` as JSON values."""
    form: Json = {
        "kind": message.kind,
        "use_case": message.use_case and message.use_case.name,
        "message_code": f"{message.message_code:04X}",
        "originator": str(message.originator),
        "recipient": str(message.recipient),
        "originator_counter": message.originator_counter,
        "supplementary": _supplementary(message.supplementary),
        "transaction_time": hex_of(message.transaction_time),
        "mac": message.mac_status.value,
        "mac_octets": None if message.mac is None else hex_of(message.mac),
        "signature": message.signature_status.value,
        "signature_octets": None if message.signature is None else hex_of(message.signature),
        "payload": _payload(message),
    }
    if message.protected:
        form["protected"] = [_protected(item, message) for item in message.protected]
    rows = _rows(message)
    if rows is not None:
        form["rows"] = rows
    return form


def from_json(form: Json) -> Message:
    """Return the message that `to_json` gave `form` of. Raises `EncodeError` where it is none."""
    try:
        kind = "command" if form["kind"] == "pre-command" else form["kind"]
        message_type = MESSAGE_TYPES[CRA[kind.upper()]]
        return message_type(
            originator=EUI.parse(form["originator"]),
            recipient=EUI.parse(form["recipient"]),
            originator_counter=form["originator_counter"],
            message_code=int(form["message_code"], 16),
            payload=_payload_of(form["payload"]),
            supplementary=_supplementary_of(form["supplementary"]),
            transaction_time=bytes.fromhex(form["transaction_time"]),
            signature=_octets_of(form["signature_octets"]),
            mac=_octets_of(form["mac_octets"]),
        )
    except KeyError as error:
        raise EncodeError(f"the JSON of a message lacks or does not know {error}") from None
    except (
        AttributeError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
        DecodeError,
    ) as error:
        raise EncodeError(f"the JSON is not that of a message: {error}") from None


def _payload(message: Message) -> Json:
    payload = message.payload
    match payload:
        case AccessRequest():
            return {
                "access_request": {
                    **_head(payload),
                    "accesses": [_access(access) for access in payload.accesses],
                }
            }
        case AccessResponse():
            names = access_names(message.message_code, len(payload.results)) or ()
            results = [_result(*item) for item in zip_longest(payload.results, names)]
            return {"access_response": {**_head(payload), "results": results}}
        case DataNotification():
            return {"data_notification": {**_head(payload), "body": data_to_json(payload.body)}}
        case Opaque():
            reason = {"reason": payload.reason} if payload.reason else {}
            return {"opaque": {"octets": hex_of(payload.octets), **reason}}
        case _:
            return _other_family(payload)


def _other_family(payload: "Asn1Content | GbzContent") -> Json:
    from gbcs import asn1, gbz

    if isinstance(payload, gbz.GbzContent):
        return {"gbz": gbz.to_json(payload)}
    return {"asn1": {"type": payload.type_name, **asn1.to_json(payload)}}


def _gbz_of(form: Any) -> Payload:
    from gbcs import gbz

    return gbz.from_json(form)


def _asn1_of(form: Any) -> Payload:
    from gbcs import asn1

    return asn1.from_json(form["type"], {key: form[key] for key in form if key != "type"})


def _payload_of(form: Json) -> Payload:
    [(kind, value)] = form.items()
    return _PAYLOADS[kind](value)


def _access(access: Access) -> Json:
    name = method_name if access.choice is Choice.ACTION else attribute_name
    form = {
        "choice": _choice(access.choice),
        "class_id": access.class_id,
        "obis": dotted(access.obis),
        "index": access.index,
        "name": name(access.class_id, access.obis, access.index),
        "data": data_to_json(access.data),
    }
    if access.selection is not None:
        form |= {"selector": access.selector, "selection": data_to_json(access.selection)}
    return form


def _access_of(form: Json) -> Access:
    selection = form.get("selection")
    return Access(
        _choice_of(form["choice"]),
        form["class_id"],
        parse_dotted(form["obis"]),
        form["index"],
        data_from_json(form["data"]),
        form.get("selector"),
        selection and data_from_json(selection),
    )


def _result(result: AccessResult, name: str | None) -> Json:
    return {
        "choice": _choice(result.choice),
        **({"name": name} if name else {}),
        "code": result.code,
        "result": result_name(result.code),
        "data": data_to_json(result.data),
    }


def _result_of(form: Json) -> AccessResult:
    return AccessResult(_choice_of(form["choice"]), form["code"], data_from_json(form["data"]))


def _head(payload: AccessRequest | AccessResponse | DataNotification) -> Json:
    return {"invoke_id": f"{payload.invoke_id:08X}", "date_time": hex_of(payload.date_time)}


def _head_of(form: Json) -> Json:
    return {
        "invoke_id": int(form["invoke_id"], 16),
        "date_time": bytes.fromhex(form["date_time"]),
    }


_PAYLOADS: dict[str, Callable[[Any], Payload]] = {
    "access_request": lambda form: AccessRequest(
        accesses=tuple(map(_access_of, form["accesses"])), **_head_of(form)
    ),
    "access_response": lambda form: AccessResponse(
        results=tuple(map(_result_of, form["results"])), **_head_of(form)
    ),
    "data_notification": lambda form: DataNotification(
        body=data_from_json(form["body"]), **_head_of(form)
    ),
    "opaque": lambda form: Opaque(bytes.fromhex(form["octets"])),
    "gbz": _gbz_of,
    "asn1": _asn1_of,
}


def _supplementary(party: Supplementary | None) -> Json | None:
    if party is None:
        return None
    return {
        "party": str(party.party),
        "party_counter": party.party_counter,
        "originator_counter": party.originator_counter,
        "certificate": hex_of(party.certificate),
    }


def _supplementary_of(form: Json | None) -> Supplementary | None:
    if form is None:
        return None
    return Supplementary(
        EUI.parse(form["party"]),
        form["party_counter"],
        form["originator_counter"],
        bytes.fromhex(form["certificate"]),
    )


def _protected(item: Protected, message: Message) -> Json:
    form: Json = {"status": item.status.value}
    if item.plaintext is None:
        return form
    try:
        data = Data.parse(item.plaintext)
    except DecodeError:
        return {**form, "plaintext": hex_of(item.plaintext)}
    if message.cra is CRA.RESPONSE and isinstance(data.value, tuple):
        names = protected_names(message.message_code, len(data.value))
        form |= {"names": list(names)} if names else {}
    return {**form, "plaintext": data_to_json(data)}


def _rows(message: Message) -> list[Json] | None:
    """Return the entries of the one log that a response of the reading service carries."""
    if message.message_code not in BY_CODE:
        return None
    try:
        logs = [rows for reading in values_of(message) if (rows := reading.rows) is not None]
    except (AuthenticationError, DecodeError):
        return None
    return rows_to_json(logs[0]) if len(logs) == 1 else None


def rows_to_json(rows: list[Any]) -> list[Json]:
    """Return the rows of a log with their times in ISO 8601."""
    return [{**row, "time": to_iso(row["time"])} for row in rows]


def _choice(choice: Choice) -> str:
    return choice.name.lower().replace("_", "-")


def _choice_of(name: str) -> Choice:
    return Choice[name.upper().replace("-", "_")]


def _octets_of(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
