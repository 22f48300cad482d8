"""The service reference variants (SRVs) of DUIS: their elements, variants and kinds of body.

Sources: see services.csv.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from gbcs.tables.roles import Role, entitled
from gbcs.tables.table import flag, read_table


class BodyKind(StrEnum):
    """What the body of a request holds."""

    NOW = "now"
    DATED = "dated"
    LOG = "log"
    PRIVATE_LOG = "private-log"
    PAYMENT_MODE = "payment-mode"
    CREATE_SCHEDULE = "create-schedule"
    READ_SCHEDULE = "read-schedule"
    DELETE_SCHEDULE = "delete-schedule"
    READ_INVENTORY = "read-inventory"
    OTHER = "other"
    """Known by name only."""

    @property
    def reads(self) -> bool:
        """Whether the request reads a meter."""
        return self in _READS


_READS = (BodyKind.NOW, BodyKind.DATED, BodyKind.LOG, BodyKind.PRIVATE_LOG)


@dataclass(frozen=True, slots=True)
class DuisService:
    """One SRV."""

    srv: str
    variants: tuple[int, ...]
    """Command variants: 1 to 8."""
    body: BodyKind
    element: str
    """Element in the body; empty if the gateway knows the SRV by name only."""
    acb: bool
    """Whether the command goes through the Access Control Broker whoever sends it."""
    scheduled: bool
    """Whether the DCC may send it by schedule (5.1)."""
    roles: frozenset[Role]
    """User roles that may send it."""

    @property
    def reference(self) -> str:
        """The service reference: the first two numbers of the SRV."""
        return ".".join(self.srv.split(".")[:2])

    @property
    def title(self) -> str:
        """The element in words, such as `Read Active Import Profile Data`; may be empty."""
        return " ".join(_WORD.findall(self.element))

    @property
    def critical(self) -> bool:
        """Whether the user signs the GBCS command."""
        return _TRANSFORM in self.variants

    @property
    def logged(self) -> bool:
        """Whether the request has a period."""
        return self.body in (BodyKind.LOG, BodyKind.PRIVATE_LOG)


_TRANSFORM = 4
_WORD = re.compile("CoM|[A-Z]+(?![a-z])|[A-Z][a-z]+")
"""A word of an element. `CoM` is a change of mode."""


def _service(
    srv: str, variants: str, body: str, element: str, acb: str, scheduled: str, roles: str
) -> DuisService:
    return DuisService(
        srv,
        tuple(map(int, variants.split())),
        BodyKind(body),
        element,
        flag(acb),
        flag(scheduled),
        frozenset(map(Role, roles.split())) or entitled(srv),
    )


_HEADER = ("srv", "variants", "body", "element", "acb", "scheduled", "roles")

SERVICES = {row.srv: row for row in read_table("services.csv", _HEADER, _service, __file__)}
"""Every SRV of DUIS by its name."""
BY_ELEMENT = {row.element: row for row in SERVICES.values() if row.element}
"""The SRVs whose bodies the gateway reads, by the element."""
SCHEDULED = {f"DSP{row.element}": row for row in SERVICES.values() if row.scheduled}
"""The SRVs that the DCC may schedule, by the element in CreateSchedule."""
REFERENCES = frozenset(row.reference for row in SERVICES.values())


def titled(srv: str) -> str:
    """Return an SRV and its title, such as `4.8.1 Read Active Import Profile Data`.

    An SRV without a title, and anything else, is returned as it is.
    """
    service = SERVICES.get(srv)
    return f"{srv} {service.title}".rstrip() if service else srv
