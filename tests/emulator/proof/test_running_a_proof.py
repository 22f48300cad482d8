"""The proof passes where the cache does what it promises, and fails, saying why, where it does not.

Each way to fail is brought about at one seam, named by the test.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

import emulator.cache.policy as policy_module
import emulator.proof.run as run_module
from emulator.cache.entry import CACHED_SRVS, Entry, Key
from emulator.cache.store import MemoryStore
from emulator.device.logs import buffer
from emulator.estate import derived_estate
from emulator.counters import Stage
from emulator.fleet import Fleet, Receipt
from emulator.proof.result import ProofResult
from emulator.proof.run import NOW, run_proof
from emulator.proof.workload import make_workload
from emulator.show import proof_table
from emulator.topics import DIRECT
from emulator.transport import MemoryBroker
from gbcs import EUI, decode, encode
from gbcs.instants import DAY, to_date_time
from gbcs.usecases.profile_read import answer_profile_read

ESTATE = derived_estate("proof", 5)


def no_progress(_title: str, _total: int) -> Callable[[], None]:
    return lambda: None


async def prove() -> ProofResult:
    return await run_proof(ESTATE, MemoryBroker(), no_progress)


def unmet(result: ProofResult) -> set[str]:
    return {name for name, value in result.thresholds.items() if getattr(result, name) != value}


def shown(result: ProofResult) -> str:
    text = io.StringIO()
    proof_table(result, Console(file=text, width=200))
    return text.getvalue()


async def test_a_proof_passes_and_its_numbers_add_up() -> None:
    result = await prove()
    assert result.passed
    assert unmet(result) == set()
    assert result.ledger_difference == 0
    assert result.meters == 5
    assert result.distinct_reads == 5 * len(CACHED_SRVS)
    assert result.device_hits_direct == result.requests > result.distinct_reads
    assert result.device_hits_cached == result.forwarded == result.distinct_reads
    assert result.requests == result.forwarded + result.hits + result.collapsed
    assert (result.refused, result.failed) == (0, 0)
    assert result.replies_compared == 2 * result.requests
    assert result.replies_different == 0
    assert result.avoided_ratio == 1 - result.distinct_reads / result.requests
    for measured in (result.latency.direct, result.latency.miss):
        assert measured.p50 is not None
        assert measured.p99 is not None
        assert 0 < measured.p50 <= measured.p99
    assert "PASSED" in shown(result)


async def test_a_rerun_counts_the_same() -> None:
    first, second = (await prove()).as_dict(), (await prove()).as_dict()
    for result in (first, second):
        del result["latency"]
        # which of several waiting requests finds the store filled is a matter of timing
        result["hits"] += result.pop("collapsed")
    assert first == second


def test_the_workload_is_seeded_and_asks_twice_what_it_compares() -> None:
    def octets(seed: str) -> list[bytes]:
        asks = make_workload(ESTATE.meters, ESTATE.parties(1), NOW, seed)
        return [ask.octets for ask in asks]

    assert octets("a") == octets("a")
    assert octets("a") != octets("b")
    asks = make_workload(ESTATE.meters, ESTATE.parties(1), NOW, "a")
    counters = {(ask.command.remote_party, ask.command.originator_counter) for ask in asks}
    assert len(counters) == len(asks), "no party uses an originator counter twice"
    keys = [ask.key for ask in asks]
    assert {key.device for key in keys} == set(ESTATE.meters)
    assert {key.srv for key in keys} == set(CACHED_SRVS)
    assert all(keys.count(key) > 1 for key in keys if key.srv != "4.6.1")
    assert all(key.end <= NOW and key.end - key.start == DAY for key in keys)


async def test_it_fails_when_the_cache_is_bypassed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the prefix under which the second run asks."""
    monkeypatch.setattr(run_module, "CACHED", DIRECT)
    result = await prove()
    assert not result.passed
    assert result.avoided_ratio == 0
    assert unmet(result) == {"ledger_difference", "device_hits_cached"}
    assert "device_hits_cached is" in shown(result)
    assert "FAILED" in shown(result)


async def test_it_fails_when_the_cache_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the store."""

    class Forgetful(MemoryStore):
        async def put(self, key: Key, entry: Entry) -> None:
            """Keep nothing."""

    monkeypatch.setattr(run_module, "MemoryStore", Forgetful)
    result = await prove()
    assert not result.passed
    assert unmet(result) == {"device_hits_cached"}


@pytest.mark.parametrize("place", [-1, -40])
async def test_it_fails_when_the_octets_of_one_reply_are_altered(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seam: the function with which the cache mints replies."""
    minted = 0

    def alter_one(*args: Any) -> bytes:
        nonlocal minted
        minted += 1
        octets = bytearray(answer_profile_read(*args))
        if minted == 3:
            octets[place] ^= 1
        return bytes(octets)

    monkeypatch.setattr(policy_module, "answer_profile_read", alter_one)
    result = await prove()
    assert not result.passed
    assert result.replies_different == 1
    assert unmet(result) == {"replies_different"}
    assert "replies_different is 1 and must be 0" in shown(result)


async def test_it_fails_when_a_reply_has_the_readings_of_another_meter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: the store, which gives out readings that are authentic and another meter's."""

    class MixedUp(MemoryStore):
        async def get(self, key: Key) -> Entry | None:
            found = await super().get(key)
            others = [
                entry
                for other, entry in self._entries.items()
                if other.srv == key.srv and other.device != key.device
            ]
            return found and others[0] if others else found

    monkeypatch.setattr(run_module, "MemoryStore", MixedUp)
    result = await prove()
    assert not result.passed
    assert result.replies_different > 0
    assert "replies_different" in unmet(result)


async def test_it_fails_when_a_reply_is_authentic_and_right_but_not_the_meters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: the function with which the cache mints replies, which adds the time of day to one."""
    minted = 0

    def add_a_time(*args: Any) -> bytes:
        nonlocal minted
        minted += 1
        octets = answer_profile_read(*args)
        if minted != 3:
            return octets
        reply = replace(decode(octets), transaction_time=to_date_time(NOW), mac=b"")
        return encode(reply, ESTATE.keystore)

    monkeypatch.setattr(policy_module, "answer_profile_read", add_a_time)
    result = await prove()
    assert not result.passed
    assert result.replies_different == 1


async def test_it_fails_when_meters_themselves_give_wrong_readings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: the log that every meter answers from, whose last octet is another."""

    def wrong(*args: Any) -> bytes:
        octets = buffer(*args)
        return octets[:-1] + bytes((octets[-1] ^ 1,))

    monkeypatch.setattr("emulator.device.meter.buffer", wrong)
    result = await prove()
    assert not result.passed
    assert result.replies_different == 2 * result.requests


async def test_it_fails_when_one_device_hit_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the fleet, which does not count its seventh command of each run."""

    class Discreet(Fleet):
        seen = 0

        def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
            receipt = super().receive(device, octets, now)
            self.seen += 1
            if self.seen == 7:
                self.counters.count(Stage.RECEIVED, device, receipt.srv, receipt.outcome, -1)
            return receipt

    monkeypatch.setattr(run_module, "Fleet", Discreet)
    result = await prove()
    assert not result.passed
    assert result.ledger_difference == 2
    assert unmet(result) == {"ledger_difference", "device_hits_cached"}
    assert "ledger_difference is 2 and must be 0" in shown(result)


async def test_it_fails_when_replies_get_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the fleet, which does not reply to its seventh command of each run."""

    class Taciturn(Fleet):
        seen = 0

        def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
            receipt = super().receive(device, octets, now)
            self.seen += 1
            return Receipt(receipt.srv, receipt.outcome) if self.seen == 7 else receipt

    monkeypatch.setattr(run_module, "Fleet", Taciturn)
    monkeypatch.setattr("emulator.proof.drive.PATIENCE", 0.2)
    result = await prove()
    assert not result.passed
    assert result.replies_compared < 2 * result.requests
    assert "replies_compared" in unmet(result)


async def test_it_fails_and_says_so_when_nothing_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: the workload, which is empty."""
    monkeypatch.setattr(run_module, "make_workload", lambda *_: [])
    result = await prove()
    assert not result.passed
    assert result.requests == 0
    verdict = shown(result).split("FAILED")[1]
    assert "requests is 0" in verdict
