"""A client in plain asyncio: reads yesterday's half hours of one meter as an import supplier.

python asyncio_client.py                                          # starts a fleet in this process
python asyncio_client.py mqtt://127.0.0.1:1883 00DBE50000000007   # with esme serve running
"""

import asyncio
import sys
import time

from esme_emulator.estate.estate import derived_estate
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import Requester
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.runtime.errors import UserError
from esme_emulator.transport import Broker, MemoryBroker
from gbcs import EUI, GbcsError, authenticate
from gbcs.instants import DAY, EPOCH_UNIX, to_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Row, Window, buffer_of, rows_of

ESTATE = derived_estate("1", 100)  # the meters, keys and parties of `esme serve --seed 1`
SRV = "4.8.1"


async def read(broker: Broker, meter: EUI, prefix: str) -> list[Row]:
    """Read yesterday from one meter: directly on prefix `esme`, through the cache on `s1sp`."""
    now = time.time()
    midnight = int(now - EPOCH_UNIX) // DAY * DAY
    supplier = ESTATE.parties(counter=int(now * 1e6))[0]  # a counter must never repeat
    command, octets = supplier.command(meter, SRV, Window(midnight - DAY, midnight))
    requester = Requester(prefix, ESTATE.keystore)
    async with requester.connected(broker, {supplier.recipient}):
        reply = await requester.request(command, octets, timeout=60)
    authenticate(reply.response)  # raises if the MAC does not verify
    readings = buffer_of(reply.response, BY_SRV[SRV])
    if isinstance(readings, int):
        raise SystemExit(f"{meter} refuses with result code {readings}")
    return rows_of(BY_SRV[SRV], readings)


async def main(arguments: list[str]) -> list[Row]:
    """Read a meter on a broker, or a meter of a fleet started for this one read."""
    if arguments:
        if len(arguments) != 2:
            raise SystemExit("give the URL of a broker and the EUI of a meter, or neither")
        url, meter = arguments
        rows = await read(url, EUI.parse(meter), "s1sp")
    else:
        broker = MemoryBroker()
        fleet = Fleet(ESTATE.meters, ESTATE.keystore, ESTATE.seed, NONE)
        async with serve_fleet(broker, fleet, SystemClock()):
            rows = await read(broker, ESTATE.meters[7], "esme")
    for row in rows:
        sys.stdout.write(f"{to_iso(row['time'])} {row['primary']} Wh\n")
    return rows


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except (UserError, GbcsError, ValueError) as error:  # one line that says how to correct it
        raise SystemExit(str(error)) from None
