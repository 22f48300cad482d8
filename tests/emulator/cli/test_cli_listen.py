"""`--listen`: other machines reach broker and control interface, which then needs a token."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from esme_emulator.cli.main import main


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
