"""`--listen`: other machines reach broker and control interface, which then needs a token."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from esme_emulator.cli.main import main
from tests.emulator.cli.test_cli_processes import METER, esme, running


@pytest.mark.parametrize(
    ("options", "token", "message"),
    [
        (("--listen", "0.0.0.0", "--control", "0"), None, "set ESME_CONTROL_TOKEN, or give"),
        (("--control", "0", "--listen", "::"), None, "set ESME_CONTROL_TOKEN, or give"),
        (("--listen", "here"), None, "'here' is not an IP address: 0.0.0.0 is every interface"),
        ((), "short", "ESME_CONTROL_TOKEN: a token has 16 or more ASCII characters"),
        (("--control-token-file", "none"), None, "--control-token-file none: "),
    ],
)
def test_an_open_control_interface_is_refused(
    options: tuple[str, ...],
    token: str | None,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["serve", *options], env={"ESME_CONTROL_TOKEN": token})
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.processes
def test_counters_send_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o600)
    token = ("--control-token-file", file)
    own = ("--port", 0, "--meters", 1, "--store", "memory:")
    with running("serve", *own, "--control", 0, *token) as serve:
        url = serve.started["control"]
        refused = esme("counters", url)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"esme: {url}: the token is missing or wrong".encode())
        said = esme("counters", url, "--device", METER, "--json", *token)
        assert json.loads(said.stdout) == {"device_hits": 0, "counters": []}
