"""The accesses of each use case: they name the results of a response.

A response has one result for each access of its command, but no references. Without the command,
message code and number of results decide what the results are, unless several commands have them.

Sources: accesses.csv, and reading_accesses.csv for the reading service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from gbcs.obis import parse_dotted
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.reading_services import READING_SERVICES, ReadingService
from gbcs.tables.table import flag, read_table

_ACTION, _PROTECTED, _GET, _RANGE = "action", "protected", "get", "get-with-selection"
_CHOICES = (_GET, "set", _ACTION, _RANGE, "set-with-selection", _PROTECTED)
_DATA_PROTECTION, _GET_PROTECTED = 30, 1  # class, and its method get_protected_attributes


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute, or a method if `choice` is action, and the kind of access."""

    choice: str
    """One of get, set, action, get-with-selection, set-with-selection and protected."""
    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    chosen: bool
    """Whether this is an example, because a command chooses one of several like objects."""

    @property
    def name(self) -> str:
        """Names of object and attribute or method, such as `Event log: buffer`."""
        name = method_name if self.choice == _ACTION else attribute_name
        return name(self.class_id, self.obis, self.index)


@dataclass(frozen=True, slots=True)
class Variant:
    """One list of accesses that commands of a message code make."""

    vector: str
    """A command with these accesses, empty if no vector shows them."""
    accesses: tuple[Reference, ...]
    protected: tuple[Reference, ...]
    """The attributes that the answer encrypts."""


def access_names(message_code: int, number: int) -> tuple[str, ...] | None:
    """Return the names of the `number` results of a response, in their order.

    None if no command of this code with that many accesses is known, or if such commands differ.

    >>> access_names(0x0037, 1)
    ('Profile data log, active import, protected: get_protected_attributes',)
    """
    return _names([variant.accesses for variant in ACCESSES.get(message_code, ())], number)


def protected_names(message_code: int, number: int) -> tuple[str, ...] | None:
    """Return the names of the `number` values of a decrypted structure, in their order.

    None if no command of this code with that many protected attributes is known, or if such
    commands differ.

    >>> protected_names(0x0037, 1)
    ('Profile data log, active import: buffer',)
    """
    return _names([variant.protected for variant in ACCESSES.get(message_code, ())], number)


def _names(variants: Sequence[tuple[Reference, ...]], number: int) -> tuple[str, ...] | None:
    found = {variant for variant in variants if len(variant) == number > 0}
    # With several variants of this length, only the command could decide between them.
    if len(found) != 1:
        return None
    [references] = found
    if any(reference.chosen for reference in references):
        return None
    return tuple([reference.name for reference in references])


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


_HEADER = ("message_code", "vector", "choice", "class_id", "obis", "index", "chosen")


def _reference(
    code: str, vector: str, choice: str, class_id: str, obis: str, index: str, chosen: str
) -> tuple[int, str, Reference]:
    if choice not in _CHOICES:
        raise ValueError(f"{choice!r} is not one of {', '.join(_CHOICES)}")
    reference = Reference(choice, int(class_id), parse_dotted(obis), int(index), flag(chosen))
    return int(code, 16), vector, reference


def _by_code() -> dict[int, tuple[Variant, ...]]:
    found: dict[int, tuple[Variant, ...]] = {
        service.message_code: (_reading(service),) for service in READING_SERVICES
    }
    rows = read_table("accesses.csv", _HEADER, _reference)
    for (code, vector), group in groupby(rows, lambda row: row[:2]):
        references = [reference for _, _, reference in group]
        variant = Variant(
            vector,
            tuple([item for item in references if item.choice != _PROTECTED]),
            tuple([item for item in references if item.choice == _PROTECTED]),
        )
        found[code] = (*found.get(code, ()), variant)
    return found


ACCESSES = _by_code()
"""The variants of each message code whose commands are DLMS and known."""
