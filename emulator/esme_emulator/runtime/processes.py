"""Processes and signals: what ends a service, and starting processes that leave Ctrl-C to us."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a service: Ctrl-C, SIGTERM, and the loss of its terminal.

    SIGHUP is left out if it is ignored, as `nohup` does.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


@contextmanager
def interruptible() -> Iterator[None]:
    """Let `ending_signals` interrupt the body, even if our parent ignores SIGINT.

    Each raises `KeyboardInterrupt`, or cancels what `asyncio.run` runs. In the main thread only.
    """
    handlers: dict[signal.Signals, Any] = dict.fromkeys(ending_signals(), _interrupt)
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Block SIGINT and SIGHUP, also in processes that are started meanwhile, for their lifetime.

    A terminal sends both to all its processes. Only the first one handles them, and then ends the
    others itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
