"""A private Valkey or Redis server on a free loopback port, or a cluster, for tests.

Needs the Debian package `valkey-server` or `redis-server`, 7.0 or newer. Controls only the process
that it started, not the service that Debian runs on port 6379.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.mosquitto import free_port
from tests.support.programs import skip
from tests.support.waiting import GUARD

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
        self.bus = free_port()
        """Port for the other nodes of a cluster, if it is in one."""
        self._command = [
            *(BINARY, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)),
            *("--daemonize", "no", "--save", "", "--cluster-port", str(self.bus), *options),
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


SLOTS = 16_384
NODES = 3


class ValkeyCluster:
    """A cluster of three primaries without replicas. As a context manager, it serves all slots."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [self._node(folder / f"node-{number}") for number in range(NODES)]
        self._stack = ExitStack()

    def _node(self, folder: Path) -> ValkeyServer:
        folder.mkdir(exist_ok=True)
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
        return ValkeyServer(folder, (*DURABLE, *options))

    @property
    def url(self) -> str:
        """The URL of all nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"valkey://{hosts}/0"

    def ask(self, node: int, *words: Any) -> Any:
        """Return the reply of a node to a command."""
        from valkey import Valkey  # of an extra that not all tests need

        with Valkey(port=self.nodes[node].port) as client:
            return client.execute_command(*words)

    def keys(self) -> list[list[bytes]]:
        """Return the keys of each node."""
        return [self.ask(node, "KEYS", "*") for node in range(NODES)]

    def slot(self, key: str) -> int:
        """Return the slot of a key."""
        return int(self.ask(0, "CLUSTER", "KEYSLOT", key))

    def owner(self, slot: int) -> int:
        """Return the number of the node that serves a slot."""
        for first, last, (_, port, *_), *_ in self._slots():
            if first <= slot <= last:
                return [node.port for node in self.nodes].index(port)
        raise AssertionError(f"no node serves slot {slot}")

    def name(self, node: int) -> str:
        """Return the name that a node has in the cluster."""
        return str(self.ask(node, "CLUSTER", "MYID").decode())

    def move(self, slot: int, to: int) -> None:
        """Give an empty slot to another node."""
        name = self.name(to)
        for node in (to, *(other for other in range(NODES) if other != to)):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", name)

    def _slots(self) -> list[Any]:
        """Return ranges of slots, each with its first and last slot and its node."""
        return list(self.ask(0, "CLUSTER", "SLOTS"))

    def is_served(self) -> bool:
        """Return whether every node knows the others and sees all slots served."""
        said = [self.ask(node, "CLUSTER", "INFO") for node in range(NODES)]
        return all(
            b"cluster_state:ok" in info and b"cluster_known_nodes:%d" % NODES in info
            for info in said
        )

    def __enter__(self) -> "ValkeyCluster":
        for node in self.nodes:
            self._stack.enter_context(node)
        for number in range(NODES):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            self.ask(number, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            self.ask(0, "CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
        self.wait()
        return self

    def wait(self) -> None:
        """Wait until all slots are served. Raises `TimeoutError` after `GUARD`."""
        deadline = time.monotonic() + GUARD
        while not self.is_served():
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster does not serve all slots")
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._stack.close()
