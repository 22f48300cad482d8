"""Remote parties, their roles and their commands.

A party that meters know is the originator of its commands. A user that they do not know sends
commands through the Access Control Broker (ACB), with its certificate if the reply is encrypted.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from esme_emulator.estate.key_files import PartyKey
from esme_emulator.estate.keys import make_certificate
from esme_emulator.runtime.config import Takes
from gbcs import EUI, Command, Keystore, KeyUsage, Supplementary, encode
from gbcs.tables.reading_services import ReadingService, service_of
from gbcs.tables.roles import Role, entitled
from gbcs.usecases.read_request import Window, reading_command

SUPPLIER = EUI.parse("90B3D51F30010000")
EXPORT_SUPPLIER = EUI.parse("90B3D51F30010008")
DISTRIBUTOR = EUI.parse("90B3D51F30020000")
OTHER_USER = EUI.parse("90B3D51F30040000")
NEW_SUPPLIER = EUI.parse("90B3D51F30050000")
"""EUIs of the emulated parties; the first three are in DCC's reference test data."""

SECOND_SUPPLIER = EUI.parse("90B3D51F30030000")
BOXED_OTHER_USER = EUI.parse("00DB123456780004")
"""EUIs of users in DCC's test keys, besides the supplier and the distributor."""

SUPPLIER_ROLES = frozenset({Role.IS, Role.ES, Role.GS})
"""Roles that need a registration for each meter."""

_ROLES = tuple(Role)


def _read_roles(value: object) -> frozenset[Role]:
    if not isinstance(value, list) or not value or not all(one in _ROLES for one in value):
        raise ValueError
    return frozenset(map(Role, value))


Roles = Annotated[
    frozenset[Role], Takes(f"a list of some of {', '.join(Role)}", _read_roles, sorted)
]


@dataclass(frozen=True, slots=True)
class Party:
    """A party: its EUI, name and roles. Its keys are in a keystore."""

    eui: EUI
    name: str
    """Its name in scenarios, options and reports."""
    roles: frozenset[Role]
    behind_acb: bool = False
    """Whether meters do not know it, so that its commands go through the ACB."""
    certificate: bytes = field(default=b"", repr=False)
    """DER of its key-agreement certificate; empty for one made when it is needed."""

    @property
    def supplies(self) -> bool:
        """Whether it has the role of a supplier, which needs registrations."""
        return bool(self.roles & SUPPLIER_ROLES)

    def is_called(self, name: str) -> bool:
        """Return whether `name` is its name, or its EUI in any notation."""
        if name == self.name:
            return True
        try:
            return EUI.parse(name) == self.eui
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class PartyList:
    """Parties, and those of their keys that came with them."""

    parties: tuple[Party, ...] = ()
    keys: Mapping[tuple[EUI, KeyUsage], PartyKey] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    """One line for each entry that was skipped, and each key file that others can read."""
    has_registrations: bool = False
    """Whether the file is a registry too."""

    def without(self, euis: Container[EUI]) -> "PartyList":
        """Return the list without these parties and their keys."""
        kept = tuple(party for party in self.parties if party.eui not in euis)
        keys = {of: key for of, key in self.keys.items() if of[0] not in euis}
        return replace(self, parties=kept, keys=keys)


def _party(eui: EUI, name: str, *roles: Role, behind_acb: bool = False) -> Party:
    return Party(eui, name, frozenset(roles), behind_acb)


PARTIES = (
    _party(SUPPLIER, "import-supplier", Role.IS),
    _party(EXPORT_SUPPLIER, "export-supplier", Role.ES),
    _party(DISTRIBUTOR, "distributor", Role.ED),
    _party(OTHER_USER, "other-user", Role.OU, behind_acb=True),
    _party(NEW_SUPPLIER, "new-supplier", Role.IS),
)
"""The emulated parties. The new supplier succeeds the first at a change of supplier."""

DUIS_PARTIES = (
    # DCC's request templates send 4.2, 4.6.2 and 4.12.2 from the supplier, and expect an answer.
    _party(SUPPLIER, "import-supplier", Role.IS, Role.ES),
    _party(DISTRIBUTOR, "distributor", Role.ED),
    _party(SECOND_SUPPLIER, "second-supplier", Role.IS),
    _party(BOXED_OTHER_USER, "boxed-other-user", Role.OU, behind_acb=True),
    _party(EXPORT_SUPPLIER, "export-supplier", Role.ES),
    _party(OTHER_USER, "other-user", Role.OU, behind_acb=True),
    _party(NEW_SUPPLIER, "new-supplier", Role.IS),
)
"""Users of DUIS: the parties in DCC's test keys, and the emulated ones."""

DUIS_USERS: Mapping[EUI, frozenset[Role]] = {party.eui: party.roles for party in DUIS_PARTIES}


def with_more(parties: Iterable[Party], more: Iterable[Party]) -> tuple[Party, ...]:
    """Return `parties` and `more`, which replace those of the same EUI.

    Raises `ValueError` if two parties have one name.
    """
    found = {party.eui: party for party in parties}
    found |= {party.eui: party for party in more}
    names: dict[str, Party] = {}
    for party in found.values():
        other = names.setdefault(party.name, party)
        if other is not party:
            raise ValueError(
                f"{other.eui} and {party.eui} are both called {party.name}: rename one"
            )
    return tuple(found.values())


def party_called(parties: Iterable[Party], name: str) -> Party:
    """Return the party of this name or EUI. Raises `ValueError` if it is unknown."""
    known = list(parties)
    for party in known:
        if party.is_called(name):
            return party
    names = ", ".join(party.name for party in known)
    raise ValueError(f"there is no party {name!r:.60}; choose one of {names}")


@dataclass(slots=True)
class RemoteParty:
    """A party that makes commands."""

    eui: EUI
    roles: frozenset[Role]
    keystore: Keystore
    counter: int
    """Originator counter of the next command. It must never repeat: the key of an encrypted reply
    depends on it."""
    behind_acb: bool = False
    certificate: bytes = field(default=b"", repr=False)
    """DER of its key-agreement certificate. Behind the ACB, one is made if it is empty."""

    @classmethod
    def of(cls, party: Party, keystore: Keystore, counter: int) -> "RemoteParty":
        """Return `party` with its keys in `keystore`."""
        return cls(
            *(party.eui, party.roles, keystore, counter, party.behind_acb), party.certificate
        )

    def __post_init__(self) -> None:
        if self.behind_acb and not self.certificate:
            self.certificate = make_certificate(self.eui, self.keystore)

    @property
    def recipient(self) -> EUI:
        """The recipient of replies to this party: itself, or the ACB."""
        return self.keystore.access_control_broker if self.behind_acb else self.eui

    def may_ask(self, srv: str) -> bool:
        """Return whether one of its roles is entitled to `srv`."""
        return bool(self.roles & entitled(srv))

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
