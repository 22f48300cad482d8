"""The remote parties of a test, by the names of their roles."""

from esme_emulator.estate.parties import PARTIES, RemoteParty
from esme_emulator.pytest_plugin.journal import NAMES
from esme_emulator.pytest_plugin.party import EsmeParty, PartyContext
from gbcs import Keystore


class Parties:
    """The emulated parties by name. Each is made on first use, since it derives keys."""

    def __init__(self, keystore: Keystore, counter: int, context: PartyContext) -> None:
        self._context = context
        self._keystore = keystore
        self._counter = counter
        self._made: dict[str, EsmeParty] = {}

    @property
    def supplier(self) -> EsmeParty:
        """The import supplier; it may read 4.6.1, 4.8.1 and 4.8.2."""
        return self["supplier"]

    @property
    def export_supplier(self) -> EsmeParty:
        """The export supplier; it may read 4.6.2 and 4.8.3."""
        return self["export_supplier"]

    @property
    def distributor(self) -> EsmeParty:
        """The electricity distributor; it may read 4.8.1, 4.8.2 and 4.8.3."""
        return self["distributor"]

    @property
    def other_user(self) -> EsmeParty:
        """An Other User behind the Access Control Broker; it may read 4.8.1, 4.8.2 and 4.8.3."""
        return self["other_user"]

    @property
    def new_supplier(self) -> EsmeParty:
        """The import supplier after a change of supplier; it may read 4.6.1, 4.8.1 and 4.8.2."""
        return self["new_supplier"]

    def __getitem__(self, name: str) -> EsmeParty:
        """Return the party called `name`. Raises `KeyError` if there is no such party."""
        if name not in NAMES:
            raise KeyError(f"no party is called {name}; choose one of {', '.join(NAMES)}")
        if name not in self._made:
            wanted = NAMES[name]
            eui, role, behind_acb = next(one for one in PARTIES if one[0] == wanted)
            remote = RemoteParty(eui, role, self._keystore, self._counter, behind_acb)
            self._made[name] = EsmeParty(name, remote, self._context)
        return self._made[name]
