"""Being interrupted: Ctrl-C, and the signals that end a service, a CI job or a session, as one.

Knows signals, and nothing of what they interrupt.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a service: Ctrl-C, SIGTERM, and the loss of its terminal.

    SIGHUP is left out if it is ignored: so `nohup` wants it.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


@contextmanager
def interruptible() -> Iterator[None]:
    """Have `ending_signals` interrupt, also if whoever started us has SIGINT ignored.

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
