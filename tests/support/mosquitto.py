"""A private mosquitto on a free loopback port, for tests that need a real MQTT 5 broker.

Needs the Debian package `mosquitto`, 2.0 or newer. Controls only the process that it started, not
the service that Debian runs on port 1883.
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
"""Without these, mosquitto waits for delayed acknowledgements and drops messages under load."""


class Mosquitto:
    """A broker with the same port after each start. As a context manager, it is running.

    `folder` receives the configuration file, and `options` are further lines of it. Skips the
    test if mosquitto is not installed.
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
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the broker and return when it listens. Raises `OSError` with its output."""
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
        """End the broker with SIGTERM: it disconnects its clients."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def kill(self) -> None:
        """End the broker with SIGKILL, like a power cut."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def restart(self) -> None:
        """Stop the broker, and start it again on the same port."""
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


DEAD_PORT = 1
"""A TCP port on which nothing listens, since no program gets it as a free one."""


def free_port() -> int:
    """Return an unused TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
