"""Starting processes that leave Ctrl-C to whoever started them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Let no interrupt through, nor to a process that is started meanwhile, ever.

    Ctrl-C goes to every process of a terminal; here it is for the first one, which tells the
    others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
