"""The response of a reading service: each attribute with its name, and its value or result code.

Knows which attributes the results of a service are, opens protected ones, and turns logs into rows
and collections into fields. Knows nothing of the command.

Source: `gbcs.tables.reading_services`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gbcs.dlms.access import AccessResponse, AccessResult
from gbcs.dlms.data import Data, DataType
from gbcs.errors import AuthenticationError, DecodeError
from gbcs.message import CRA, Message
from gbcs.tables.cosem import attribute_name
from gbcs.tables.profile_logs import BY_OBIS, ProfileLog
from gbcs.tables.reading_services import (
    BY_CODE,
    FIELDS,
    ReadAccess,
    ReadAttribute,
    ReadingService,
)
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.rows import Row, rows_of


@dataclass(frozen=True, slots=True)
class Reading:
    """One attribute of a reading service and its result."""

    attribute: ReadAttribute
    code: int
    """Its result code, 0 for success."""
    data: Data | None = None
    """Its value, None if it was not read."""

    @property
    def name(self) -> str:
        """The object and the attribute, such as `Active export register: value`."""
        return attribute_name(self.attribute.class_id, self.attribute.obis, self.attribute.index)

    @property
    def log(self) -> ProfileLog | None:
        """The log whose entries are read, None for other attributes."""
        return BY_OBIS[self.attribute.obis] if self.attribute.windowed else None

    @property
    def rows(self) -> list[Row] | None:
        """The entries of a log, None for others. Raises `DecodeError` for rows of unknown shape."""
        if self.data is None or self.log is None:
            return None
        return rows_of(self.log, self.data)

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """The parts of a collection of registers by name, None for other attributes.

        Raises `DecodeError` if there are more parts than names.
        """
        item = self.attribute
        names = FIELDS.get((item.class_id, item.obis, item.index))
        if self.data is None or names is None:
            return None
        parts = self.data.value
        if self.data.type is not DataType.STRUCTURE or not isinstance(parts, tuple):
            raise DecodeError(f"{self.name}: not a structure", "message.payload")
        if len(parts) > len(names):
            raise DecodeError(
                f"{self.name}: {len(parts)} parts, not {len(names)}", "message.payload"
            )
        # Not strict: a single element meter leaves out the secondary parts, which come last.
        return {name: plain(part) for name, part in zip(names, parts, strict=False)}


def has_readings(message: Message) -> bool:
    """Return whether `message` is the response of a reading service."""
    return message.cra is CRA.RESPONSE and message.message_code in BY_CODE


def values_of(response: Message) -> tuple[Reading, ...]:
    """Return each attribute of a reading service with its result, in the order of the command.

    Raises `DecodeError` if `response` is not that of a reading service, and `AuthenticationError`
    if a value is encrypted and no key has opened it.
    """
    service = BY_CODE.get(response.message_code)
    payload = response.payload
    if service is None or not isinstance(payload, AccessResponse):
        raise DecodeError("not the response of a reading service", "message")
    if len(payload.results) != len(service.accesses):
        raise DecodeError(
            f"{len(payload.results)} results; SRV {service.srv} has {len(service.accesses)}",
            "message.payload",
        )
    readings: list[Reading] = []
    for access, result in zip(service.accesses, payload.results, strict=True):
        readings += _readings(service, access, result, response)
    return tuple(readings)


def plain(data: Data) -> Any:
    """Return a value without its types: numbers, octets, and tuples of them."""
    value = data.value
    return tuple([plain(item) for item in value]) if isinstance(value, tuple) else value


def _readings(
    service: ReadingService, access: ReadAccess, result: AccessResult, response: Message
) -> list[Reading]:
    attributes = access.attributes
    if result.code != ResultCode.SUCCESS:
        return [Reading(attribute, result.code) for attribute in attributes]
    values = (result.data,) if access.protection is None else protected_values(response)
    if len(values) != len(attributes):
        raise DecodeError(
            f"{len(values)} values; SRV {service.srv} has {len(attributes)}",
            "message.protected",
        )
    return [
        Reading(attribute, result.code, value)
        for attribute, value in zip(attributes, values, strict=True)
    ]


def protected_values(response: Message) -> tuple[Data, ...]:
    """Return the values in the one encrypted structure of `response`.

    Raises `DecodeError` if there is no such structure, and `AuthenticationError` if no key has
    opened it.
    """
    if len(response.protected) != 1:
        raise DecodeError("protected attributes that are not encrypted", "message.protected")
    plaintext, status = response.protected[0].plaintext, response.protected[0].status
    if plaintext is None:
        raise AuthenticationError(
            f"the readings of {response.originator} for {response.remote_party} are {status}: "
            "to open them, the keystore needs the 'ka' keys of both, one of them private"
        )
    data = Data.parse(plaintext)
    if data.type is not DataType.STRUCTURE or not isinstance(data.value, tuple):
        raise DecodeError("not a structure of attributes", "message.protected")
    return data.value
