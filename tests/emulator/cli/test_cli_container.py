"""The image of examples/docker-compose, run as its container is: one machine asks another.

The commands are those of the Dockerfile, but with the `esme` of this checkout.
"""

import json
import subprocess
import sys

import pytest

from tests.emulator.cli.test_cli_processes import DAY, GUARD, METER, esme, running
from tests.support.container import SERVER, dockerfile, two_machines

pytestmark = pytest.mark.processes

TOKEN = "0123456789abcdef"

GET = """
import http.client, sys
path, *tokens = sys.argv[2:]
connection = http.client.HTTPConnection(sys.argv[1], 8080)
connection.request("GET", path, headers={"Authorization": f"Bearer {each}" for each in tokens})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


def output(*words: str, code: int = 0) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=GUARD, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_a_container_is_reached_from_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    image = dockerfile()
    assert image["ENTRYPOINT"] == ["esme"]
    python, *script = image["HEALTHCHECK"]
    assert python == "python"
    monkeypatch.setenv("ESME_CONTROL_TOKEN", TOKEN)
    with two_machines() as (server, client):

        def get(path: str, *tokens: str) -> tuple[str, str]:
            status, _, body = output(
                *client, sys.executable, "-c", GET, SERVER, path, *tokens
            ).partition(" ")
            return status, body

        with running(*image["CMD"], within=server):
            output(*server, sys.executable, *script)
            status, body = get("/health")
            assert (status, json.loads(body)["up"]) == ("200", True)
            assert get("/fleet")[0] == get("/fleet", "wrong")[0] == get("/metrics")[0] == "401"
            status, body = get("/fleet", TOKEN)
            assert (status, json.loads(body)["meters"]) == ("200", 100)
            assert "esme_up 1.0" in get("/metrics", TOKEN)[1]
            broker = ("--broker", f"mqtt://{SERVER}:1883")
            reads = [
                esme("read", METER, "4.8.1", *DAY, *broker, "--json", within=client)
                for _ in range(2)
            ]
            first, second = (json.loads(read.stdout) for read in reads)
            assert first["cache_status"] == "s1sp; fwd=miss; stored"
            assert second["cache_status"].startswith("s1sp; hit")
            assert first["rows"] == second["rows"]
            assert len(first["rows"]) == 49
            counters = esme("counters", f"http://{SERVER}:8080", "--json", within=client)
            assert json.loads(counters.stdout)["device_hits"] == 1
        output(*server, sys.executable, *script, code=1)
