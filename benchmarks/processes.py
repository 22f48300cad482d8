"""Processes that a measurement runs beside itself."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(module: str, *arguments: str) -> Iterator[None]:
    """Run a Python module that prints a line when it is ready, and stop it at the end."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit(f"{module} did not start")
        yield
    finally:
        process.terminate()
        process.communicate()
