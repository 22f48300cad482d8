"""The decisions of the DSP (Data Service Provider) on a request, in their order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from esme_emulator.cache.registry.registry import Registry
from esme_emulator.gateway.documents import Code, Endpoint, Request
from esme_emulator.gateway.signature import Signer
from esme_emulator.gateway.xsd import Xsd
from gbcs import EUI

Meters: TypeAlias = Callable[[EUI], str | None]
"""Returns the kind of a meter (single, twin or polyphase), None if there is no such meter."""


class Distrust(StrEnum):
    """Why a document cannot be trusted. It gets HTTP 400 and is counted."""

    TOO_LONG = "too-long"
    NOT_XML = "not-xml"
    """Not well-formed, or with a document type, comments, processing instructions."""
    SCHEMA = "schema"
    SIGNATURE = "signature"
    REUSED_ID = "reused-id"
    """Another request had this RequestID and command variant."""


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Not a signed request: answer HTTP 400 with `detail` as text, without a Response."""

    reason: Distrust
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused: answer HTTP 200 with a Response of `code`."""

    request: Request
    code: Code
    detail: str
    """For logs; a Response has no place for it."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same request again: answer as the first time, and do nothing else."""

    request: Request


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request to carry out: acknowledge it with I99 first if it is for a device."""

    request: Request
    kind: str | None
    """Kind of the meter: single, twin or polyphase; None if the request is not for a meter."""


Verdict: TypeAlias = Untrusted | Refused | Repeated | Admitted


class Checks:
    """Decides on requests. Counts nothing: publish the verdicts."""

    def __init__(
        self,
        signers: Mapping[int, Signer],
        registry: Registry,
        meters: Meters,
        xsd: Xsd | None = None,
    ) -> None:
        raise NotImplementedError

    def judge(self, endpoint: Endpoint, octets: bytes, now: float) -> Verdict:
        """Return the decision on a document received at `endpoint` at `now`, Unix time.

        The order: well-formed, DCC's schema if given, signature, our schema, repeated, signer is
        the originator, URL, role, device, registration for device and dates, service fits device.
        """
        raise NotImplementedError
