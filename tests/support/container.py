"""The image of examples/docker-compose, and two machines to try it without Docker.

The machines are network namespaces that a pair of virtual interfaces connects, as the bridge of a
container engine connects containers. The tests that use them need root and iproute2.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.programs import skip
from tests.support.rtds import ROOT

COMPOSE = ROOT / "examples" / "docker-compose"

SERVER = "192.0.2.1"
"""Address of the machine that serves."""
_CLIENT = "192.0.2.2"

_IP = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")


def dockerfile() -> dict[str, Any]:
    """Return the files to copy, and the words of HEALTHCHECK, ENTRYPOINT and CMD."""
    found: dict[str, Any] = {"COPY": []}
    for line in (COMPOSE / "Dockerfile").read_text("utf-8").splitlines():
        name, _, value = line.partition(" ")
        if name == "COPY":
            found[name].append(value)
        elif name in ("HEALTHCHECK", "ENTRYPOINT", "CMD"):
            found[name] = json.loads(value[value.index("[") :])
    return found


@contextmanager
def two_machines() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words that run a command on the machine that serves, and on its client.

    Skips the test if namespaces cannot be made here.
    """
    if _IP is None:
        skip("ip is not installed (apt-get install iproute2)")
    assert _IP is not None
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    names = server, client = [f"esme-{os.getpid()}-{role}" for role in ("server", "client")]
    try:
        for name in names:
            _ip("netns", "add", name)
        pair = ("type", "veth", "peer", "name", "eth0", "netns", client)
        _ip("-n", server, "link", "add", "eth0", *pair)
        for name, address in ((server, SERVER), (client, _CLIENT)):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", "eth0")
            for link in ("eth0", "lo"):
                _ip("-n", name, "link", "set", link, "up")
        yield [_IP, "netns", "exec", server], [_IP, "netns", "exec", client]
    finally:
        for name in names:
            subprocess.run([_IP, "netns", "delete", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    """Run `ip`. Skips the test if it may not do so, as in a container without CAP_NET_ADMIN."""
    done = subprocess.run([str(_IP), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"network namespaces cannot be made here: {done.stderr.strip()}")
