"""The decisions of the DSP (Data Service Provider) on a request, in their order.

What cannot be trusted, because it is no valid and signed request, gets no response code: nothing
in it says whom to answer. Every other refusal has a response code whose meaning is published.

Sources: DUIS (SEC Appendix AD); the codes and their meanings are in `documents.Code`. Which code
the DSP gives for what is our conclusion; docs/duis.md says when each is used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TypeAlias

from lxml import etree

from esme_emulator.cache.registry.registry import Reason, Registry
from esme_emulator.gateway.commands import CommandError, pre_command, signed_command
from esme_emulator.gateway.documents import (
    DSP,
    ENDPOINT_OF,
    Code,
    CreateSchedule,
    Endpoint,
    Read,
    ReadInventory,
    Request,
    SignedPreCommand,
    Unsupported,
    UpdatePaymentMode,
)
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.requests import DocumentError, Element, parse_xml, read_request
from esme_emulator.gateway.schedules import due, first_run, run_window
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.signature import SignatureError, Signer, verify
from gbcs import EUI, KeystoreError, KeyUsage
from gbcs.crypto.certificate import point, read_certificate
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.reading_services import service_of
from gbcs.usecases.read_request import Window

Meters: TypeAlias = Callable[[EUI], str | None]
"""Returns the kind of a meter (single, twin or polyphase), None if there is no such meter."""

Validate: TypeAlias = Callable[[Element], str]
"""Returns what is wrong with a document by DCC's own schema, empty if it is valid."""

MAX_REMEMBERED = 65_536
"""Admitted requests whose RequestIDs are remembered; the oldest is forgotten first."""

_LOCAL_VARIANTS = (2, 3, 6, 7)
_DCC_ONLY = 8
_TRANSFORM, _SIGNED = 4, (5, 6, 7)


class Distrust(StrEnum):
    """Why a document cannot be trusted. It gets HTTP 400 and is counted."""

    NOT_XML = "not-xml"
    """Too long, not well-formed, or with a document type, comments, processing instructions."""
    SCHEMA = "schema"
    SIGNATURE = "signature"
    CONTENT = "content"
    """The certificate or the signed pre-command in the request does not belong to it."""
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
    """An admitted request again: answer as the first time, and do nothing else."""

    request: Request


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request to carry out: acknowledge it with I99 first if it is for a device."""

    request: Request
    kind: str | None
    """Kind of the meter: single, twin or polyphase; None if the request is not for a meter."""
    digest: bytes = field(default=b"", compare=False)
    """SHA-256 of the signed content: what tells a repetition from another request."""


def identity_of(request: Request) -> bytes:
    """Return what a request is known by: its RequestID and command variant, in 25 octets.

    A critical request has one RequestID for variants 4 and 5.
    """
    one = request.id
    counter = one.counter.to_bytes(8, "big")
    return bytes(one.originator) + bytes(one.target) + counter + bytes([request.variant])


Verdict: TypeAlias = Untrusted | Refused | Repeated | Admitted


class _RefusedError(Exception):
    """Carries a response code out of the checks."""

    def __init__(self, code: Code, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class Checks:
    """Decides on requests. Remembers RequestIDs; counts nothing: publish the verdicts.

    `validate` is DCC's own schema, if the user has it.
    """

    def __init__(
        self,
        keys: DuisKeys,
        registry: Registry,
        meters: Meters,
        validate: Validate | None = None,
    ) -> None:
        self._keys = keys
        self._registry = registry
        self._meters = meters
        self._validate = validate
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()

    def recall(self, seen: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember admitted requests of an earlier process: identities and digests, in order."""
        for identity, digest in seen:
            self._remember(identity, digest)

    def forget(self, request: Request) -> None:
        """Forget an admitted request that could not be carried out, so that it may come again."""
        self._seen.pop(identity_of(request), None)

    def judge(self, endpoint: Endpoint, octets: bytes, now: float) -> Verdict:
        """Return the decision on a document received at `endpoint` at `now`, Unix time.

        The order: well-formed, DCC's schema if given, signature, our schema, signer is the
        originator, contents belong to the request, repeated, role, registration for device and
        dates, device, URL and variant, service fits the device.
        """
        try:
            root = parse_xml(octets)
        except DocumentError as error:
            return Untrusted(Distrust.NOT_XML, str(error))
        mistake = self._validate(root) if self._validate else ""
        if mistake:
            return Untrusted(Distrust.SCHEMA, mistake)
        try:
            # From here on only the signed tree is read: what else a document holds may be anyone's.
            signed, signer = verify(root, self._keys.signers)
        except SignatureError as error:
            return Untrusted(Distrust.SIGNATURE, str(error))
        try:
            request = read_request(signed)
        except DocumentError as error:
            return Untrusted(Distrust.SCHEMA, str(error))
        return self._judge_signed(endpoint, request, signed, signer, now)

    def _judge_signed(
        self, endpoint: Endpoint, request: Request, signed: Element, signer: Signer, now: float
    ) -> Verdict:
        if signer.eui != request.id.originator:
            detail = f"signed by {signer.eui}, not by its originator {request.id.originator}"
            return Refused(request, Code.UNKNOWN_USER, detail)
        mistake = self._credentials_mistake(request) or _pre_command_mistake(request)
        if mistake:
            return Untrusted(Distrust.CONTENT, mistake)
        identity = identity_of(request)
        digest = sha256(etree.tostring(signed, method="c14n")).digest()
        if identity in self._seen:
            if self._seen[identity] == digest:
                return Repeated(request)
            return Untrusted(Distrust.REUSED_ID, f"another request had RequestID {request.id}")
        try:
            self._check_user(request, now)
            kind = self._check_device(request)
            _check_variant(endpoint, request)
            _check_fit(request, kind)
        except _RefusedError as error:
            return Refused(request, error.code, str(error))
        self._remember(identity, digest)
        return Admitted(request, kind, digest)

    def _remember(self, identity: bytes, digest: bytes) -> None:
        """Remember an admitted request, so that it is carried out once."""
        self._seen[identity] = digest
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)

    def _credentials_mistake(self, request: Request) -> str:
        """Return what is wrong with the certificate in a request, empty if nothing is."""
        body = request.body
        if not isinstance(body, Read | CreateSchedule) or not body.credentials:
            return ""
        user = request.id.originator
        try:
            certificate = read_certificate(body.credentials)
        except KeystoreError as error:
            return f"KAPublicSecurityCredentials: {error}"
        if certificate.eui != user:
            return f"KAPublicSecurityCredentials: a certificate of {certificate.eui}, not of {user}"
        held = self._keys.keystore.public_key(user, KeyUsage.KEY_AGREEMENT)
        if held is not None and point(held) != certificate.point:
            return f"KAPublicSecurityCredentials: not the known key of {user}"
        return ""

    def _check_user(self, request: Request, now: float) -> None:
        """Check role and registration."""
        user, body = request.id.originator, request.body
        if not self._registry.knows(user):
            raise _RefusedError(Code.UNKNOWN_USER, f"{user} is not a user of the registry")
        if not self._registry.roles(user) & SERVICES[request.srv].roles:
            raise _RefusedError(Code.ROLE, f"no role of {user} may send SRV {request.srv}")
        if isinstance(body, CreateSchedule):
            day = first_run(body, now) or body.start
            window, at = run_window(body, day), max(now, due(body, day))
            self._check_registration(user, body.device, body.srv, window, at)
        elif request.id.target != DSP:
            window = body.window if isinstance(body, Read) else None
            at = now if request.execution is None else max(now, request.execution + EPOCH_UNIX)
            self._check_registration(user, request.id.target, request.srv, window, at)

    def _check_registration(
        self, user: EUI, device: EUI, srv: str, window: Window | None, at: float
    ) -> None:
        reason = self._registry.check(user, device, srv, window, at)
        if reason is not None:
            dates = f" from {window}" if window else ""
            detail = f"{reason}: {user} may not send SRV {srv} to {device}{dates}"
            raise _RefusedError(_CODES[reason], detail)

    def _check_device(self, request: Request) -> str | None:
        """Check that the target exists; return the kind of meter, None for the DSP."""
        body, target = request.body, request.id.target
        for_dcc = _DCC_ONLY in SERVICES[request.srv].variants
        if for_dcc != (target == DSP):
            needs = "the DSP" if for_dcc else "a device"
            raise _RefusedError(Code.NO_DEVICE, f"SRV {request.srv} is for {needs}, not {target}")
        if isinstance(body, ReadInventory) and body.device is None:
            raise _RefusedError(Code.NO_DEVICE, "the inventory is known by DeviceID only")
        device = body.device if isinstance(body, CreateSchedule | ReadInventory) else None
        if not for_dcc:
            device = target
        kind = None if device is None else self._meters(device)
        if device is not None and kind is None:
            raise _RefusedError(Code.NO_DEVICE, f"no meter {device}")
        return kind


_CODES = {
    Reason.UNKNOWN_PARTY: Code.UNKNOWN_USER,
    Reason.ROLE_NOT_ENTITLED: Code.ROLE,
    Reason.NOT_REGISTERED: Code.NOT_REGISTERED,
}


def _pre_command_mistake(request: Request) -> str:
    """Return what is wrong with the signed pre-command in a request, empty if nothing is."""
    if isinstance(request.body, SignedPreCommand):
        try:
            signed_command(request)
        except CommandError as error:
            return str(error)
    return ""


def _check_variant(endpoint: Endpoint, request: Request) -> None:
    service, variant = SERVICES[request.srv], request.variant
    if ENDPOINT_OF.get(variant) is not endpoint:
        raise _RefusedError(Code.WRONG_URL, f"command variant {variant} sent to {endpoint}")
    if variant in _LOCAL_VARIANTS and variant in service.variants:
        raise _RefusedError(Code.NOT_LOCAL, f"command variant {variant}: no local delivery here")
    if variant not in service.variants:
        needed = ", ".join(map(str, service.variants))
        raise _RefusedError(
            Code.VARIANT, f"command variant {variant} of SRV {service.srv}: {needed}"
        )
    if (variant in _SIGNED) != isinstance(request.body, SignedPreCommand):
        raise _RefusedError(Code.VARIANT, f"command variant {variant} with another body")


def _check_fit(request: Request, kind: str | None) -> None:
    """Check that the gateway supports the request, and the kind of meter has the service."""
    body = request.body
    if isinstance(body, Unsupported):
        raise _RefusedError(Code.NOT_COMPATIBLE, f"SRV {request.srv} is not emulated")
    if kind is None or not isinstance(body, Read | CreateSchedule | UpdatePaymentMode):
        return
    try:
        if isinstance(body, UpdatePaymentMode):
            pre_command(request, kind)
        else:
            service_of(body.srv if isinstance(body, CreateSchedule) else request.srv, kind)
    except ValueError as error:
        raise _RefusedError(Code.NOT_COMPATIBLE, str(error)) from None
