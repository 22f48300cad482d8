"""Deliver responses to the addresses of users, over HTTP, until each has received them.

Addresses come from the operator's configuration, never from a message. Pauses are in real time,
since the user's software lives in real time whatever clock the meters have.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from esme_emulator.gateway.documents import DEFAULT_ADDRESS
from esme_emulator.gateway.outbox import Delivery, Outbox
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.tasks import Tasks
from gbcs import EUI

POST_TIMEOUT = 10.0
"""Timeout of one delivery, in seconds."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Pauses after failed deliveries to one address, in seconds; each is twice the one before."""

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of an attempt to deliver."""

    DELIVERED = "delivered"
    UNREACHABLE = "unreachable"
    """Refused connections and timeouts; tried again."""
    SERVER_ERROR = "server-error"
    """Status 5xx; tried again."""
    REFUSED = "refused"
    """Any other status, such as 400, 404 and 413; not tried again."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs that receive responses: one for every user, and others for some."""

    default: str = DEFAULT_ADDRESS
    by_user: Mapping[EUI, str] = field(default_factory=dict)

    def of(self, user: EUI) -> str:
        """Return the URL for the responses to `user`."""
        return self.by_user.get(user, self.default)


class _Lane:
    """Deliveries to one address, one at a time, and the pause after a failure."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.failures = 0
        self.resumes = 0.0

    def failed(self, now: float) -> None:
        pause = min(FIRST_PAUSE * 2**self.failures, LONGEST_PAUSE)
        self.failures += 1
        self.resumes = now + pause

    def succeeded(self) -> None:
        self.failures = 0


class Deliveries:
    """Delivers what is in the outbox. `machine` is the clock of real time."""

    def __init__(
        self, outbox: Outbox, addresses: Addresses, machine: Clock, client: httpx.AsyncClient
    ) -> None:
        self._outbox = outbox
        self.addresses = addresses
        self._machine = machine
        self._client = client
        self._lanes: dict[str, _Lane] = {}
        self.attempts: Counter[Outcome] = Counter()
        self.refusals: Counter[int] = Counter()
        """Refused deliveries by HTTP status."""
        self.waiting = 0
        """Responses that were not delivered yet."""

    def start(self, tasks: Tasks, delivery: Delivery, not_before: float = 0.0) -> None:
        """Deliver in the background, not before a Unix time in seconds of real time."""
        self.waiting += 1
        tasks.start(self._deliver(delivery, not_before))

    async def _deliver(self, delivery: Delivery, not_before: float) -> None:
        await self._machine.sleep(not_before - self._machine.now())
        url = self.addresses.of(delivery.user)
        lane = self._lanes.setdefault(url, _Lane())
        while not await self._attempt(url, lane, delivery.body):
            pass  # the others take their turns first, because the lock is fair
        self.waiting -= 1
        await self._outbox.insist(lambda: self._outbox.remove(delivery), self._machine)

    async def _attempt(self, url: str, lane: _Lane, body: bytes) -> bool:
        """Return whether there is nothing more to do for this delivery."""
        async with lane.turn:
            await self._machine.sleep(lane.resumes - self._machine.now())
            outcome = await self._post(url, body)
            self.attempts[outcome] += 1
            if outcome in (Outcome.DELIVERED, Outcome.REFUSED):
                lane.succeeded()
                return True
            if not lane.failures:
                _log.warning("duis: %s: %s; responses wait in the outbox", url, outcome)
            lane.failed(self._machine.now())
            return False

    async def _post(self, url: str, body: bytes) -> Outcome:
        headers = {"content-type": "application/xml"}
        try:
            # The client's own timeout is for each read, so octets that trickle would reset it. The
            # status decides; the body of the answer is not read, since it may never end.
            async with (
                asyncio.timeout(POST_TIMEOUT),
                self._client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                pass
        except (httpx.HTTPError, TimeoutError):
            return Outcome.UNREACHABLE
        if answer.is_success:
            return Outcome.DELIVERED
        if answer.is_server_error:
            return Outcome.SERVER_ERROR
        if not self.refusals[answer.status_code]:
            _log.warning("duis: %s refused a response: HTTP %d", url, answer.status_code)
        self.refusals[answer.status_code] += 1
        return Outcome.REFUSED


def http_client() -> httpx.AsyncClient:
    """Return a client for deliveries: without proxies, and without following redirections."""
    return httpx.AsyncClient(timeout=POST_TIMEOUT, trust_env=False)
