"""Many simultaneous requests for one reading that is not cached: the meter must get one command.

The meter runs in this process. It replies after all requests on the same connection, so the broker
delivers its reply when all of them wait. The requests come from three parties in turn. Every reply
is verified and read afterwards.
"""

import asyncio
from collections.abc import Mapping
from time import perf_counter, time
from typing import NamedTuple

from benchmarks.client import connected
from benchmarks.shares import Shares, shares
from esme_emulator.estate.estate import Estate
from esme_emulator.estate.parties import DISTRIBUTOR, OTHER_USER, SUPPLIER
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from esme_emulator.profiles.latency import NONE
from esme_emulator.transport import connect
from gbcs import EUI, GbcsError, Keystore, Status, decode
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window, table_of

SRV = "4.8.1"
PARTIES = (SUPPLIER, DISTRIBUTOR, OTHER_USER)


class Waited(NamedTuple):
    """The outcome of all requests."""

    commands: int
    """Commands that the meter received."""
    replies: int
    """Replies with a valid MAC and readings; one per request is expected."""
    seconds: float
    """Time from the acknowledgement of the meter's reply to the last reply."""
    shares: Shares
    """Fractions of a core that the processes used meanwhile."""


async def wait_for_one(
    url: str, estate: Estate, device: EUI, window: Window, waiters: int
) -> Waited:
    """Send this many requests for one reading of `device`, and wait for all replies."""
    fleet = Fleet([device], estate.keystore, estate.seed, NONE)
    commands: list[bytes] = []
    reached = asyncio.Event()

    def receive(_: str, octets: bytes, __: Mapping[str, str]) -> None:
        commands.append(octets)
        reached.set()

    first = int(time() * 1_000_000)
    parties = [party for party in estate.parties(first) if party.eui in PARTIES]
    asks = []
    for number in range(waiters):
        party = parties[number % len(parties)]
        party.counter = first + number
        asks.append((command_topic(CACHED, device), party.command(device, SRV, window)[1]))
    recipients = {str(party.recipient) for party in parties}
    subscriptions = {command_topic(DIRECT, "+"): receive}
    async with (
        connect(url, client_id="meter", subscriptions=subscriptions),
        connected(url, CACHED, *recipients) as client,
    ):
        waiting = [client.send(ask) for ask in asks]
        await reached.wait()
        [reply] = fleet.receive(device, commands[0], time()).replies
        await client.publish(response_topic(DIRECT, device, reply.recipient), reply.octets)
        start = perf_counter()
        with shares() as taken:
            await asyncio.gather(*waiting)
            elapsed = perf_counter() - start
    replies = sum(_is_reading(octets, estate.keystore) for octets, _ in client.replies)
    return Waited(len(commands), replies, elapsed, taken)


def _is_reading(octets: bytes, keystore: Keystore) -> bool:
    try:
        message = decode(octets, keystore)
        table = table_of(message, BY_SRV[SRV])
    except GbcsError:
        return False
    return message.mac_status is Status.VALID and not isinstance(table, int) and bool(table.rows())
