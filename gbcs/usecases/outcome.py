"""What a message is about and how it turned out, in a few words: its SRV, and its result.

For lists with a line for each message. Knows no octets.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gbcs.dlms.access import AccessResponse, DataNotification
from gbcs.errors import AuthenticationError, GbcsError
from gbcs.message import CRA, Message
from gbcs.opaque import Opaque
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.result_codes import ResultCode, result_name
from gbcs.usecases.rows import table_and_columns
from gbcs.usecases.values import Reading, values_of

if TYPE_CHECKING:
    from gbcs.gbz import GbzContent

_ALERT_CODE = "alert_code"
_ENCRYPTED = "encrypted"


def srv_of(message: Message) -> str:
    """Return the SRV of the message, several with a slash between them, empty if it has none."""
    service = BY_CODE.get(message.message_code)
    if service is not None:
        return service.srv
    return "/".join(message.use_case.srvs) if message.use_case else ""


def outcome_of(message: Message) -> str:
    """Return the result of a response, or the code of an alert; empty without either.

    A response that reads a log has its number of rows, and one that was refused the first result
    code that is not success. Never raises for a decoded message.

    >>> from gbcs.tables.result_codes import ResultCode
    >>> str(ResultCode.READ_WRITE_DENIED)
    'read-write-denied'
    """
    if isinstance(message.payload, Opaque):
        return ""
    match message.cra:
        case CRA.ALERT:
            code = _alert_code(message)
            return "" if code is None else f"{code:04X}"
        case CRA.RESPONSE:
            return _result(message)
        case _:
            return ""


def _alert_code(message: Message) -> int | None:
    payload = message.payload
    if isinstance(payload, DataNotification):
        parts = payload.body.value
        first = parts[0].value if isinstance(parts, tuple) and parts else parts
        return first if isinstance(first, int) else None
    alert = getattr(payload, "alert", None)  # of GBZ
    code = getattr(getattr(payload, "value", None), _ALERT_CODE, None)  # of ASN.1
    return alert.code if alert is not None else code


def _result(response: Message) -> str:
    payload = response.payload
    if isinstance(payload, AccessResponse):
        failed = next((one.code for one in payload.results if one.code), None)
        if failed is not None:
            return result_name(failed)
        return _number_of_rows(response) or str(ResultCode.SUCCESS)
    from gbcs.gbz import GbzContent

    return _gbz_result(payload) if isinstance(payload, GbzContent) else ""


def _number_of_rows(response: Message) -> str:
    """Return the number of rows of the logs in a response, empty if it is not that of a log."""
    service = BY_CODE.get(response.message_code)
    if service is None or not service.windowed:
        return ""
    try:
        number = sum(map(_rows_in, values_of(response)))
    except AuthenticationError:
        return _ENCRYPTED
    except GbcsError:
        return "unknown rows"
    return f"{number} row{'' if number == 1 else 's'}"


def _rows_in(reading: Reading) -> int:
    if reading.data is None or reading.log is None:
        return 0
    table, _ = table_and_columns(reading.data, reading.log)
    return len(table.rows())


def _gbz_result(content: "GbzContent") -> str:
    """Return the first status that is not success; empty if no component has a status."""
    from gbcs.gbz.clusters.general import STATUSES
    from gbcs.gbz.content import Encrypted
    from gbcs.gbz.values import Fields

    found: list[int] = []
    for component in content.components:
        payload = component.payload
        fields = payload.plaintext if isinstance(payload, Encrypted) else payload
        if fields is None:
            return _ENCRYPTED
        if isinstance(fields, Fields):
            found += _statuses(fields.values)
    if not found:
        return ""
    failed = next(filter(None, found), None)
    if failed is None:
        return str(ResultCode.SUCCESS)
    return STATUSES.get(failed, f"unknown-{failed}").lower().replace("_", "-")


def _statuses(value: object) -> Iterator[int]:
    """Yield the statuses in the fields of a ZCL command, at any depth."""
    if isinstance(value, Mapping):
        status = value.get("status")
        if isinstance(status, int):
            yield status
        value = tuple(value.values())
    if isinstance(value, tuple):
        for part in value:
            yield from _statuses(part)
