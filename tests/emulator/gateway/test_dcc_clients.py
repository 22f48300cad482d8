"""DCC's own npm packages as the user: they sign, validate, and find certificates."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.emulator.cli.test_cli_processes import METER, running
from tests.support.duis import DUIS, needs_duis
from tests.support.mosquitto import free_port

pytestmark = [pytest.mark.processes, needs_duis]

PACKAGES = (
    "@smartdcc/duis-parser@0.6.0",
    "@smartdcc/duis-sign-wrap@0.1.2",
    "@smartdcc/dccboxed-keystore@0.4.2",
)
GUARD = 120

CLIENT = """
const http = require('http');
const { signDuis, validateDuis } = require('@smartdcc/duis-sign-wrap');
const { parseDuis, constructDuis } = require('@smartdcc/duis-parser');
const { search } = require('@smartdcc/dccboxed-keystore/dist/certificateSearch');
const [duis, smki, port, path] = process.argv.slice(2);

async function main() {
  const xml = require('fs').readFileSync(path);
  const arrived = new Promise((resolve) => {
    http.createServer((request, answer) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        answer.writeHead(204).end();
        resolve(Buffer.concat(chunks));
      });
    }).listen(Number(port), '127.0.0.1');
  });
  const request = await signDuis({ xml });
  const answer = await fetch(`${duis}/api/v1/serviceS`, {
    method: 'POST', body: request, headers: { 'content-type': 'application/xml' },
  });
  const first = parseDuis('simplified', await validateDuis({ xml: await answer.text() }));
  const second = parseDuis('simplified', await validateDuis({ xml: await arrived }));
  const wanted = {
    q: { CertificateSubjectAltName: '00-db-e5-00-00-00-00-00' },
    CertificateUsage: 'KA',
    CertificateStatus: 'I',
  };
  const found = await search(wanted, smki);
  console.log(JSON.stringify({
    status: answer.status,
    codes: [first.header.responseCode, second.header.responseCode],
    certificates: found.length,
  }));
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages, from GBCS_NPM or the registry."""
    for program in ("node", "npm", "java"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = Path(os.environ.get("GBCS_NPM") or tmp_path_factory.mktemp("npm"))
    if not (folder / "node_modules").is_dir():
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
        try:
            done = subprocess.run(install, cwd=folder, capture_output=True, timeout=GUARD)
        except subprocess.TimeoutExpired:
            pytest.skip("npm has not installed DCC's packages in time")
        if done.returncode:
            pytest.skip(f"npm cannot install DCC's packages: {done.stderr.decode():.200}")
    return folder


def test_dccs_clients_sign_validate_and_find_certificates(packages: Path, tmp_path: Path) -> None:
    template = DUIS / "requests" / "ECS22b_4.8.1_SINGLE_SUCCESS_REQUEST_DUIS.XML"
    request = tmp_path / "request.xml"
    text = template.read_text().replace("00-DB-12-34-56-78-90-A0", "00-DB-E5-00-00-00-00-00")
    request.write_text(text)
    assert METER == "00DBE50000000000"
    assert "00-DB-E5-00-00-00-00-00" in text
    (packages / "client.js").write_text(CLIENT)
    port = free_port()
    options = ("--meters", 1, "--profile", "single", "--port", 0, "--store", "memory:")
    doors = ("--duis", 0, "--smki", 0, "--parties", DUIS / "keystore.json")
    outbox = ("--outbox", tmp_path / "outbox.sqlite", "--expired-certificates")
    address = ("--respond-to", f"http://127.0.0.1:{port}/", "--respond-after", "0s")
    with running("serve", *options, *doors, *outbox, *address) as served:
        urls = served.started["duis"], served.started["smki"]
        done = subprocess.run(
            ["node", "client.js", *urls, str(port), str(request)],
            cwd=packages,
            capture_output=True,
            timeout=GUARD,
        )
        assert done.returncode == 0, done.stderr.decode()
        served.process.send_signal(signal.SIGTERM)
        served.process.communicate(timeout=30)
    form = json.loads(done.stdout.splitlines()[-1])
    assert form == {"status": 200, "codes": ["I99", "I0"], "certificates": 1}
