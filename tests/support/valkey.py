"""A private Valkey or Redis server on a free loopback port, for tests that need a real one.

Needs the Debian package `valkey-server` or `redis-server`, 7.0 or newer. Controls only the process
that it started, not the service that Debian runs on port 6379.
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
"""Acknowledged writes survive the death of the server and a power cut."""
BEHIND = ("--appendonly", "yes", "--appendfsync", "everysec")
"""Faster, but the last seconds of writes may be lost with the server."""


class ValkeyServer:
    """A server with the same port and data after each start. As a context manager, it is running.

    `folder` receives its data, and `options` extend its command line. Skips the test if no
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
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def resident(self) -> int:
        """Resident memory in octets; 0 if it is not running."""
        if self._process is None:
            return 0
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def start(self) -> None:
        """Start it and return when it accepts connections. Raises `OSError` with its output."""
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
        """End the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=10)
            self._process = None

    def suspend(self) -> None:
        """Suspend it with SIGSTOP: connections stay open, and no request is answered."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it after `suspend`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it, and start it again on the same port with the same data."""
        self.kill()
        self.start()

    def __enter__(self) -> "ValkeyServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
