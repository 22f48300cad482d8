"""A front door for DUIS, and its user, for the tests in this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from esme_emulator.app.dsp import DspOptions
from esme_emulator.gateway.deliveries import Addresses
from esme_emulator.gateway.keys import duis_registry
from esme_emulator.pytest_plugin.clock import SteppedClock, Traffic
from esme_emulator.runtime.clock import ManualClock
from tests.support.dsp_bench import KEYS, Starter
from tests.support.duis_user import Receiver, receiver
from tests.support.estate import UNIX_NOW


@pytest.fixture
async def user() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@pytest.fixture
def starter(tmp_path: Path, user: Receiver) -> Starter:
    machine = ManualClock(1000.0)
    options = DspOptions(
        keys=KEYS,
        registry=duis_registry(),
        outbox=tmp_path / "outbox.sqlite",
        port=0,
        smki_port=0,
        addresses=Addresses(user.url),
        respond_after=0.0,
        machine=machine,
    )
    traffic = Traffic()
    return Starter(options, SteppedClock(UNIX_NOW, traffic, 0.0), machine, traffic)
