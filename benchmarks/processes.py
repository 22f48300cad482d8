"""Run other processes during a measurement."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(module: str, *arguments: str) -> Iterator[None]:
    """Run a Python module until the end of the block; it prints a line when it is ready."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit(f"{module} did not start")
        yield
    finally:
        process.terminate()
        process.communicate()
