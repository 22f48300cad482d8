"""The remote parties of a test, by the names of their roles."""

from collections.abc import Mapping

from esme_emulator.estate.parties import PARTIES, RemoteParty
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import Via
from esme_emulator.pytest_plugin.clock import SteppedClock
from esme_emulator.pytest_plugin.journal import NAMES, Journal
from esme_emulator.pytest_plugin.party import Asking, EsmeParty
from gbcs import Keystore


class Parties:
    """The emulated parties, by name; each is made when it is first asked for."""

    def __init__(
        self,
        keystore: Keystore,
        counter: int,
        requesters: Mapping[Via, Requester],
        clock: SteppedClock,
        asking: Asking,
        journal: Journal,
    ) -> None:
        self._parts = requesters, clock, asking, journal
        self._keystore = keystore
        self._counter = counter
        self._made: dict[str, EsmeParty] = {}

    @property
    def supplier(self) -> EsmeParty:
        """The import supplier: 4.6.1, 4.8.1, 4.8.2."""
        return self["supplier"]

    @property
    def export_supplier(self) -> EsmeParty:
        """The export supplier: 4.6.2, 4.8.3."""
        return self["export_supplier"]

    @property
    def distributor(self) -> EsmeParty:
        """The electricity distributor: 4.8.1, 4.8.2, 4.8.3."""
        return self["distributor"]

    @property
    def other_user(self) -> EsmeParty:
        """An other user, behind the ACB: 4.8.1, 4.8.2, 4.8.3."""
        return self["other_user"]

    @property
    def new_supplier(self) -> EsmeParty:
        """Another import supplier: 4.6.1, 4.8.1, 4.8.2."""
        return self["new_supplier"]

    def __getitem__(self, name: str) -> EsmeParty:
        """Return the party called `name`. Raises `KeyError` where there is none."""
        if name not in NAMES:
            raise KeyError(f"no party is called {name}: there are {', '.join(NAMES)}")
        if name not in self._made:
            wanted = NAMES[name]
            eui, role, behind_acb = next(one for one in PARTIES if one[0] == wanted)
            remote = RemoteParty(eui, role, self._keystore, self._counter, behind_acb)
            self._made[name] = EsmeParty(name, remote, *self._parts)
        return self._made[name]
