"""Use cases: the meaning of every message code of GBCS v4.1.

Knows code, name, title, service references, message type and content of each use case. All
look-ups are derived from one table. Knows nothing of octets.

Sources: see use_cases.csv.
"""

from dataclasses import dataclass
from enum import StrEnum

from gbcs.tables.table import read_table


class PayloadFormat(StrEnum):
    """Encoding of the content of a message. Source: GBCS v4.1 section 7.2."""

    DLMS = "dlms"
    ASN1 = "asn1"
    GBZ = "gbz"


class MessageType(StrEnum):
    """Sender and protection of a message. Source: GBCS v4.1 section 7.2, Mapping Table."""

    CRITICAL_COMMAND = "SME.C.C"
    NON_CRITICAL_COMMAND = "SME.C.NC"
    CRITICAL_ALERT = "SME.A.C"
    NON_CRITICAL_ALERT = "SME.A.NC"
    HAN_COMMAND = "SME.C.PPMID-GSME"
    VARIANT = "variant"
    """Signed or not, depending on the sender."""
    ZSE = "ZSE"
    """A ZigBee command inside the home: its code appears in event logs, never in a message."""
    UNKNOWN_ALERT = "SME.A"
    """An alert; no vector or public document says whether it is signed."""


class Source(StrEnum):
    """Source of a row of the table; use_cases.csv explains them."""

    VECTOR = "vector"
    PUBLIC = "public"
    INFERRED = "inferred"


_CRITICAL = {
    MessageType.CRITICAL_COMMAND: True,
    MessageType.CRITICAL_ALERT: True,
    MessageType.NON_CRITICAL_COMMAND: False,
    MessageType.NON_CRITICAL_ALERT: False,
    MessageType.HAN_COMMAND: False,
}


@dataclass(frozen=True, slots=True)
class UseCase:
    """One message code and its meaning.

    `srvs` are the DUIS service references that lead to it; alerts and HAN-only messages have none.
    `payloads` are the formats of its content: one; all for the generic alerts, which have the
    device's own format; none for ZSE commands.
    """

    code: int
    name: str
    title: str
    srvs: tuple[str, ...]
    type: MessageType
    payloads: tuple[PayloadFormat, ...]
    source: Source

    @property
    def payload(self) -> PayloadFormat | None:
        """The format of its content, None unless it has exactly one."""
        return self.payloads[0] if len(self.payloads) == 1 else None

    @property
    def critical(self) -> bool | None:
        """Whether the originator signs command, response or alert; None if that varies."""
        return _CRITICAL.get(self.type)

    @property
    def alert(self) -> bool:
        """Whether it is an alert, which a device sends without a command."""
        return self.type.startswith("SME.A")


def use_case(code: int) -> UseCase | None:
    """Return the use case of message code `code`, None if the table lacks it."""
    return _BY_CODE.get(code)


def by_name(name: str) -> UseCase | None:
    """Return the use case called `name`, in any case, None if the table lacks it.

    Ignores an ending that names a scenario of the use case in the RTDS.

    >>> by_name("ECS47Activate").name
    'ECS47'
    """
    key = name.casefold()
    if key in _BY_NAME:
        return _BY_NAME[key]
    for ending in _SCENARIOS:
        if key.endswith(ending) and (found := _BY_NAME.get(key.removesuffix(ending))):
            return found
    return None


def for_srv(srv: str) -> tuple[UseCase, ...]:
    """Return the use cases to which a service reference variant, such as 4.8.1, leads."""
    return _BY_SRV.get(srv, ())


_SCENARIOS = (
    "noncritical",
    "critical",
    "mac",
    "signature",
    "commission",
    "handover",
    "activate",
    "deactivate",
    "reset",
    "add",
    "remove",
    "-dlms",
    "-asn1",
    "-gbz",
    "-zigbee",
)


def _use_case(
    code: str, kind: str, content: str, source: str, srvs: str, name: str, title: str
) -> UseCase:
    return UseCase(
        int(code, 16),
        name,
        title,
        tuple(srvs.split()),
        MessageType(kind),
        tuple(map(PayloadFormat, content.split())),
        Source(source),
    )


USE_CASES = read_table(
    "use_cases.csv", ("code", "type", "content", "source", "srvs", "name", "title"), _use_case
)
"""Every use case that has a message code, in the order of the codes."""

CRITICAL = {row.code: row.critical for row in USE_CASES}
"""By message code: whether the originator signs the message, None if that varies."""

_BY_CODE = {row.code: row for row in USE_CASES}
_BY_NAME = {row.name.casefold(): row for row in USE_CASES}
_BY_SRV = {
    srv: tuple(row for row in USE_CASES if srv in row.srvs)
    for srv in sorted({srv for row in USE_CASES for srv in row.srvs})
}

_DATED = (
    *("CS01a", "ECS01a", "ECS01b", "ECS01c", "ECS01d", "ECS02", "ECS03"),
    *("ECS08", "ECS08a", "ECS28a", "ECS46c", "ECS46d"),
)

DATED_RESPONSES = frozenset(found.code for name in _DATED if (found := by_name(name)))
"""Message codes of commands to an ESME whose responses carry the time of the answer.

Reading services have their own column in reading_services.csv. Decoding needs neither, since the
header shows whether the time is present. The commands may be future dated, except the top up
(CS01a), which is not critical either. Source: the responses of DCC's RTDS 4.5.0.
"""
