"""The latest replies of the cache, up to a maximum number."""

from collections import deque
from collections.abc import Iterator

from esme_emulator.cache.policy.ledger import Replied
from esme_emulator.runtime.events import Events
from gbcs import EUI

MOST = 1000
"""Most replies that are kept."""


class LatestReplies:
    """The latest replies, and the number of all."""

    def __init__(self) -> None:
        self.total = 0
        self._replies: deque[Replied] = deque(maxlen=MOST)

    def listen(self, events: Events) -> None:
        """Remember the replies published on `events`."""
        events.subscribe(Replied, self.remember)

    def remember(self, replied: Replied) -> None:
        """Add a reply."""
        self.total += 1
        self._replies.append(replied)

    def newest(self, device: EUI | None, srv: str | None) -> Iterator[Replied]:
        """Yield the replies of a device and an SRV, newest first; None matches all."""
        for replied in reversed(self._replies):
            if device in (None, replied.device) and srv in (None, replied.srv):
                yield replied
