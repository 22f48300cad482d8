"""Whose readings a cache keeps and serves: what the fleets on its broker told of themselves.

Knows identities, which `fleet.identity` makes, and how several of them make one; knows no broker.
"""

import logging
import re
import secrets
from hashlib import sha256

DIGITS = 16
"""Hexadecimal digits of an identity."""

_FORM = re.compile(rf"[0-9a-f]{{{DIGITS}}}")

_log = logging.getLogger(__name__)


def is_identity(text: str) -> bool:
    """Return whether `text` has the form of an identity."""
    return _FORM.fullmatch(text) is not None


class Known:
    """What a cache knows of the meters' identity; `identity` is empty until a fleet told one.

    A fleet in the same process is known from the beginning.

    When another fleet starts, nobody knows whether it stands beside the former one or took its
    place. So until all fleets have answered again, the identity is one that no other time has, and
    what is kept then is never served later.
    """

    def __init__(self, identity: str = "") -> None:
        self.identity = identity
        self.settled = True
        """Whether all fleets have told theirs since the last one started."""
        self._told: frozenset[str] = frozenset([identity] if identity else [])
        """By the fleets on the broker; most often there is one."""
        self._heard: set[str] = set()
        """Since the fleets were asked last."""
        self._started = False
        """Whether a fleet started since then."""

    def hear(self, told: str, *, starts: bool = False) -> bool:
        """Note what a fleet told; return whether all fleets are to be asked because of it."""
        if not is_identity(told):
            return False
        self._heard.add(told)
        if starts and self.settled and not self._told:
            # The first fleet of all, since nobody has answered before.
            self._told, self.identity = frozenset([told]), told
            return False
        alone = self.settled and self._told == {told}
        changes = not alone if starts else told not in self._told
        if changes:
            self._told |= {told}
            self._started |= starts
            self.settled = False
            self.identity = secrets.token_hex(DIGITS // 2)
        return changes

    def asked(self) -> None:
        """Forget what was heard before: the fleets are asked again."""
        self._heard.clear()
        self._started = False

    def answered(self) -> None:
        """Take what was heard since `asked` for the answers of all fleets.

        Silence changes nothing. If a fleet started meanwhile, they are to be asked again.
        """
        if not self._heard or self._started:
            return
        former, self._told, self.settled = self.identity, frozenset(self._heard), True
        together = "".join(sorted(self._told))
        one = len(self._told) == 1
        self.identity = together if one else sha256(together.encode()).hexdigest()[:DIGITS]
        if self.identity != former:
            _log.info("the meters' readings have the identity %s", self.identity)
