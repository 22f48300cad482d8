"""The reading services of an ESME: what the command of each service request from 4.1 to 4.18 asks.

Data alone: for each use case the accesses of its command in their order, which of them take a
window and which go through a data protection object, the meters that have it, and whether its
responses carry the meter's time. What logs hold is in `gbcs.tables.profile_logs`.

Sources. Accesses: the commands of DCC's RTDS 4.5.0 for use cases that name a vector; for the others
the DLMS COSEM content of the GBCS v3.1 use cases, as rendered in HenryGiraldo/gbcs-parser-js. That
lists fields in the order of their accesses, which holds for every use case that has a vector too.
Fields of collections: the same document. Time: the vectors of responses. If none was at hand, it
follows those of the same kind, registers that are read as they stand, and is marked inferred; gas
meters say the time in theirs too (GCS13a, GCS13b, GCS13c and GCS14, SRVs 4.1 and 4.3).
"""

from dataclasses import dataclass

from gbcs.obis import parse_dotted

GET, RANGE, THROUGH = "get", "range", "through"
SINGLE, TWIN, POLYPHASE = "single", "twin", "polyphase"


@dataclass(frozen=True, slots=True)
class ReadAttribute:
    """An attribute that a service reads."""

    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    index: int
    windowed: bool
    """Whether entries from a time to a time are asked for, rather than the whole of it."""


@dataclass(frozen=True, slots=True)
class ReadAccess:
    """One access of a command, and so one result of its response."""

    attributes: tuple[ReadAttribute, ...]
    """One, or several where the access goes through a data protection object."""
    protection: bytes | None = None
    """OBIS of the data protection object (class 30) it goes through, None where in clear."""


@dataclass(frozen=True, slots=True)
class ReadingService:
    """What one use case reads."""

    srv: str
    use_case: str
    message_code: int
    accesses: tuple[ReadAccess, ...]
    meters: tuple[str, ...]
    """The kinds of meter that have it: single, twin (element) and polyphase."""
    carries_time: bool
    """Whether responses, errors too, carry the meter's time as a date-time of 12 octets."""
    time_inferred: bool
    """Whether `carries_time` is a conclusion of ours rather than seen in a vector."""
    vector: str
    """A command with these accesses, empty where they are those of the GBCS document."""

    @property
    def windowed(self) -> bool:
        """Whether the command takes a window."""
        return any(item.windowed for access in self.accesses for item in access.attributes)

    @property
    def protected(self) -> bool:
        """Whether the response encrypts what it says."""
        return any(access.protection is not None for access in self.accesses)


# A service opens with =, its SRV, use case, message code, time (yes, no; with a star where
# inferred), the meters that have it (all, or one kind) and its vector, if any. Columns of an
# access: how (get, range, or through a data protection object); class; OBIS code; attribute. The
# attributes read through an object follow it, with `whole` or `from-to`.
_SERVICES = """
= 4.1.1 ECS17b 0027 yes all ECS17b_4.1.1_SINGLE_SUCCESS_COMMAND
through 30   0.0.43.2.8.255
whole   1    0.0.94.44.34.10  2
= 4.1.2 ECS17d 0029 yes all ECS17d_4.1.2_ERROR_COMMAND
through 30   0.0.43.2.9.255
whole   1    0.0.94.44.34.1   2
= 4.1.3 ECS17e 002A yes* all
through 30   0.0.43.2.10.255
whole   1    0.0.94.44.34.2   2
= 4.2 ECS17a 0026 yes* all
get     3    1.0.2.8.0.255    2
get     3    1.0.2.8.0.255    3
get     3    1.0.4.8.0.255    2
get     3    1.0.4.8.0.255    3
= 4.3 ECS19 002D yes all ECS19_4.3_ERROR_COMMAND
through 30   0.0.43.2.1.255
whole   1    0.0.94.44.34.30  2
= 4.4.2 ECS20b 002F no all ECS20b_4.4.2_TWIN_SUCCESS_COMMAND
through 30   0.0.43.2.3.255
from-to 7    0.0.98.1.2.255   2
= 4.4.3 ECS20c 0030 no* all
through 30   0.0.43.2.2.255
from-to 7    0.0.98.1.0.255   2
from-to 7    0.0.98.1.1.255   2
= 4.4.4 ECS20a 002E no all ECS20a_4.4.4_SUCCESS_COMMAND
range   7    0.0.98.1.4.255   2
= 4.4.5 ECS20d 00C9 no all ECS20d_4.4.5_SUCCESS_COMMAND
range   7    0.0.98.1.5.255   2
= 4.6.1 ECS21a 0033 no all ECS21a_4.6.1_SINGLE_SUCCESS_COMMAND
through 30   0.0.43.2.5.255
from-to 7    0.0.98.1.9.255   2
= 4.6.2 ECS21c 0035 no all ECS21c_4.6.2_SUCCESS_COMMAND
range   7    0.0.98.1.10.255  2
= 4.8.1 ECS22b 0037 no all ECS22b_4.8.1_SINGLE_SUCCESS_COMMAND
through 30   0.0.43.2.7.255
from-to 7    0.0.99.1.0.255   2
= 4.8.2 ECS22c 0038 no all ECS22c_4.8.2_SUCCESS_COMMAND
range   7    0.0.99.1.2.255   2
= 4.8.3 ECS22a 0036 no all ECS22a_4.8.3_SUCCESS_COMMAND
range   7    0.0.99.1.1.255   2
= 4.10 ECS23 0039 yes single,twin ECS23_4.10_SUCCESS_COMMAND
get     3    1.0.32.32.0.4    2
get     3    1.0.32.32.0.4    3
get     3    1.0.32.36.0.4    2
get     3    1.0.32.36.0.4    3
range   7    1.0.32.24.0.255  2
get     7    1.0.32.24.0.255  4
= 4.10 ECS23b 00BC yes* polyphase
get     3    1.0.32.32.0.4    2
get     3    1.0.32.32.0.4    3
get     3    1.0.32.36.0.4    2
get     3    1.0.32.36.0.4    3
range   7    1.0.32.24.0.255  2
get     7    1.0.32.24.0.255  4
get     3    1.0.52.32.0.4    2
get     3    1.0.52.32.0.4    3
get     3    1.0.52.36.0.4    2
get     3    1.0.52.36.0.4    3
range   7    1.0.52.24.0.255  2
get     7    1.0.52.24.0.255  4
get     3    1.0.72.32.0.4    2
get     3    1.0.72.32.0.4    3
get     3    1.0.72.36.0.4    2
get     3    1.0.72.36.0.4    3
range   7    1.0.72.24.0.255  2
get     7    1.0.72.24.0.255  4
= 4.11.1 ECS24 003A no* all
get     3    0.0.94.44.1.7    2
get     3    0.0.94.44.1.7    3
get     20   0.0.13.0.0.255   3
get     20   0.0.13.0.0.255   4
get     20   0.0.13.0.0.255   5
get     11   0.0.11.0.0.255   2
get     21   0.0.16.0.11.255  2
get     21   0.0.16.0.12.255  2
get     21   0.0.16.0.13.255  2
get     21   0.0.16.0.14.255  2
get     21   0.0.16.0.15.255  2
get     21   0.0.16.0.16.255  2
get     21   0.0.16.0.17.255  2
get     21   0.0.16.0.18.255  2
get     9000 0.0.94.44.2.0    2
get     113  0.0.19.20.4.255  5
get     113  0.0.19.20.0.255  5
= 4.11.2 ECS24b 00BD no twin ECS24b_4.11.2_SUCCESS_COMMAND
get     113  0.0.19.20.5.255  5
get     3    0.0.94.44.1.8    2
get     3    0.0.94.44.1.8    3
get     11   0.0.11.0.1.255   2
get     20   0.0.13.0.1.255   3
get     20   0.0.13.0.1.255   4
get     20   0.0.13.0.1.255   5
= 4.12.1 ECS18b 002C yes* all
get     1    0.0.94.44.5.0    2
get     1    0.0.94.44.5.1    2
get     4    1.0.1.6.0.255    2
get     4    1.0.1.6.0.255    3
get     4    1.0.1.6.0.255    5
get     4    1.0.1.6.1.255    2
get     4    1.0.1.6.1.255    3
get     4    1.0.1.6.1.255    5
get     10   0.0.12.0.0.255   2
= 4.12.2 ECS18a 002B yes* all
get     1    0.0.94.44.5.2    2
get     4    1.0.2.6.0.255    2
get     4    1.0.2.6.0.255    3
get     4    1.0.2.6.0.255    5
= 4.13 ECS26a 003B no all ECS26a_4.13_SINGLE_SUCCESS_COMMAND
get     113  0.0.19.20.1.255  5
get     11   0.0.11.0.2.255   2
get     113  0.0.19.20.1.255  8
get     113  0.0.19.20.1.255  5
get     113  0.0.19.20.2.255  5
get     113  0.0.19.20.2.255  8
get     113  0.0.19.20.2.255  5
get     113  0.0.19.20.3.255  13
get     9000 0.0.94.44.2.10   2
get     21   0.0.16.0.1.255   2
get     9000 0.0.94.44.2.20   2
get     111  0.0.19.0.0.255   16
get     111  0.0.19.0.0.255   18
get     111  0.0.19.0.0.255   19
get     112  0.0.19.10.1.255  9
get     112  0.0.19.10.1.255  10
get     10   0.0.12.0.1.255   2
get     111  0.0.19.0.0.255   11
= 4.14 ECS21b 0034 no all ECS21b_4.14_URP_SUCCESS_COMMAND
through 30   0.0.43.2.6.255
from-to 7    0.0.98.1.8.255   2
= 4.15 ECS27 0042 no all ECS27_4.15_ERROR_COMMAND
get     9000 0.0.94.44.0.3    2
get     3    0.0.94.44.42.255 2
get     3    0.0.94.44.42.255 3
get     71   0.0.17.0.0.255   4
get     71   0.0.17.0.0.255   6
get     71   0.0.17.0.0.255   7
= 4.16 ECS17c 0028 yes all ECS17c_4.16_SUCCESS_COMMAND
get     1    0.0.94.44.34.20  2
= 4.17 ECS66 0060 no* all
through 30   0.0.43.2.4.255
from-to 7    0.0.99.1.3.255   2
= 4.18 ECS82 0069 no all ECS82_4.18_SUCCESS_COMMAND
get     112  0.0.19.10.0.255  2
"""

_EVERY = (SINGLE, TWIN, POLYPHASE)


def _access(row: str) -> ReadAccess:
    how, class_id, obis, index = row.split()
    attribute = ReadAttribute(int(class_id), parse_dotted(obis), int(index), how == RANGE)
    return ReadAccess((attribute,))


def _through(head: str, rows: list[str]) -> ReadAccess:
    attributes = []
    for row in rows:
        how, class_id, obis, index = row.split()
        attributes.append(
            ReadAttribute(int(class_id), parse_dotted(obis), int(index), how == "from-to")
        )
    return ReadAccess(tuple(attributes), parse_dotted(head.split()[2]))


def _service(text: str) -> ReadingService:
    head, *rows = text.strip().splitlines()
    srv, use_case, code, time, meters, *vector = head.split()
    if rows[0].startswith(THROUGH):
        accesses = [_through(rows[0], rows[1:])]
    else:
        accesses = [_access(row) for row in rows]
    return ReadingService(
        srv,
        use_case,
        int(code, 16),
        tuple(accesses),
        _EVERY if meters == "all" else tuple(meters.split(",")),
        time.startswith("yes"),
        time.endswith("*"),
        "".join(vector),
    )


READING_SERVICES = tuple(_service(text) for text in _SERVICES.split("=")[1:])

BY_CODE = {service.message_code: service for service in READING_SERVICES}
BY_USE_CASE = {service.use_case: service for service in READING_SERVICES}


def service_of(srv: str, meter: str = SINGLE) -> ReadingService:
    """Return the service of this SRV for this kind of meter: single, twin or polyphase.

    >>> service_of("4.10", POLYPHASE).use_case
    'ECS23b'

    Raises `ValueError` where that kind of meter has no such service.
    """
    for service in READING_SERVICES:
        if service.srv == srv and meter in service.meters:
            return service
    raise ValueError(f"a {meter} meter has no reading service {srv}")


_SCALER_UNIT = "scaler_unit"

FIELDS: dict[tuple[int, bytes, int], tuple[str, ...]] = {
    (1, parse_dotted("0.0.94.44.34.10"), 2): (
        "import",
        f"import_{_SCALER_UNIT}",
        "reactive_import",
        f"reactive_import_{_SCALER_UNIT}",
        "secondary_import",
    ),
    (1, parse_dotted("0.0.94.44.34.1"), 2): ("tou", "secondary_tou"),
    (1, parse_dotted("0.0.94.44.34.2"), 2): ("blocks",),
    (1, parse_dotted("0.0.94.44.34.20"), 2): ("import", f"import_{_SCALER_UNIT}", "primary"),
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

The secondary ones, which come last, are there on a twin element meter alone. Energies in Wh or
varh, powers in W. `tou` is an array of 48 registers and `secondary_tou` one of 4; `blocks` is one
of 64: for each of four blocks eight registers and then eight counters. Balances and debts are in
10⁻⁵ pounds or euros.
"""
