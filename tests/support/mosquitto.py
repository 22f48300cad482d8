"""A mosquitto of our own on a free loopback port, for tests that need a real MQTT 5 broker.

Knows the mosquitto binary (Debian package `mosquitto`, 2.0 or newer) and its configuration file.
Starts, stops, kills and restarts that one process and touches no other.
"""

import shutil
import socket
import subprocess
from getpass import getuser
from pathlib import Path

from tests.support.programs import skip

BINARY = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
MISSING = "mosquitto is not installed (apt-get install mosquitto)"

_BASIC = """\
listener {port} 127.0.0.1
persistence false
connection_messages false
log_dest stderr
user {user}
"""
OPEN = ("allow_anonymous true",)
TUNED = ("set_tcp_nodelay true", "max_inflight_messages 0", "max_queued_messages 0")
"""What mosquitto needs so as neither to wait for delayed acknowledgements nor to drop messages."""


class Mosquitto:
    """A broker that keeps its port from one start to the next; as context manager, it runs.

    `folder` takes the configuration; `options` are further lines of it. Skips the test if mosquitto
    is not installed.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = OPEN + TUNED) -> None:
        if BINARY is None:
            skip(MISSING)
        self.port = free_port()
        self._configuration = folder / f"mosquitto-{self.port}.conf"
        lines = [_BASIC.format(port=self.port, user=getuser()), *options, ""]
        self._configuration.write_text("\n".join(lines))
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where clients find the broker."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the broker and return when it listens. Raises `OSError` with its words if not."""
        self._process = subprocess.Popen(
            [str(BINARY), "-c", str(self._configuration)], stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in self._process.stderr or ():
            if line.rstrip().endswith("running"):
                return
            said.append(line)
        self.kill()
        raise OSError(f"mosquitto does not start: {' '.join(said)}")

    def stop(self) -> None:
        """Let the broker say goodbye to its clients and end."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def kill(self) -> None:
        """End the broker as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    def _end(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=10)
            self._process = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
