"""Where servers listen: on loopback, or on an address that other machines reach."""

import ipaddress
from dataclasses import dataclass, field

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine in the host part of a URL."""

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listen:
    """The address that servers listen on, and the token for the control interface."""

    host: str = HOST
    token: str | None = field(default=None, repr=False)
    """Every request needs this token, if it is set. Never logged."""


LOCAL = Listen()
"""Loopback, and no token."""


def is_loopback(host: str) -> bool:
    """Return whether `host`, an address or a name, is the loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK


def reachable(host: str) -> str:
    """Return an address at which this machine itself reaches a server on `host`."""
    return {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104


def bracketed(host: str) -> str:
    """Return `host` as a URL has it: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host
