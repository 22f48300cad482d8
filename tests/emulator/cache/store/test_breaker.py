"""The circuit breaker: no call waits for a store that is away, and one probe finds it back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from esme_emulator.cache.store.base import (
    PROBE_SECONDS,
    Breaker,
    NotAskedError,
    StoreAwayError,
    StoreError,
)
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.tasks import Tasks
from tests.support.waiting import settle


class Hanging(MemoryStore):
    """A store that answers nothing while it hangs, until a call is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = True
        self.asked: list[asyncio.Future[None]] = []

    async def reserve(self, earliest: int, size: int) -> int:
        if self.hangs:
            self.asked.append(asyncio.get_running_loop().create_future())
            await self.asked[-1]
        return await super().reserve(earliest, size)

    async def time_out(self, number: int) -> None:
        self.asked[number].set_exception(StoreAwayError("no answer"))
        await settle()


@dataclass
class Asking:
    tasks: Tasks
    real: ManualClock = field(default_factory=lambda: ManualClock(1e9))
    store: Hanging = field(default_factory=Hanging)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.store, self.real, self.tasks)

    async def ask(self) -> int:
        return await self.breaker.ask(self.store.reserve, 0, 1)

    async def later(self) -> None:
        await self.real.advance(PROBE_SECONDS)
        await settle()


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    async with Tasks() as tasks:
        yield Asking(tasks)


async def test_the_first_call_that_finds_the_store_away_ends_the_others(asking: Asking) -> None:
    calls = [asyncio.ensure_future(asking.ask()) for _ in range(5)]
    await settle()
    assert not any(call.done() for call in calls)
    await asking.store.time_out(3)
    failed = [type(call.exception()) for call in calls]
    assert failed == [*[NotAskedError] * 3, StoreAwayError, NotAskedError]


async def test_while_the_store_is_away_calls_fail_at_once_and_one_probe_runs(
    asking: Asking,
) -> None:
    call = asyncio.ensure_future(asking.ask())
    await settle()
    await asking.store.time_out(0)
    with pytest.raises(StoreAwayError):
        await call
    for probes in (1, 2):
        await asking.later()
        for _ in range(3):
            with pytest.raises(NotAskedError, match="no answer"):
                await asking.ask()
        await asking.later()
        assert len(asking.store.asked) == 1 + probes, "one probe, however long it takes"
        await asking.store.time_out(probes)


async def test_the_store_is_asked_again_after_a_probe_is_answered(asking: Asking) -> None:
    call = asyncio.ensure_future(asking.ask())
    await settle()
    await asking.store.time_out(0)
    assert isinstance(call.exception(), StoreAwayError)
    asking.store.hangs = False
    with pytest.raises(NotAskedError):
        await asking.ask()
    await asking.later()
    assert await asking.ask() == 0, "probes take no device counter"


async def test_an_error_of_a_store_that_answers_is_passed_on_and_it_is_asked_again(
    asking: Asking,
) -> None:
    asking.store.hangs = False

    async def full() -> None:
        raise StoreError("the server says: no room")

    for _ in range(2):
        with pytest.raises(StoreError, match="no room"):
            await asking.breaker.ask(full)
    assert await asking.ask() == 0


async def test_a_probe_that_is_answered_with_an_error_is_an_answer(asking: Asking) -> None:
    call = asyncio.ensure_future(asking.ask())
    await settle()
    await asking.store.time_out(0)
    assert isinstance(call.exception(), StoreAwayError)
    await asking.later()
    asking.store.asked[1].set_exception(StoreError("the server says: no room"))
    await settle()
    asking.store.hangs = False
    assert await asking.ask() == 0
