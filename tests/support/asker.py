"""Parties that ask the meters of a process on a real broker, and look at it over HTTP.

Knows what parties know: the keys of the estate. What it takes for true is what the meter itself
says, worked out here.
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
"""What `esme` runs by default, with meters to spare."""

METERS = ESTATE.meters
MIDNIGHT = (int(time.time()) - EPOCH_UNIX) // DAY * DAY


def day(back: int, days: int = 1) -> Window:
    """The window of so many days that ended so many days before the last midnight."""
    end = MIDNIGHT - back * DAY
    return Window(end - days * DAY, end)


YESTERDAY = day(0)


class Asker:
    """The parties of an estate, connected to a broker under both prefixes."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        counter = time.time_ns() // 1000
        self._parties = {party.role: party for party in reversed(estate.parties(counter))}
        self.requesters = {prefix: Requester(prefix, estate.keystore) for prefix in _PREFIXES}
        self.recipients = {party.recipient for party in self._parties.values()}

    def party(self, role: Role) -> RemoteParty:
        """The party of that role."""
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
        """Ask a meter for a window of a log."""
        command, octets = self._parties[role].command(device, srv, window)
        return await self.requesters[prefix].request(command, octets, patience)

    async def direct(self, device: EUI, srv: str = "4.8.1", window: Window = YESTERDAY) -> None:
        """Ask a meter past any cache, and assert that what it says is so."""
        reply = await self.ask(device, srv, prefix=DIRECT, window=window)
        assert readings_in(reply.response, srv) == self.truth(device, srv, window)

    async def back(self, device: EUI = METERS[0], window: Window = YESTERDAY) -> ReceivedReply:
        """Ask until there is a reply, from whoever was away."""
        for _ in range(int(GUARD / _SOON)):
            try:
                return await self.ask(device, window=window, patience=_SOON)
            except NoReplyError:
                continue
        raise AssertionError(f"no reply within {GUARD:g} s")

    def truth(self, device: EUI, srv: str, window: Window) -> list[Row]:
        """What the meter truly holds of a window that is over."""
        command, _ = self._parties[Role.IS].command(device, srv, window)
        keys = self._estate.keystore
        said = answer(self._estate.seed, command, keys, time.time(), lambda: 0)
        assert said.octets is not None
        return readings_in(decode(said.octets, keys), srv)

    def strays(self, prefix: str) -> int:
        """Replies that nobody had asked for under this prefix, or that came a second time."""
        return self.requesters[prefix].dropped.total()


_PREFIXES = DIRECT, CACHED
_SOON = 0.5
"""Seconds to wait for a reply that may well not come."""


@asynccontextmanager
async def asking(broker: str, estate: Estate = ESTATE) -> AsyncIterator[Asker]:
    """Connect the parties to a broker as long as the context lasts."""
    asker = Asker(estate)
    direct, cached = asker.requesters.values()
    async with (
        direct.connected(broker, asker.recipients),
        cached.connected(broker, asker.recipients),
    ):
        yield asker


def http(url: str, body: object = None) -> Any:
    """Return the JSON of a GET, or of a POST where there is a `body`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=GUARD) as answer:
        return json.load(answer)


def lines_of(path: Path | str) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, without a last line that was cut off."""
    text = Path(path).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def decisions_of(path: Path | str) -> list[dict[str, Any]]:
    """The decisions in a journal, without its replies."""
    return [line for line in lines_of(path) if "decision" in line]


def told(path: Path | str, *names: str) -> Sequence[Any]:
    """What the decisions in a file say: one field of each, or several."""
    rows = [tuple(line[name] for name in names) for line in decisions_of(path)]
    return [row[0] for row in rows] if len(names) == 1 else rows
