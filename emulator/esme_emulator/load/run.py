"""Run a load in this process or in several, and check its limits every second."""

import asyncio
import time
from collections.abc import Callable, Sequence

from esme_emulator.estate.estate import EstateSource
from esme_emulator.load.abort import AbortRule, first_exceeded
from esme_emulator.load.generator import Generator, MonotonicClock
from esme_emulator.load.plan import LoadError, Plan
from esme_emulator.load.result import LoadResult, make_result
from esme_emulator.load.tally import Live, Tally, percentile
from esme_emulator.load.workers import LoadWorkers, WorkerLostError
from esme_emulator.transport import Broker

Watch = Callable[[Live], None]
"""Receives the figures of every second."""

GONE = 3
"""Seconds without a connection after which a load ends. Users would wait out a shorter outage, and
after a longer one the figures mean nothing."""


class Outage:
    """Counts consecutive seconds without a connection."""

    def __init__(self) -> None:
        self._seconds = 0

    def exceeded(self, is_up: bool, elapsed: float) -> str | None:
        """Count a second, `elapsed` after the start; return a message if the outage is too long."""
        self._seconds = 0 if is_up else self._seconds + 1
        if self._seconds < GONE:
            return None
        began = max(elapsed - self._seconds, 0.0)
        return (
            f"the connection to the broker was lost {began:.0f} s after the start, "
            f"and not restored within {GONE} s"
        )


class Load:
    """One load on `broker`.

    Several workers need the URL of a broker. `rules` are evaluated every second and at the end,
    over the last `window` seconds. `shared` is whether meters or cache run in this process too.
    """

    def __init__(
        self,
        scenario: str,
        plan: Plan,
        source: EstateSource,
        broker: Broker,
        *,
        rules: Sequence[AbortRule] = (),
        window: int = 5,
        shared: bool = False,
    ) -> None:
        self._scenario = scenario
        self._plan = plan
        self._source = source
        self._broker = broker
        self._rules = rules
        self._shared = shared
        self._ended: str | None = None
        self._running: Generator | LoadWorkers | None = None
        self.tally = Tally(window)

    def interrupt(self, why: str = "interrupted") -> None:
        """Break the load off; only the first reason counts."""
        self._ended = self._ended or why
        if self._running is not None:
            self._running.break_off()

    async def run(self, watch: Watch) -> LoadResult:
        """Run the load, call `watch` every second, and return the result.

        Raises `TransportError` if there is no broker, and `LoadError` if a party has no keys or
        workers have no URL.
        """
        started: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def begin() -> float:
            at = MonotonicClock().now()
            started.set_result(at)
            return at

        plan, first_counter = self._plan, time.time_ns() // 1000
        generator = Generator(plan, self._source.estate(), 0, first_counter)
        if plan.workers > 1:
            if not isinstance(self._broker, str):
                raise LoadError(f"{plan.workers} workers need the URL of a broker")
            workers = LoadWorkers(plan, self._source, self._broker, first_counter)
            self._running = workers
            running = workers.run(started, self.tally.add)
        else:
            self._running = generator
            running = generator.run(self._broker, begin, self.tally.add)
        if self._ended is not None:
            self._running.break_off()
        watching = asyncio.create_task(self._watch(started, watch))
        try:
            await running
        except WorkerLostError as error:
            self._ended = str(error)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self._ended is None:
            self._check_rest()
        if self._ended is None and not self.tally.is_up:
            self._ended = "aborted: there was no connection to the broker at the end"
        elapsed = MonotonicClock().now() - started.result() if started.done() else 0.0
        return make_result(
            self._scenario,
            self._plan,
            self.tally,
            ended=self._ended,
            elapsed=max(elapsed, 0.0),
            shared=self._shared,
        )

    def _check_rest(self) -> None:
        """Evaluate the rules again, with the counts after the last whole second."""
        self.tally.close_second()
        said = first_exceeded(self._rules, self.tally.recent)
        if said is not None:
            self._ended = f"aborted: {said}"

    async def _watch(self, started: "asyncio.Future[float]", watch: Watch) -> None:
        start = await asyncio.shield(started)
        clock, outage = MonotonicClock(), Outage()
        number = 0
        while True:
            number += 1
            await clock.sleep(max(start + number - clock.now(), 0))
            second, elapsed = self.tally.close_second(), clock.now() - start
            watch(live(self.tally, elapsed, self._plan.warm_up))
            said = outage.exceeded(second.is_up, elapsed)
            said = said or first_exceeded(self._rules, self.tally.recent)
            if said is not None:
                self.interrupt(f"aborted: {said}")


def live(tally: Tally, elapsed: float, warm_up: float) -> Live:
    """Return the figures of the last second in `tally`."""
    last = tally.recent[-1]
    p99 = percentile(last.latencies, 0.99)
    return Live(
        elapsed=elapsed,
        sent_rate=float(last.made),
        answered_rate=float(len(last.latencies)),
        in_flight=last.in_flight,
        p99=None if p99 is None else p99 * 1000,
        failed=tally.failed(),
        warming_up=elapsed < warm_up,
    )
