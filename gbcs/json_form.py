"""Messages as JSON, without loss: `from_json(to_json(message))` encodes to the same octets.

Octets are upper-case hex, OBIS codes are dotted, DLMS values are those of `gbcs.json_data`.
Derived keys (names, rows, values, units, protection parameters, decrypted attributes, results of
verification) are for the reader and ignored by `from_json`.
"""

from collections.abc import Callable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

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
from gbcs.json_data import (
    Json,
    data_from_json,
    data_to_json,
    hex_of,
    list_of,
    object_of,
    octets_of,
    only_item,
    text_of,
    whole,
)
from gbcs.json_readings import readings_to_json
from gbcs.message import CRA, MESSAGE_TYPES, Message, Payload, Protected, Supplementary
from gbcs.obis import dotted, parse_dotted
from gbcs.opaque import Opaque
from gbcs.tables.accesses import access_names, protected_names
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.result_codes import result_name
from gbcs.usecases.protection_shapes import protection_of
from gbcs.usecases.values import has_readings, values_of

if TYPE_CHECKING:
    from gbcs.asn1 import Asn1Content
    from gbcs.gbz import GbzContent

T = TypeVar("T")


def to_json(message: Message) -> Json:
    """Return `message` as JSON values; `json.dumps` takes them."""
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
    return form | _readings(message)


def from_json(form: Any) -> Message:
    """Return the message whose JSON is `form`.

    Raises `EncodeError` with the path of the key that is missing or wrong.
    """
    if not isinstance(form, dict):
        raise EncodeError(f"{form!r:.40} is not the JSON of a message, which is an object")
    message_type = _field(form, "kind", _type_of)
    return message_type(
        originator=_field(form, "originator", _eui_of),
        recipient=_field(form, "recipient", _eui_of),
        originator_counter=_field(form, "originator_counter", _counter_of),
        message_code=_field(form, "message_code", _number_of),
        payload=_field(form, "payload", _payload_of),
        supplementary=_field(form, "supplementary", _supplementary_of),
        transaction_time=_field(form, "transaction_time", octets_of),
        signature=_field(form, "signature_octets", _octets_or_none),
        mac=_field(form, "mac_octets", _octets_or_none),
    )


def _field(form: Json, name: str, read: Callable[[Any], T]) -> T:
    """Return the field `name`, read by `read`. Raises `EncodeError` with the name of the field."""
    if name not in form:
        raise EncodeError("is missing", f"JSON.{name}")
    try:
        return read(form[name])
    except KeyError as error:
        raise EncodeError(f"{error} is missing or unknown", f"JSON.{name}") from None
    except RecursionError:
        raise EncodeError("nested too deeply", f"JSON.{name}") from None
    except (AttributeError, OverflowError, TypeError, ValueError, DecodeError) as error:
        raise EncodeError(str(error), f"JSON.{name}") from None


def _type_of(kind: Any) -> type[Message]:
    name = "command" if kind == "pre-command" else kind  # its absent signature makes it one
    if name not in _KINDS:
        raise ValueError(f"{kind!r:.40} is not one of {', '.join(_KINDS)}, pre-command")
    return _KINDS[name]


_KINDS = {kind.name.lower(): MESSAGE_TYPES[kind] for kind in CRA}


def _eui_of(text: Any) -> EUI:
    return EUI.parse(text_of(text))


def _counter_of(number: Any) -> int:
    if not 0 <= whole(number) < 1 << 64:
        raise ValueError(f"{number} is not a counter: give a number from 0 to 2^64 - 1")
    return whole(number)


def _number_of(text: Any) -> int:
    """Return the number of a hex string, such as a message code."""
    return int.from_bytes(octets_of(text), "big")


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

    type_name = text_of(object_of(form)["type"])
    return asn1.from_json(type_name, {key: form[key] for key in form if key != "type"})


def _payload_of(form: Any) -> Payload:
    kind, value = only_item(form)
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
        **_protection(access),
    }
    if access.selection is not None:
        form |= {"selector": access.selector, "selection": data_to_json(access.selection)}
    return form


def _access_of(form: Any) -> Access:
    selection, selector = object_of(form).get("selection"), form.get("selector")
    return Access(
        _choice_of(form["choice"]),
        whole(form["class_id"]),
        parse_dotted(text_of(form["obis"])),
        whole(form["index"]),
        data_from_json(form["data"]),
        None if selector is None else whole(selector),
        None if selection is None else data_from_json(selection),
    )


def _result(result: AccessResult, name: str | None) -> Json:
    return {
        "choice": _choice(result.choice),
        **({"name": name} if name else {}),
        "code": result.code,
        "result": result_name(result.code),
        "data": data_to_json(result.data),
        **_protection(result),
    }


def _protection(item: Access | AccessResult) -> Json:
    """Return the names of protection parameters with their values, empty without them."""
    shape = protection_of(item)
    return {} if shape is None else {"protection": shape.named(item.data)}


def _result_of(form: Any) -> AccessResult:
    choice, code = _choice_of(object_of(form)["choice"]), whole(form["code"])
    return AccessResult(choice, code, data_from_json(form["data"]))


def _head(payload: AccessRequest | AccessResponse | DataNotification) -> Json:
    return {"invoke_id": f"{payload.invoke_id:08X}", "date_time": hex_of(payload.date_time)}


def _head_of(form: Any) -> Json:
    return {
        "invoke_id": _number_of(object_of(form)["invoke_id"]),
        "date_time": octets_of(form["date_time"]),
    }


_PAYLOADS: dict[str, Callable[[Any], Payload]] = {
    "access_request": lambda form: AccessRequest(
        **_head_of(form), accesses=tuple(map(_access_of, list_of(form["accesses"])))
    ),
    "access_response": lambda form: AccessResponse(
        **_head_of(form), results=tuple(map(_result_of, list_of(form["results"])))
    ),
    "data_notification": lambda form: DataNotification(
        **_head_of(form), body=data_from_json(form["body"])
    ),
    "opaque": lambda form: Opaque(octets_of(object_of(form)["octets"])),
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


def _supplementary_of(form: Any) -> Supplementary | None:
    if form is None:
        return None
    party = _eui_of(object_of(form)["party"])
    counters = (form["party_counter"], form["originator_counter"])
    party_counter, own_counter = (None if one is None else _counter_of(one) for one in counters)
    return Supplementary(party, party_counter, own_counter, octets_of(form["certificate"]))


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


def _readings(message: Message) -> Json:
    """Return what a reading service's response says, empty for other messages."""
    if not has_readings(message):
        return {}
    try:
        return readings_to_json(values_of(message))
    except (AuthenticationError, DecodeError):  # no key, or values of another shape
        return {}


def _choice(choice: Choice) -> str:
    return choice.name.lower().replace("_", "-")


def _choice_of(name: Any) -> Choice:
    return Choice[text_of(name).upper().replace("-", "_")]


def _octets_or_none(text: Any) -> bytes | None:
    return None if text is None else octets_of(text)
