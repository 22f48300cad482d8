"""The reading services of an ESME: the command of each service request from 4.1 to 4.18.

Knows for each use case the accesses of its command in their order, which of them take a window and
which are protected, the meters that have it, and whether its responses carry the meter's time. The
contents of logs are in `gbcs.tables.profile_logs`.

Sources: see reading_services.csv. Fields of collections: the GBCS v3.1 use cases, as rendered in
HenryGiraldo/gbcs-parser-js.
"""

from dataclasses import dataclass

from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BALANCES, MONEY
from gbcs.tables.table import flag, read_table

SINGLE, TWIN, POLYPHASE = "single", "twin", "polyphase"
"""Kinds of meter."""


@dataclass(frozen=True, slots=True)
class ReadAttribute:
    """An attribute that a service reads."""

    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    windowed: bool
    """Whether entries from a time to a time are read, rather than the whole attribute."""


@dataclass(frozen=True, slots=True)
class ReadAccess:
    """One access of a command, and so one result of its response."""

    attributes: tuple[ReadAttribute, ...]
    """One, or several that a data protection object encrypts together."""
    protection: bytes | None = None
    """OBIS of the data protection object (class 30), None in clear."""


@dataclass(frozen=True, slots=True)
class ReadingService:
    """The command of one use case, and the meters that have it."""

    srv: str
    use_case: str
    message_code: int
    accesses: tuple[ReadAccess, ...]
    meters: tuple[str, ...]
    """Kinds of meter that have it: single, twin (element) and polyphase."""
    carries_time: bool
    """Whether responses, errors too, carry the meter's time as a date-time of 12 octets."""
    time_inferred: bool
    """Whether `carries_time` is our conclusion rather than shown by a vector."""
    vector: str
    """A command with these accesses, empty if they are those of the GBCS document."""

    @property
    def windowed(self) -> bool:
        """Whether the command takes a window."""
        return any(item.windowed for access in self.accesses for item in access.attributes)

    @property
    def protected(self) -> bool:
        """Whether the response encrypts its values."""
        return any(access.protection is not None for access in self.accesses)


_HEADER = ("srv", "use_case", "message_code", "meters", "carries_time", "time_source", "vector")
_TIME_SOURCES = {"vector": False, "inferred": True}


def _attribute(
    use_case: str, class_id: str, obis: str, index: str, window: str, protection: str
) -> tuple[str, bytes | None, ReadAttribute]:
    attribute = ReadAttribute(int(class_id), parse_dotted(obis), int(index), flag(window))
    return use_case, parse_dotted(protection) if protection else None, attribute


def _accesses() -> dict[str, tuple[ReadAccess, ...]]:
    """Return the accesses of each use case: one for each run of protected attributes."""
    header = ("use_case", "class_id", "obis", "index", "window", "protection")
    found: dict[str, tuple[ReadAccess, ...]] = {}
    for use_case, protection, attribute in read_table("reading_accesses.csv", header, _attribute):
        accesses = found.get(use_case, ())
        if protection is not None and accesses and accesses[-1].protection == protection:
            together = (*accesses[-1].attributes, attribute)
            found[use_case] = (*accesses[:-1], ReadAccess(together, protection))
        else:
            found[use_case] = (*accesses, ReadAccess((attribute,), protection))
    return found


_ACCESSES = _accesses()


def _service(
    srv: str, use_case: str, code: str, meters: str, time: str, time_source: str, vector: str
) -> ReadingService:
    return ReadingService(
        srv,
        use_case,
        int(code, 16),
        _ACCESSES[use_case],
        tuple(meters.split()),
        flag(time),
        _TIME_SOURCES[time_source],
        vector,
    )


READING_SERVICES = read_table("reading_services.csv", _HEADER, _service)

BY_CODE = {service.message_code: service for service in READING_SERVICES}
BY_USE_CASE = {service.use_case: service for service in READING_SERVICES}


def service_of(srv: str, meter: str = SINGLE) -> ReadingService:
    """Return the service of this SRV for this kind of meter: single, twin or polyphase.

    >>> service_of("4.10", POLYPHASE).use_case
    'ECS23b'

    Raises `ValueError` if that kind of meter lacks the service.
    """
    for service in READING_SERVICES:
        if service.srv == srv and meter in service.meters:
            return service
    raise ValueError(f"a {meter} meter has no reading service {srv}")


SCALER_UNIT = "scaler_unit"
"""Ending of the name of a part that is scaler and unit of the one before it."""

FIELDS: dict[tuple[int, bytes, int], tuple[str, ...]] = {
    (1, parse_dotted("0.0.94.44.34.10"), 2): (
        "import",
        f"import_{SCALER_UNIT}",
        "reactive_import",
        f"reactive_import_{SCALER_UNIT}",
        "secondary_import",
    ),
    (1, parse_dotted("0.0.94.44.34.1"), 2): ("tou", "secondary_tou"),
    (1, parse_dotted("0.0.94.44.34.2"), 2): ("blocks",),
    (1, parse_dotted("0.0.94.44.34.20"), 2): ("import", f"import_{SCALER_UNIT}", "primary"),
    (1, parse_dotted("0.0.94.44.34.30"), 2): (
        "meter_balance",
        "emergency_credit_balance",
        "accumulated_debt",
        "time_debt_1",
        "time_debt_2",
        "payment_debt",
    ),
}
"""The parts of an attribute that is a structure of several registers, by class, OBIS and attribute.

Only a twin element meter has the secondary ones, which come last. Energies are in Wh or varh,
powers in W, balances and debts in 10⁻⁵ pounds or euros. `tou` is an array of 48 registers,
`secondary_tou` of 4, and `blocks` of 64: for each of four blocks eight registers and then eight
counters.
"""

_WH, _WATTS = (0, "Wh"), (0, "W")

FIELD_UNITS: dict[tuple[int, bytes, int], dict[str, tuple[int, str | None]]] = {
    (1, parse_dotted("0.0.94.44.34.10"), 2): {"secondary_import": _WH},
    (1, parse_dotted("0.0.94.44.34.1"), 2): {"tou": _WH, "secondary_tou": _WH},
    (1, parse_dotted("0.0.94.44.34.20"), 2): {"primary": _WATTS},
    (1, parse_dotted("0.0.94.44.34.30"), 2): dict.fromkeys(BALANCES, MONEY),
}
"""Scale, as a power of ten, and symbol of the unit of parts of `FIELDS` without a `scaler_unit`.

`blocks` is left out: half of its numbers are registers in Wh, and half are counters.
"""
