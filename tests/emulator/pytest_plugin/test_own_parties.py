"""Parties of the user's own in the plugin."""

import re
from pathlib import Path

import pytest

from esme_emulator.estate.parties import SUPPLIER
from tests.emulator.pytest_plugin.running import run
from tests.support.key_making import OTHER, OWN, PRIVATE_FILES
from tests.support.rtds import ROOT

pytest_plugins = ["pytester"]

PARTIES = f"""
[[party]]
name = "ours"
eui = "{OWN}"
roles = ["IS", "ES"]
ka = "ka.pem"

[[party]]
name = "site"
eui = "{OTHER}"
roles = ["OU"]
"""


def files(folder: Path) -> None:
    (folder / "parties.toml").write_text(PARTIES)
    (folder / "ka.pem").write_bytes(PRIVATE_FILES["pem"])


def test_own_parties_read_beside_the_emulated_ones(pytester: pytest.Pytester) -> None:
    files(pytester.path)
    run(
        pytester,
        f"""
        import pytest

        pytestmark = pytest.mark.esme(parties="parties.toml")

        async def test_all(esme_cache, esme_party, esme_meter):
            for party in (esme_party["ours"], esme_party["site"], esme_party.distributor):
                for srv in ("4.8.1", "4.8.3"):
                    reading = await party.read(esme_meter, srv, "2026-01-14")
                    assert reading.rows == esme_meter.rows(srv, "2026-01-14")
            assert esme_meter.hits() == 2
            assert esme_party["{OWN}"].remote.certificate == b""
            assert esme_party["site"].remote.behind_acb
            assert "forwarded" in str(esme_cache.decisions[0])

        async def test_names(esme_party):
            with pytest.raises(KeyError, match="no party is called x; .*, ours, site"):
                esme_party["x"]

        async def test_keys_can_be_exported(esme_fleet, esme_meter):
            own = type(esme_meter.eui).parse("{OWN}")
            assert "{OWN}" in esme_fleet.keystore.export([esme_meter.eui, own])
        """,
    ).assert_outcomes(passed=3)


def test_a_failure_names_the_own_party(pytester: pytest.Pytester) -> None:
    files(pytester.path)
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.esme(parties="parties.toml")
        async def test_one(esme_cache, esme_party, esme_meter):
            await esme_party["ours"].read(esme_meter, "4.8.1", "2026-01-14")
            assert esme_meter.hits("4.8.1") == 2
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*hit 1, answered*4.8.1*ours*"])


def test_a_wrong_file_is_one_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.esme(parties="none.toml")
        async def test_one(esme_party):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*esme: --parties none.toml: No such file or directory*"])


def test_an_own_party_is_a_user_of_duis(pytester: pytest.Pytester) -> None:
    files(pytester.path)
    page = (ROOT / "docs/duis.md").read_text("utf-8")
    [text] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    mark = '@pytest.mark.esme(parties="parties.toml")\nasync def test_'
    text = text.replace("async def test_", mark).replace(SUPPLIER.hex("-"), OWN.hex("-"))
    text = text.replace(SUPPLIER.hex("-").upper(), OWN.hex("-").upper())
    assert OWN.hex("-").upper() in text
    run(pytester, f"import pytest\n{text}").assert_outcomes(passed=1)
