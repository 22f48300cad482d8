"""Being interrupted: Ctrl-C and the signal that ends a service or a CI job, as one.

Knows signals, and nothing of what they interrupt.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGINT and SIGTERM interrupt, also where who started us has SIGINT ignored.

    Either raises `KeyboardInterrupt`, or cancels what `asyncio.run` runs. In the main thread only.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(
            signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)
        ),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
