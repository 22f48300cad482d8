"""Workers: processes that are started, watched, and never left behind."""

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from esme_emulator.app.services import FleetOptions
from esme_emulator.app.workers import WorkerError, run_workers
from esme_emulator.estate.estate import derived_estate
from esme_emulator.fleet.counters import Counters
from tests.support.mosquitto import Mosquitto

pytestmark = pytest.mark.processes

ESTATE = partial(derived_estate, "1", 5)
NOWHERE = "mqtt://127.0.0.1:1"


def run(broker: str, number: int, control: int | None = None) -> Counters:
    return run_workers(ESTATE, broker, "manual@2026-01-01", FleetOptions(), number, control)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_they_start_tell_where_they_are_and_end(number: int, tmp_path: Path) -> None:
    told: list[list[str | None]] = []

    def started(controls: list[str | None]) -> None:
        told.append(controls)
        assert len(multiprocessing.active_children()) == 2
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    with Mosquitto(tmp_path) as mosquitto:
        options = FleetOptions()
        counted = run_workers(ESTATE, mosquitto.url, "system", options, 2, 0, started)
    ((first, second),) = told
    assert first is not None
    assert second is not None
    assert first != second
    assert counted.device_hits == 0
    assert not multiprocessing.active_children()
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_ends_them_where_a_script_had_it_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a job in the background
    try:
        with Mosquitto(tmp_path) as mosquitto:

            def started(_: list[str | None]) -> None:
                os.kill(os.getpid(), signal.SIGINT)

            run_workers(ESTATE, mosquitto.url, "system", FleetOptions(), 2, None, started)
        assert not multiprocessing.active_children()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_there_is_no_broker_all_end_with_the_reason_of_one() -> None:
    with pytest.raises(WorkerError, match=r"^worker [01]: no MQTT broker at"):
        run(NOWHERE, 2)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("number", "control", "reason"),
    [(6, None, "6 workers for 5 meters"), (2, 65535, "2 control interfaces from port 65535 on")],
)
def test_what_cannot_be_is_said_before_anything_is_started(
    number: int, control: int | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        run(NOWHERE, number, control)
