"""Parties that send requests to processes over a real broker, and a client of their HTTP interface.

Holds the keys of the estate. The readings to expect come from the meter model, computed here.
"""

import json
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from esme_emulator.device.meter import answer
from esme_emulator.estate.estate import Estate, derived_estate
from esme_emulator.estate.parties import RemoteParty
from esme_emulator.messaging.client import NoReplyError, ReceivedReply, Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from gbcs import EUI, decode
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Row, Window
from tests.support.estate import readings_in
from tests.support.waiting import GUARD

ESTATE = derived_estate("1", 1000)
"""The default estate of `esme`."""

METERS = ESTATE.meters
MIDNIGHT = (int(time.time()) - EPOCH_UNIX) // DAY * DAY


def day(back: int, days: int = 1) -> Window:
    """Return the window of `days` days that ended `back` days before the last midnight."""
    end = MIDNIGHT - back * DAY
    return Window(end - days * DAY, end)


YESTERDAY = day(0)


class Asker:
    """The parties of an estate, connected to a broker under both topic prefixes."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        counter = time.time_ns() // 1000
        self._parties = {
            role: party for party in reversed(estate.parties(counter)) for role in party.roles
        }
        self.requesters = {prefix: Requester(prefix, estate.keystore) for prefix in _PREFIXES}
        self.recipients = {party.recipient for party in self._parties.values()}

    def party(self, role: Role) -> RemoteParty:
        return self._parties[role]

    async def ask(
        self,
        device: EUI = METERS[0],
        srv: str = "4.8.1",
        role: Role = Role.IS,
        prefix: str = CACHED,
        window: Window = YESTERDAY,
        patience: float = GUARD,
    ) -> ReceivedReply:
        """Read a window of a log, and return the reply. Raises `NoReplyError`."""
        command, octets = self._parties[role].command(device, srv, window)
        return await self.requesters[prefix].request(command, octets, patience)

    async def direct(self, device: EUI, srv: str = "4.8.1", window: Window = YESTERDAY) -> None:
        """Read a meter without a cache, and check the readings against the meter model."""
        reply = await self.ask(device, srv, prefix=DIRECT, window=window)
        assert readings_in(reply.response, srv) == self.truth(device, srv, window)

    async def back(self, device: EUI = METERS[0], window: Window = YESTERDAY) -> ReceivedReply:
        """Repeat the request until a reply arrives from a process that was away."""
        for _ in range(int(GUARD / _SOON)):
            try:
                return await self.ask(device, window=window, patience=_SOON)
            except NoReplyError:
                continue
        raise AssertionError(f"no reply within {GUARD:g} s")

    def truth(self, device: EUI, srv: str, window: Window) -> list[Row]:
        """Return the rows that the meter model has for a window in the past."""
        command, _ = self._parties[Role.IS].command(device, srv, window)
        keys = self._estate.keystore
        said = answer(self._estate.seed, command, keys, time.time(), lambda: 0)
        assert said.octets is not None
        return readings_in(decode(said.octets, keys), srv)

    def strays(self, prefix: str) -> int:
        """Return the number of replies that were duplicates or answered no request."""
        return self.requesters[prefix].dropped.total()


_PREFIXES = DIRECT, CACHED
_SOON = 0.5
"""Timeout of one attempt in `back`, in seconds."""


@asynccontextmanager
async def asking(broker: str, estate: Estate = ESTATE) -> AsyncIterator[Asker]:
    """Connect the parties of `estate` to a broker."""
    asker = Asker(estate)
    direct, cached = asker.requesters.values()
    async with (
        direct.connected(broker, asker.recipients),
        cached.connected(broker, asker.recipients),
    ):
        yield asker


def http(url: str, body: object = None) -> Any:
    """Return the JSON answer to a GET, or to a POST of `body`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=GUARD) as answer:
        return json.load(answer)


def lines_of(path: Path | str) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines, except an incomplete last line."""
    text = Path(path).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def decisions_of(path: Path | str) -> list[dict[str, Any]]:
    """Return the decisions in a journal, without its replies."""
    return [line for line in lines_of(path) if "decision" in line]


def told(path: Path | str, *names: str) -> Sequence[Any]:
    """Return one field of each decision in a journal, or a tuple of several."""
    rows = [tuple(line[name] for name in names) for line in decisions_of(path)]
    return [row[0] for row in rows] if len(names) == 1 else rows
