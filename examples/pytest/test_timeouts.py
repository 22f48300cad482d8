"""A service with timeouts of its own, tested over MQTT on a clock that runs."""

import pytest

from esme_emulator.faults.kind import NoReply
from esme_emulator.messaging.client import NoReplyError, Requester
from esme_emulator.pytest_plugin.system import window_of

TIMEOUT = 4.0
"""Seconds that the service waits for a reply before it sends the next command."""


class Service:
    """Reads a meter, and tries again after a timeout. `pace` makes its timeouts shorter."""

    def __init__(self, requester, supplier, pace):
        self.requester, self.supplier, self.timeout = requester, supplier, TIMEOUT / pace
        self.attempts = 0

    async def read(self, meter, window, retries):
        """Return the reply to one of 1 + `retries` commands. Raises `NoReplyError`."""
        for _ in range(1 + retries):
            self.attempts += 1
            command, octets = self.supplier.remote.command(meter.eui, "4.8.1", window)
            try:
                return await self.requester.request(command, octets, self.timeout)
            except NoReplyError:
                continue
        raise NoReplyError(f"{meter} did not reply to {1 + retries} commands")


@pytest.fixture
async def service(esme_broker, esme_fleet, esme_party, esme_clock):
    keystore = esme_fleet.keystore
    requester = Requester("esme", keystore)
    async with requester.connected(esme_broker, {esme_party.supplier.remote.recipient}):
        yield Service(requester, esme_party.supplier, esme_clock.factor)


@pytest.mark.esme(broker="embedded", clock="scaled:10", latency="100ms")
async def test_the_service_tries_again(service, esme_meter, esme_faults, day):
    with esme_faults(NoReply(), meters=esme_meter, calls="1-2") as fault:
        await service.read(esme_meter, day, retries=20)
    assert len(fault.fired) == 2
    assert esme_meter.hits("4.8.1") == service.attempts >= 3


@pytest.mark.esme(broker="embedded", clock="scaled:20")
async def test_the_service_gives_up(service, esme_meter, esme_faults, day):
    with esme_faults(NoReply(), meters=esme_meter), pytest.raises(NoReplyError, match="2 commands"):
        await service.read(esme_meter, day, retries=1)
    assert service.attempts == 2
    assert esme_meter.hits("4.8.1") <= 2


@pytest.fixture
def day(esme_clock):
    """Return the last whole day, as the window of a read."""
    return window_of(None, esme_clock.now())
