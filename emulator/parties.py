"""Remote parties: who asks, in which role, and the commands they make.

A party that meters know is the originator of its commands; another user is not known to them and
stands behind the ACB, with its certificate where the reply is to be encrypted for it.
"""

from dataclasses import dataclass, field

from emulator.certificate import make_certificate
from gbcs import EUI, Command, Keystore, Supplementary, encode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role, entitled
from gbcs.usecases.profile_read import ProfileRead, Window, profile_read_command

SUPPLIER = EUI.parse("90B3D51F30010000")
EXPORT_SUPPLIER = EUI.parse("90B3D51F30010008")
DISTRIBUTOR = EUI.parse("90B3D51F30020000")
OTHER_USER = EUI.parse("90B3D51F30040000")
"""EUIs of the emulated parties; all but the other user are those of DCC's reference test data."""

PARTIES = (
    (SUPPLIER, Role.IS, False),
    (EXPORT_SUPPLIER, Role.ES, False),
    (DISTRIBUTOR, Role.ED, False),
    (OTHER_USER, Role.OU, True),
)
"""EUI, role, and whether it stands behind the ACB."""


@dataclass(slots=True)
class RemoteParty:
    """One party: its role, its keys, and the originator counter of its next command."""

    eui: EUI
    role: Role
    keystore: Keystore
    counter: int
    """Originator counter of the next command. One that was used must not come again: the key of
    an encrypted reply depends on it."""
    behind_acb: bool = False
    certificate: bytes = field(init=False, default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.behind_acb:
            self.certificate = make_certificate(self.eui, self.keystore)

    @property
    def recipient(self) -> EUI:
        """Whom replies to this party are addressed to: itself, or the ACB."""
        return self.keystore.access_control_broker if self.behind_acb else self.eui

    def may_ask(self, srv: str) -> bool:
        """Return whether its role is entitled to `srv`."""
        return self.role in entitled(srv)

    def command(self, device: EUI, srv: str, window: Window) -> tuple[Command, bytes]:
        """Return the next command, and its octets, that asks `device` for `window` of `srv`.

        Raises `KeyError` for an SRV that is not a log, `AuthenticationError` for missing keys.
        """
        read = ProfileRead(BY_SRV[srv], window)
        counter = self.counter
        self.counter += 1
        supplementary = None
        if self.behind_acb:
            certificate = b"" if read.log.protection is None else self.certificate
            supplementary = Supplementary(self.eui, counter, None, certificate)
        command = profile_read_command(
            read,
            device=device,
            originator=self.recipient,
            counter=counter,
            supplementary=supplementary,
        )
        return command, encode(command, self.keystore)
