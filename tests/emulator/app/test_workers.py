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
def test_workers_start_report_their_urls_and_end(number: int, tmp_path: Path) -> None:
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


def test_an_interrupt_ends_workers_even_if_the_parent_ignored_it(tmp_path: Path) -> None:
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


def test_without_a_broker_all_workers_end_with_one_reason() -> None:
    with pytest.raises(WorkerError, match=r"^worker [01]: no MQTT broker at"):
        run(NOWHERE, 2)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("number", "control", "reason"),
    [(6, None, "6 workers for 5 meters"), (2, 65535, "2 control interfaces from port 65535 on")],
)
def test_wrong_numbers_are_refused_before_a_worker_starts(
    number: int, control: int | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        run(NOWHERE, number, control)
