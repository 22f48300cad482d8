"""Starting processes that leave Ctrl-C to whoever started them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Let no interrupt through, nor to a process that is started meanwhile, ever.

    Ctrl-C, and the end of a terminal, go to every process of it. Here they are for the first one,
    which tells the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
