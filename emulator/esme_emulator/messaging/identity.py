"""The identity of the readings that the fleets on a broker give, as a cache knows it.

Two fleets with the same identity give the same readings (`fleet.identity` computes it), so a cache
keeps each entry under the identity of the fleets. Pure: `messaging.service` exchanges identities.
"""

import re
from collections.abc import Callable
from hashlib import sha256

DIGITS = 16
"""Number of hexadecimal digits of an identity."""

_FORM = re.compile(rf"[0-9a-f]{{{DIGITS}}}")


def is_identity(text: str) -> bool:
    """Return whether `text` has the form of an identity."""
    return _FORM.fullmatch(text) is not None


class KnownIdentity:
    """The identity of all fleets on a broker together; empty until the first fleet announces one.

    `identity` is that of a fleet in the same process, if there is one. `token` returns a random
    identity.

    When another fleet starts, it may run beside the former one or replace it. Until all fleets have
    answered again, the identity is a random one, so entries of that time are never served later.
    """

    def __init__(self, token: Callable[[], str], identity: str = "") -> None:
        self.identity = identity
        self.heeds_response_topics = bool(identity)
        """Whether there are fleets, and all answer on the Response Topic of a command."""
        self.on_change: Callable[[], None] = lambda: None
        """Is called when `heeds_response_topics` has changed."""
        self.on_new_identity: Callable[[], None] = lambda: None
        """Is called when `identity` has changed."""
        self.settled = True
        """Whether all fleets have answered since the last one started."""
        self._token = token
        self._fleets: frozenset[str] = frozenset([identity] if identity else [])
        """Identities of the fleets on the broker; most often there is one."""
        self._heard: dict[str, bool] = {}
        """Identities announced since the last query, and whether all of them heed it."""
        self._started = False
        """Whether a fleet has started since the last query."""

    def hear(self, identity: str, *, starts: bool = False, heeds: bool = False) -> bool:
        """Take note of an announcement; return whether all fleets must be queried because of it.

        `starts` tells whether the fleet announced its start or answered a query, and `heeds`
        whether it answers on the Response Topic of a command.
        """
        if not is_identity(identity):
            return False
        self._heard[identity] = self._heard.get(identity, True) and heeds
        if not heeds:
            self._heed(False)
        if starts and self.settled and not self._fleets:
            # No fleet has answered before, so this is the only one.
            self._fleets = frozenset([identity])
            self._take(identity)
            self._heed(heeds)
            return False
        alone = self.settled and self._fleets == {identity}
        changes = not alone if starts else identity not in self._fleets
        if changes:
            self._fleets |= {identity}
            self._started |= starts
            self.settled = False
            self._take(self._token())
        return changes

    def query(self) -> None:
        """Begin a query: forget earlier announcements."""
        self._heard.clear()
        self._started = False

    def conclude(self) -> None:
        """End a query: the announcements since `query` are the answers of all fleets.

        Without any, nothing changes. If a fleet started meanwhile, another query is needed.
        """
        if not self._heard or self._started:
            return
        self._fleets, self.settled = frozenset(self._heard), True
        self._heed(all(self._heard.values()))
        together = "".join(sorted(self._fleets))
        one = len(self._fleets) == 1
        self._take(together if one else sha256(together.encode()).hexdigest()[:DIGITS])

    def _take(self, identity: str) -> None:
        if identity != self.identity:
            self.identity = identity
            self.on_new_identity()

    def _heed(self, heeds: bool) -> None:
        if heeds is not self.heeds_response_topics:
            self.heeds_response_topics = heeds
            self.on_change()
