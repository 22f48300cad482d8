"""Remote parties, their roles and their commands.

A party that meters know is the originator of its commands. A user that they do not know sends
commands through the Access Control Broker (ACB), with its certificate if the reply is encrypted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from esme_emulator.estate.keys import make_certificate
from gbcs import EUI, Command, Keystore, Supplementary, encode
from gbcs.tables.reading_services import ReadingService, service_of
from gbcs.tables.roles import Role, entitled
from gbcs.usecases.read_request import Window, reading_command

SUPPLIER = EUI.parse("90B3D51F30010000")
EXPORT_SUPPLIER = EUI.parse("90B3D51F30010008")
DISTRIBUTOR = EUI.parse("90B3D51F30020000")
OTHER_USER = EUI.parse("90B3D51F30040000")
NEW_SUPPLIER = EUI.parse("90B3D51F30050000")
"""EUIs of the emulated parties; the first three are in DCC's reference test data."""

PARTIES = (
    (SUPPLIER, Role.IS, False),
    (EXPORT_SUPPLIER, Role.ES, False),
    (DISTRIBUTOR, Role.ED, False),
    (OTHER_USER, Role.OU, True),
    (NEW_SUPPLIER, Role.IS, False),
)
"""EUI, role, and whether the party is behind the ACB."""

PARTY_NAMES = {
    SUPPLIER: "import-supplier",
    EXPORT_SUPPLIER: "export-supplier",
    DISTRIBUTOR: "distributor",
    OTHER_USER: "other-user",
    NEW_SUPPLIER: "new-supplier",
}
"""Names of the parties in scenarios and reports; the new supplier succeeds the first."""

SECOND_SUPPLIER = EUI.parse("90B3D51F30030000")
BOXED_OTHER_USER = EUI.parse("00DB123456780004")
"""EUIs of users in DCC's test keys, besides the supplier and the distributor."""

DUIS_USERS: Mapping[EUI, frozenset[Role]] = {
    # DCC's request templates send 4.2, 4.6.2 and 4.12.2 from these, and expect an answer.
    SUPPLIER: frozenset({Role.IS, Role.ES}),
    DISTRIBUTOR: frozenset({Role.ED}),
    SECOND_SUPPLIER: frozenset({Role.IS}),
    BOXED_OTHER_USER: frozenset({Role.OU}),
    EXPORT_SUPPLIER: frozenset({Role.ES}),
    OTHER_USER: frozenset({Role.OU}),
    NEW_SUPPLIER: frozenset({Role.IS}),
}
"""Users of DUIS with their roles. No part of this program sends requests in their names."""


@dataclass(slots=True)
class RemoteParty:
    """A party that makes commands."""

    eui: EUI
    role: Role
    keystore: Keystore
    counter: int
    """Originator counter of the next command. It must never repeat: the key of an encrypted reply
    depends on it."""
    behind_acb: bool = False
    certificate: bytes = field(init=False, default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.behind_acb:
            self.certificate = make_certificate(self.eui, self.keystore)

    @property
    def recipient(self) -> EUI:
        """The recipient of replies to this party: itself, or the ACB."""
        return self.keystore.access_control_broker if self.behind_acb else self.eui

    def may_ask(self, srv: str) -> bool:
        """Return whether its role is entitled to `srv`."""
        return self.role in entitled(srv)

    def command(self, device: EUI, srv: str, window: Window) -> tuple[Command, bytes]:
        """Return the next command, and its octets, that reads `window` of `srv` from `device`.

        Raises `ValueError` if the SRV takes no window, `AuthenticationError` for missing keys.
        """
        return self.ask(device, service_of(srv), window)

    def ask(
        self, device: EUI, service: ReadingService, window: Window | None = None
    ) -> tuple[Command, bytes]:
        """Return the next command, and its octets, that reads a service from `device`.

        Raises `ValueError` if `window` is missing, or given for a service without window, and
        `AuthenticationError` for missing keys.
        """
        counter = self.counter
        self.counter += 1
        supplementary = None
        if self.behind_acb:
            certificate = self.certificate if service.protected else b""
            supplementary = Supplementary(self.eui, counter, None, certificate)
        command = reading_command(
            service,
            device=device,
            originator=self.recipient,
            counter=counter,
            window=window,
            supplementary=supplementary,
        )
        return command, encode(command, self.keystore)
