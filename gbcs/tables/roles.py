"""User roles: the roles that may send each read of a meter.

Knows the roles of DUIS and the service reference variants they are entitled to. Knows nothing of
registration: a supplier is entitled only to the dates of its own registration, and the caller must
check these (DUIS response code E4).

Source: DUIS, eligible user roles of the service reference variants of service 4, from the request
matrix that DCC publishes in duis-parser.
"""

from enum import StrEnum


class Role(StrEnum):
    """A user role of DUIS, by its short name."""

    IS = "IS"
    ES = "ES"
    ED = "ED"
    GT = "GT"
    GS = "GS"
    OU = "OU"

    @property
    def full_name(self) -> str:
        """The name in words, such as `import supplier`."""
        return _FULL_NAMES[self]


_FULL_NAMES = {
    Role.IS: "import supplier",
    Role.ES: "export supplier",
    Role.ED: "electricity distributor",
    Role.GT: "gas transporter",
    Role.GS: "gas supplier",
    Role.OU: "other user",
}


def entitled(srv: str) -> frozenset[Role]:
    """Return the roles that may send service reference variant `srv`, such as 4.8.1.

    Empty for a variant that the table lacks: no role is known to be entitled.
    """
    return ENTITLEMENTS.get(srv, frozenset())


def _roles(names: str) -> frozenset[Role]:
    return frozenset(Role(name) for name in names.split())


ENTITLEMENTS = {
    "4.1.1": _roles("IS GS ED GT"),
    "4.1.2": _roles("IS GS ED GT"),
    "4.1.3": _roles("IS ED"),
    "4.1.4": _roles("GS"),
    "4.2": _roles("ES ED"),
    "4.3": _roles("IS GS"),
    "4.4.2": _roles("IS GS"),
    "4.4.3": _roles("IS GS"),
    "4.4.4": _roles("IS GS"),
    "4.4.5": _roles("IS GS"),
    "4.6.1": _roles("IS GS"),
    "4.6.2": _roles("ES"),
    "4.8.1": _roles("IS GS ED GT OU"),
    "4.8.2": _roles("IS ED OU"),
    "4.8.3": _roles("ES ED OU"),
    "4.10": _roles("IS GS ED GT"),
    "4.11.1": _roles("IS GS OU"),
    "4.11.2": _roles("IS OU"),
    "4.12.1": _roles("IS ED"),
    "4.12.2": _roles("ES ED"),
    "4.13": _roles("IS GS"),
    "4.14": _roles("IS GS"),
    "4.15": _roles("IS ED"),
    "4.16": _roles("IS ED"),
    "4.17": _roles("IS GS ED GT OU"),
    "4.18": _roles("IS GS"),
}
"""Roles by service reference variant."""
