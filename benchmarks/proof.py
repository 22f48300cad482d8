"""Proofs of growing size: processor time a request, and the memory of all processes.

Each proof is a process of its own, with its workers or its embedded broker as children. Processor
time is that of all of them. Memory is their proportional set size (PSS), looked at twice a second.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory

REQUESTS_PER_METER = 9
SIZES = {(): (100, 500), ("--in-process",): (5_000, 50_000)}
"""Meters of the proofs, by the options of `esme prove`."""


def main() -> None:
    print("proof: quickstart, both runs with judge and report")
    for options, sizes in SIZES.items():
        for meters in sizes:
            seconds, megabytes = _prove(meters, options)
            each = 1000 * seconds / (REQUESTS_PER_METER * meters)
            print(
                f"  {meters:6,} meters {' '.join(options):12}  {seconds:7.1f} s of processor time, "
                f"{each:5.2f} ms a request, peak {megabytes:4.0f} MB"
            )


def _prove(meters: int, options: Sequence[str]) -> tuple[float, float]:
    """Return processor time in seconds, and peak memory in MB, of one proof."""
    command = [sys.executable, "cli.py", "prove", "--meters", str(meters), *options]
    before, peak = _seconds(), 0
    with TemporaryDirectory() as folder:
        proof = subprocess.Popen([*command, "--report", folder], stderr=subprocess.DEVNULL)
        while proof.poll() is None:
            peak = max(peak, sum(map(_memory, _family(proof.pid))))
            time.sleep(0.5)
    if proof.returncode:
        sys.exit(f"proof: {' '.join(command)} ended with exit code {proof.returncode}")
    return _seconds() - before, peak / 1000


def _seconds() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for child in _read(f"/proc/{pid}/task/{pid}/children").split():
        yield from _family(int(child))


def _memory(pid: int) -> int:
    """Return the proportional set size of a process in kB, 0 if it has ended."""
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
