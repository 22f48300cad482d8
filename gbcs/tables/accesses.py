"""Accesses by use case: what the results of a response are, which itself does not say.

Knows which attributes and methods the commands of a message code ask for, and their names. A
response has no references, only a result for each access; it is its command that says what they
are, and without the command the code and the number of results do, unless they leave a choice.

Source: the commands of DCC's RTDS 4.5.0, see `gbcs.tables.access_rows`, and those of the reading
service, see `gbcs.tables.reading_services`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gbcs.obis import parse_dotted
from gbcs.tables.access_rows import ACCESS_ROWS
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.reading_services import READING_SERVICES, ReadingService

_OPENS, _CHOSEN = "=", "*"
_ACTION, _PROTECTED, _GET, _RANGE = "action", "protected", "get", "get-with-selection"
_DATA_PROTECTION, _GET_PROTECTED = 30, 1


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute, or the method where `choice` is action, and how it is accessed."""

    choice: str
    """One of get, set, action, get-with-selection, set-with-selection and protected."""
    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    chosen: bool
    """Whether this is an example: a command chooses one of several like objects."""

    @property
    def name(self) -> str:
        """What it is, such as `Event log: buffer`."""
        name = method_name if self.choice == _ACTION else attribute_name
        return name(self.class_id, self.obis, self.index)


@dataclass(frozen=True, slots=True)
class Variant:
    """One list of accesses that commands of a message code make."""

    vector: str
    """A command that has it, empty where none is known."""
    accesses: tuple[Reference, ...]
    protected: tuple[Reference, ...]
    """The attributes that the answer to its reads of protected attributes encrypts."""


def access_names(message_code: int, number: int) -> tuple[str, ...] | None:
    """Return what the `number` results of a response are, in their order.

    None where no command is known that has this code and as many accesses, or where such commands
    differ.

    >>> access_names(0x0037, 1)
    ('Profile data log, active import, protected: get_protected_attributes',)
    """
    return _names([variant.accesses for variant in ACCESSES.get(message_code, ())], number)


def protected_names(message_code: int, number: int) -> tuple[str, ...] | None:
    """Return what the `number` values of a decrypted structure are, in their order.

    None where no command is known that has this code and asks for as many protected attributes, or
    where such commands differ.

    >>> protected_names(0x0037, 1)
    ('Profile data log, active import: buffer',)
    """
    return _names([variant.protected for variant in ACCESSES.get(message_code, ())], number)


def _names(variants: Sequence[tuple[Reference, ...]], number: int) -> tuple[str, ...] | None:
    found = {variant for variant in variants if len(variant) == number > 0}
    if len(found) != 1:
        return None
    [references] = found
    if any(reference.chosen for reference in references):
        return None
    return tuple([reference.name for reference in references])


def _reference(line: str) -> Reference:
    choice, class_id, obis, index = line.split()
    return Reference(
        choice.removesuffix(_CHOSEN),
        int(class_id),
        parse_dotted(obis),
        int(index),
        chosen=choice.endswith(_CHOSEN),
    )


def _variant(text: str) -> tuple[int, Variant]:
    head, *rows = text.strip().splitlines()
    code, vector = head.split()
    references = [_reference(row) for row in rows]
    return int(code, 16), Variant(
        vector,
        tuple([item for item in references if item.choice != _PROTECTED]),
        tuple([item for item in references if item.choice == _PROTECTED]),
    )


def _reading(service: ReadingService) -> Variant:
    accesses: list[Reference] = []
    protected: list[Reference] = []
    for access in service.accesses:
        if access.protection is None:
            [item] = access.attributes
            choice = _RANGE if item.windowed else _GET
            accesses.append(_whole(choice, item.class_id, item.obis, item.index))
        else:
            accesses.append(_whole(_ACTION, _DATA_PROTECTION, access.protection, _GET_PROTECTED))
            protected += [
                _whole(_PROTECTED, item.class_id, item.obis, item.index)
                for item in access.attributes
            ]
    return Variant(service.vector, tuple(accesses), tuple(protected))


def _whole(choice: str, class_id: int, obis: bytes, index: int) -> Reference:
    return Reference(choice, class_id, obis, index, chosen=False)


def _by_code(table: str) -> dict[int, tuple[Variant, ...]]:
    found: dict[int, tuple[Variant, ...]] = {
        service.message_code: (_reading(service),) for service in READING_SERVICES
    }
    for text in table.split(_OPENS)[1:]:
        code, variant = _variant(text)
        found[code] = (*found.get(code, ()), variant)
    return found


ACCESSES = _by_code(ACCESS_ROWS)
"""The variants of each message code whose commands are DLMS and known."""
