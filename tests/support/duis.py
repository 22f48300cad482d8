"""DUIS documents for tests, and DCC's test data for DUIS.

Looks for DCC's data in the folder of the environment variable GBCS_DUIS, or else in ../shared/duis
next to the repository. Tests that need it are skipped if it is absent.
"""

import os
from functools import cache
from pathlib import Path

import pytest

lxml = pytest.importorskip("lxml", reason="DUIS needs the extra duis")
pytest.importorskip("signxml", reason="DUIS needs the extra duis")

from lxml import etree  # noqa: E402

from esme_emulator.estate.keys import DerivedKeystore  # noqa: E402
from esme_emulator.estate.parties import SUPPLIER  # noqa: E402
from esme_emulator.gateway.documents import REQUEST_NAMESPACE, text_of  # noqa: E402
from esme_emulator.gateway.keys import DuisKeys, derived_keys  # noqa: E402
from esme_emulator.gateway.requests import Element, parse_xml  # noqa: E402
from esme_emulator.gateway.services import SERVICES, BodyKind  # noqa: E402
from esme_emulator.gateway.signature import Signer, sign  # noqa: E402
from esme_emulator.gateway.xsd import Xsd  # noqa: E402
from gbcs import EUI  # noqa: E402
from tests.support.rtds import ROOT  # noqa: E402

DUIS = Path(os.environ.get("GBCS_DUIS") or ROOT.parent / "shared" / "duis")
ABSENT = f"no test data of DUIS in {DUIS}: set GBCS_DUIS to its folder"
needs_duis = pytest.mark.skipif(not DUIS.is_dir(), reason=ABSENT)

SEED = "duis"
METER = EUI.parse("00DBE50000000000")
SR = f"{{{REQUEST_NAMESPACE}}}"
PERIOD = (
    "<sr:ReadLogPeriod><sr:StartDateTime>2026-11-28T12:00:00Z</sr:StartDateTime>"
    "<sr:EndDateTime>2026-11-28T12:30:00Z</sr:EndDateTime></sr:ReadLogPeriod>"
)


@cache
def keys() -> DuisKeys:
    return derived_keys(SEED, DerivedKeystore(SEED))


@cache
def xsd() -> Xsd:
    if not DUIS.is_dir():
        pytest.skip(ABSENT)
    return Xsd(DUIS / "xsd")


def templates() -> list[Path]:
    return sorted((DUIS / "requests").glob("*")) if DUIS.is_dir() else []


def template(path: Path) -> Element:
    """Return a request template without its placeholder of a signature."""
    root = etree.parse(str(path)).getroot()
    root.remove(root[-1])
    return root


def signer_of(eui: EUI, of: DuisKeys | None = None) -> Signer:
    return next(each for each in (of or keys()).signers.values() if each.eui == eui)


def body_of(srv: str) -> str:
    service = SERVICES[srv]
    inner = PERIOD if service.body in (BodyKind.LOG, BodyKind.PRIVATE_LOG) else ""
    return f"<sr:{service.element}>{inner}</sr:{service.element}>"


def request_text(
    srv: str,
    originator: EUI = SUPPLIER,
    target: EUI = METER,
    counter: int = 1000,
    variant: int | None = None,
    body: str | None = None,
) -> str:
    service = SERVICES[srv]
    return (
        f'<sr:Request xmlns:sr="{REQUEST_NAMESPACE}" schemaVersion="5.4"><sr:Header>'
        f"<sr:RequestID>{text_of(originator)}:{text_of(target)}:{counter}</sr:RequestID>"
        f"<sr:CommandVariant>{variant or service.variants[0]}</sr:CommandVariant>"
        f"<sr:ServiceReference>{service.reference}</sr:ServiceReference>"
        f"<sr:ServiceReferenceVariant>{srv}</sr:ServiceReferenceVariant></sr:Header>"
        f"<sr:Body>{body_of(srv) if body is None else body}</sr:Body></sr:Request>"
    )


def signed(text: str, by: EUI = SUPPLIER, of: DuisKeys | None = None) -> bytes:
    return sign(parse_xml(text.encode()), signer_of(by, of))
