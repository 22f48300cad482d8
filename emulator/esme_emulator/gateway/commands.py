"""GBCS commands of DUIS requests.

A user that meters know is the originator of its commands, with the counter of its RequestID. Others
send theirs through the Access Control Broker (ACB), which has a counter of its own; the user is
then the supplementary remote party, and brings a certificate if the response is encrypted.

Sources: the pairs of DUIS requests and GBCS commands in DCC's request templates and RTDS; for a
certificate that a request does not bring, our conclusion.
"""

from dataclasses import replace

from esme_emulator.cache.registry.registry import Registry
from esme_emulator.gateway.documents import (
    CreateSchedule,
    Read,
    Request,
    SignedPreCommand,
    UpdatePaymentMode,
)
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.services import SERVICES
from esme_emulator.messaging.transaction import METER, DeviceCounter
from gbcs import (
    EUI,
    UNSEALED,
    Command,
    GbcsError,
    KeyUsage,
    Supplementary,
    encode,
    open_message,
)
from gbcs.dlms.access import Access, AccessRequest, Choice
from gbcs.dlms.data import BitString, Data, DataType, array, enum, octet_string, structure
from gbcs.instants import to_date_time
from gbcs.obis import parse_dotted
from gbcs.tables.reading_services import TWIN, ReadingService, service_of
from gbcs.tables.roles import Role
from gbcs.tables.use_cases import by_name, for_srv
from gbcs.usecases.read_request import Window, reading_command
from gbcs.usecases.responding import invoke_id

KNOWN_TO_METERS = frozenset({Role.IS, Role.ES, Role.ED})
"""Roles whose certificates an ESME holds: suppliers, and the network operator."""


class CommandError(ValueError):
    """A request that makes no GBCS command; one line. Answer E11."""


class CommandBuilder:
    """Builds commands, sealed by the ACB; keeps the ACB's own counter."""

    def __init__(self, keys: DuisKeys, registry: Registry) -> None:
        self._keys = keys
        self._registry = registry
        # From the clock, so that it does not repeat after a restart.
        self._counter = DeviceCounter(METER)

    def command(self, request: Request, kind: str, now: float) -> tuple[Command, bytes]:
        """Return the command of an admitted request (variants 1 and 5), and its octets.

        `kind` is that of the meter, `now` Unix time. Raises `CommandError`.
        """
        user, device, body = request.id.originator, request.id.target, request.body
        if isinstance(body, SignedPreCommand):
            return self._sealed(replace(signed_command(request), mac=UNSEALED))
        if not isinstance(body, Read):
            raise CommandError(f"a request of SRV {request.srv} is not for a device")
        service = _service_of(request.srv, kind)
        if not self._behind_acb(user, request.srv) and not body.credentials:
            originator, counter, behind = user, request.id.counter, None
        else:
            behind = self._supplementary(user, request.id.counter, service, body.credentials)
            originator = self._keys.keystore.access_control_broker
            counter = self._counter.next(now)
        return self._read(service, device, originator, counter, body.window, behind)

    def scheduled(
        self, details: CreateSchedule, user: EUI, kind: str, window: Window | None, now: float
    ) -> tuple[Command, bytes]:
        """Return the command of one run of a schedule of `user`, and its octets.

        It is between device and ACB, with the user as supplementary party. Raises `CommandError`.
        """
        service = _service_of(details.srv, kind)
        counter = self._counter.next(now)
        behind = self._supplementary(user, counter, service, details.credentials)
        originator = self._keys.keystore.access_control_broker
        return self._read(service, details.device, originator, counter, window, behind)

    def _behind_acb(self, user: EUI, srv: str) -> bool:
        known = self._registry.roles(user) & KNOWN_TO_METERS
        return SERVICES[srv].acb or not known

    def _supplementary(
        self, user: EUI, counter: int, service: ReadingService, credentials: bytes
    ) -> Supplementary:
        """Return the user as party behind the ACB, with a certificate if it needs one."""
        if service.protected and not credentials:
            held = self._keys.certificates.get(user, {})
            if KeyUsage.KEY_AGREEMENT not in held:
                raise CommandError(f"no certificate of {user}: send KAPublicSecurityCredentials")
            credentials = held[KeyUsage.KEY_AGREEMENT]
        return Supplementary(user, counter, None, credentials if service.protected else b"")

    def _read(
        self,
        service: ReadingService,
        device: EUI,
        originator: EUI,
        counter: int,
        window: Window | None,
        behind: Supplementary | None,
    ) -> tuple[Command, bytes]:
        command = reading_command(
            service,
            device=device,
            originator=originator,
            counter=counter,
            window=window,
            supplementary=behind,
        )
        return self._sealed(command)

    def _sealed(self, command: Command) -> tuple[Command, bytes]:
        try:
            return command, encode(command, self._keys.keystore)
        except GbcsError as error:
            raise CommandError(str(error)) from None


def _service_of(srv: str, kind: str) -> ReadingService:
    try:
        return service_of(srv, kind)
    except ValueError as error:
        raise CommandError(str(error)) from None


def signed_command(request: Request) -> Command:
    """Return the command in a request of variant 5, without MAC.

    Raises `CommandError` unless it is signed and belongs to the request: originator, recipient,
    counter and a use case of the SRV. The device verifies the signature.
    """
    body = request.body
    if not isinstance(body, SignedPreCommand):
        raise CommandError("the body is not a SignedPreCommand")
    try:
        command = open_message(body.payload)
    except GbcsError as error:
        raise CommandError(f"the signed pre-command is not a GBCS message: {error}") from None
    if not isinstance(command, Command) or command.mac is not None or not command.signature:
        raise CommandError("the signed pre-command is not a signed command without MAC")
    identity = request.id
    mine = (identity.originator, identity.target, identity.counter)
    if (command.originator, command.recipient, command.originator_counter) != mine:
        raise CommandError(f"the signed pre-command is not that of RequestID {identity}")
    if command.message_code not in {each.code for each in for_srv(request.srv)}:
        raise CommandError(f"the signed pre-command is not one of SRV {request.srv}")
    return command


# Pre-commands

_PAYMENT_MODE = (111, parse_dotted("0.1.19.0.0.255"))
_MODE, _CHARGES, _ACTIVATION = 2, 11, 13
_CREDIT_MODE = structure(enum(1), enum(1))
_CREDIT = parse_dotted("0.0.19.10.0.255")
_TARIFF_CHARGE = parse_dotted("0.0.19.20.0.255")
_STANDING_CHARGE = parse_dotted("0.0.19.20.4.255")
_SECONDARY_CHARGE = parse_dotted("0.0.19.20.5.255")
_COLLECTED_ALWAYS = Data(DataType.BIT_STRING, BitString(3, b"\xe0"))
_AT_ONCE = bytes.fromhex("0000000000000000008000FF")


def pre_command(request: Request, kind: str) -> bytes:
    """Return the pre-command of an admitted request of variant 4, with a signature length of 0.

    `kind` is that of the meter. Raises `CommandError` unless the request sets credit mode.
    """
    body = request.body
    if not isinstance(body, UpdatePaymentMode) or body.prepayment is not None:
        raise CommandError(f"no pre-command for this request of SRV {request.srv}")
    found = by_name("ECS02")
    if found is None:
        raise LookupError("ECS02")
    identity = request.id
    command = Command(
        originator=identity.originator,
        recipient=identity.target,
        originator_counter=identity.counter,
        message_code=found.code,
        payload=AccessRequest(invoke_id(identity.counter), _credit_mode(kind, body.execution)),
        mac=None,
    )
    return encode(command)


def _credit_mode(kind: str, execution: int | None) -> tuple[Access, ...]:
    """Return the accesses that set credit mode, at once or at `execution`.

    Source: vectors ECS02_1.6_IMMEDIATE_SINGLE_ERROR and ECS02_1.6_FUTURE_DATED_TWIN_SUCCESS.
    """
    charges = [_TARIFF_CHARGE, _STANDING_CHARGE]
    if kind == TWIN:
        charges.append(_SECONDARY_CHARGE)
    configuration = array(
        *[
            structure(octet_string(_CREDIT), octet_string(charge), _COLLECTED_ALWAYS)
            for charge in charges
        ]
    )
    when = _AT_ONCE if execution is None else to_date_time(execution)
    return (
        Access(Choice.SET, *_PAYMENT_MODE, _MODE, _CREDIT_MODE),
        Access(Choice.SET, *_PAYMENT_MODE, _CHARGES, configuration),
        Access(Choice.SET, *_PAYMENT_MODE, _ACTIVATION, octet_string(when)),
    )
