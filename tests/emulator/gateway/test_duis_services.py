"""The table of SRVs agrees with the codec's tables and with DCC's schema."""

import pytest
from lxml import etree

from esme_emulator.gateway.services import SCHEDULED, SERVICES, titled
from gbcs.tables.reading_services import READING_SERVICES
from gbcs.tables.roles import ENTITLEMENTS
from tests.support import duis

XS = "{http://www.w3.org/2001/XMLSchema}"


def test_every_read_of_the_codec_is_a_read_here() -> None:
    reads = {srv for srv, row in SERVICES.items() if row.body.reads}
    assert reads == {service.srv for service in READING_SERVICES}
    windowed = {service.srv for service in READING_SERVICES if service.windowed}
    assert {srv for srv, row in SERVICES.items() if row.logged} == windowed


def test_roles_of_reads_are_those_of_the_codec() -> None:
    assert all(SERVICES[srv].roles == roles for srv, roles in ENTITLEMENTS.items())


@pytest.mark.parametrize(
    ("srv", "shown"),
    [
        ("4.6.1", "4.6.1 Retrieve Import Daily Read Log"),
        ("4.8.1", "4.8.1 Read Active Import Profile Data"),
        ("4.1.3", "4.1.3 Read Instantaneous Import TOU With Blocks Matrices"),
        ("4.4.2", "4.4.2 Retrieve CoM Or Tariff Triggered Billing Data Log"),
        ("2.1", "2.1"),
        ("all", "all"),
    ],
)
def test_srvs_have_titles(srv: str, shown: str) -> None:
    assert titled(srv) == shown


def test_only_reads_are_scheduled() -> None:
    assert all(row.body.reads for row in SCHEDULED.values())


def test_critical_services_have_no_variant_1() -> None:
    assert all(
        row.critical != (1 in row.variants) for row in SERVICES.values() if row.variants != (8,)
    )


@duis.needs_duis
def test_srvs_and_elements_are_those_of_the_schema() -> None:
    root = etree.parse(str(duis.DUIS / "xsd" / "duis.xsd")).getroot()

    def values(name: str) -> set[str]:
        [kind] = root.iterfind(f"{XS}simpleType[@name='{name}']")
        return {str(one.get("value")) for one in kind.iter(f"{XS}enumeration")}

    assert values("ServiceReferenceVariant") == SERVICES.keys()
    assert values("ServiceReference") == {row.reference for row in SERVICES.values()}
    # 14.1, of gas meters, is the one scheduled SRV that this gateway lacks.
    scheduled = {row.srv for row in SCHEDULED.values()}
    assert values("DSPScheduledServiceReferenceVariant") - scheduled == {"14.1"}
    names = {str(one.get("name")) for one in root.iter(f"{XS}element")}
    assert {row.element for row in SERVICES.values() if row.element} <= names
    assert SCHEDULED.keys() <= names
