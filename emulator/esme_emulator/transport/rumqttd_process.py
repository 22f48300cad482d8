"""The process of the MQTT 5 broker: a script that runs rumqttd until its stdin ends.

rumqttd cannot be stopped, and prints its panics, so it has a process of its own. The argument is
its configuration. stdout gets a line when it starts to listen, and a line for each connection that
fails. Knows nothing of the rest of this package, so that it starts quickly.
"""

import logging
import os
import sys
import tempfile
import threading

from iotcore import IotCoreBroker


class _Lines(logging.Handler):
    """Writes each record as a line to stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)  # noqa: T201


def _end_with_stdin() -> None:
    """End this process with its parent, however that ends."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Run a broker with the configuration of the first argument."""
    logging.basicConfig(handlers=[_Lines()], level=logging.CRITICAL)
    # rumqttd logs errors for every message, except in this module.
    logging.getLogger("rumqttd.server.broker").setLevel(logging.ERROR)
    logging.getLogger("iotcore.broker").setLevel(logging.INFO)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    # The configuration is read here once, so the file is gone before the broker starts.
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(sys.argv[1])
        file.flush()
        broker = IotCoreBroker(config_path=file.name)
    broker.run_forever()


if __name__ == "__main__":
    main()
