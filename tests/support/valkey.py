"""A Valkey or Redis server of our own on a free loopback port, for tests that need a real one.

Knows the binary (Debian packages `valkey-server` and `redis-server`, 7.0 or newer) and its options.
Starts, stops, kills and restarts that one process and touches no other.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.mosquitto import free_port
from tests.support.programs import skip

_FOLDERS = "/usr/bin:/usr/local/bin:/usr/sbin:/usr/local/sbin"
BINARY = shutil.which("valkey-server", path=_FOLDERS) or shutil.which("redis-server", path=_FOLDERS)
MISSING = "neither valkey-server nor redis-server is installed (apt-get install redis-server)"

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
"""What was acknowledged survives the death of the server, and a power cut."""
BEHIND = ("--appendonly", "yes", "--appendfsync", "everysec")
"""It is faster, and some seconds may go with the server, which writes later if its disk is slow."""


class ValkeyServer:
    """A server that keeps port and data from one start to the next; as context manager, it runs.

    `folder` takes its data; `options` are further ones of its command line. Skips the test if no
    server is installed.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = DURABLE) -> None:
        if BINARY is None:
            skip(MISSING)
        self.port = free_port()
        self._command = [
            *(BINARY, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)),
            *("--daemonize", "no", "--save", "", *options),
        ]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where clients find the server."""
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def resident(self) -> int:
        """Octets of memory that it takes; 0 while it does not run."""
        if self._process is None:
            return 0
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def start(self) -> None:
        """Start it and return when it takes connections. Raises `OSError` with its words if not."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        for line in self._process.stdout or ():
            if "Ready to accept connections" in line:
                return
            said.append(line)
        self.kill()
        raise OSError(f"{BINARY} does not start: {' '.join(said)}")

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=10)
            self._process = None

    def suspend(self) -> None:
        """Have it hang with SIGSTOP: connections stay, and nothing is answered."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again on the same port, with the same data."""
        self.kill()
        self.start()

    def __enter__(self) -> "ValkeyServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
