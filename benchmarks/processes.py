"""Run other processes during a measurement."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def started(
    module: str, *arguments: str, stderr: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run a Python module, with a pipe from its output, at most until the end of the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def running(module: str, *arguments: str) -> Iterator[None]:
    """Run a Python module until the end of the block; it prints a line when it is ready."""
    with started(module, *arguments) as process:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit(f"{module} did not start")
        yield
