"""What the response of a reading service says: each attribute by name, with its value or its code.

Knows which attributes the results of a service are, opens what is protected, and gives logs as
rows and collections as fields; knows nothing of the command.

Source: `gbcs.tables.reading_services`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gbcs.dlms.access import AccessResponse, AccessResult
from gbcs.dlms.data import Data, DataType
from gbcs.errors import AuthenticationError, DecodeError
from gbcs.message import Message
from gbcs.tables.cosem import attribute_name
from gbcs.tables.profile_logs import BY_OBIS
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
    """One attribute that was asked for, and what came of it."""

    attribute: ReadAttribute
    code: int
    """A result code, 0 is success."""
    data: Data | None = None
    """The value, None where it was not read."""

    @property
    def name(self) -> str:
        """What it is, such as `Active export register: value`."""
        return attribute_name(self.attribute.class_id, self.attribute.obis, self.attribute.index)

    @property
    def rows(self) -> list[Row] | None:
        """The entries of a log, None where it is none. Raises `DecodeError` for unknown columns."""
        if self.data is None or not self.attribute.windowed:
            return None
        return rows_of(BY_OBIS[self.attribute.obis], self.data)

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """The parts of a collection of registers by name, None where it is none.

        Raises `DecodeError` where there are more parts than names.
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
        return {name: plain(part) for name, part in zip(names, parts, strict=False)}


def values_of(response: Message) -> tuple[Reading, ...]:
    """Return what each attribute of a reading service gave, in the order of the command.

    Raises `DecodeError` where `response` is not that of a reading service, and
    `AuthenticationError` where something in it is encrypted and was not opened.
    """
    service = BY_CODE.get(response.message_code)
    payload = response.payload
    if service is None or not isinstance(payload, AccessResponse):
        raise DecodeError("not the response of a reading service", "message")
    if len(payload.results) != len(service.accesses):
        raise DecodeError(
            f"{len(payload.results)} results where SRV {service.srv} has {len(service.accesses)}",
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
            f"{len(values)} values where SRV {service.srv} has {len(attributes)}",
            "message.protected",
        )
    return [
        Reading(attribute, result.code, value)
        for attribute, value in zip(attributes, values, strict=True)
    ]


def protected_values(response: Message) -> tuple[Data, ...]:
    """Return the values that the one encrypted structure of `response` holds.

    Raises `DecodeError` where there is no such structure, and `AuthenticationError` where it was
    not opened.
    """
    if len(response.protected) != 1:
        raise DecodeError("protected attributes that are not encrypted", "message.protected")
    plaintext, status = response.protected[0].plaintext, response.protected[0].status
    if plaintext is None:
        raise AuthenticationError(
            f"the readings of {response.originator} for {response.remote_party} are {status}: "
            "they open with the key-agreement keys of both, one of them private"
        )
    data = Data.parse(plaintext)
    if data.type is not DataType.STRUCTURE or not isinstance(data.value, tuple):
        raise DecodeError("not a structure of attributes", "message.protected")
    return data.value
