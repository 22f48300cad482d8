"""The process of the MQTT 5 broker: a script that runs rumqttd until its stdin ends.

rumqttd cannot be stopped, and prints its panics, so it has a process of its own. The argument is
its configuration. stdout gets `LISTENING` when it listens, and a line for each connection that
fails. Knows nothing of the rest of this package, so that it starts quickly.
"""

import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from iotcore import IotCoreBroker

LISTENING = "listening"

_PAUSE = 0.002
"""Polling interval for the listening socket, in seconds."""
_LONGEST = 200
"""Characters kept of what rumqttd logs, which may contain a whole message of a client."""


class _Log(logging.Handler):
    """Writes what rumqttd logs to stdout, and waits for the start of iotcore's broker."""

    def __init__(self) -> None:
        super().__init__()
        self.ports_are_free = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "iotcore.broker":
            self.ports_are_free.set()
        else:
            _write(record.getMessage()[:_LONGEST])


def _write(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _end_with_stdin() -> None:
    """End this process with its parent, however that ends."""
    sys.stdin.buffer.read()
    os._exit(0)


def announce(ports_are_free: threading.Event) -> None:
    """Write `LISTENING` as soon as rumqttd listens."""
    ports_are_free.wait()  # until then iotcore listens by itself, to try the ports
    while not (listeners := list(_listeners())):
        time.sleep(_PAUSE)
    for listener in listeners:
        # Connections inherit this. Without it a reply of several writes waits 40 ms for a delayed
        # acknowledgement, and rumqttd cannot be told to set it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.close()
    _write(LISTENING)


def _listeners() -> Iterator[socket.socket]:
    """Yield a copy of each socket of this process that listens."""
    for descriptor in os.listdir("/dev/fd"):
        try:
            copy = os.dup(int(descriptor))
        except OSError:  # the descriptor of the listing itself
            continue
        try:
            candidate = socket.socket(fileno=copy)
        except OSError:  # not a socket
            os.close(copy)
            continue
        if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield candidate
        else:
            candidate.close()


def main() -> None:
    """Run a broker with the configuration of the first argument."""
    log = _Log()
    logging.basicConfig(handlers=[log], level=logging.CRITICAL)
    # rumqttd logs errors for every message, except in this module.
    logging.getLogger("rumqttd.server.broker").setLevel(logging.ERROR)
    logging.getLogger("iotcore.broker").setLevel(logging.INFO)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    threading.Thread(target=announce, args=(log.ports_are_free,), daemon=True).start()
    # The configuration is read here once, so the file is gone before the broker starts.
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(sys.argv[1])
        file.flush()
        broker = IotCoreBroker(config_path=file.name)
    broker.run_forever()


if __name__ == "__main__":
    main()
