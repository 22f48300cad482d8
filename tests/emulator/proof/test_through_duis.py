"""A proof whose parties are users of DUIS: the same figures, and a ledger from request to meter."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("signxml", reason="DUIS needs the extra duis")

from esme_emulator.gateway.documents import RequestId
from esme_emulator.proof.report.write import ledger
from esme_emulator.proof.run import Proof, Proved
from esme_emulator.scenario.file import load_scenario, resized
from esme_emulator.transport import MemoryBroker


async def proved(name: str, meters: int, folder: Path, *, duis: bool) -> Proved:
    scenario = resized(load_scenario(name), None, meters)
    folder.mkdir()  # noqa: ASYNC240  # an empty folder of the test
    proof = Proof(scenario, MemoryBroker(), folder, duis=duis)
    return await proof.run(lambda title, total: lambda steps=1: None)


def lines(found: Proved) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("\n".join(ledger(found.evidence)))))


@pytest.mark.parametrize("name", ["quickstart", "sms-wake"])
async def test_figures_are_those_of_the_same_requests_on_mqtt(name: str, tmp_path: Path) -> None:
    plain = await proved(name, 6, tmp_path / "mqtt", duis=False)
    through = await proved(name, 6, tmp_path / "duis", duis=True)
    codes = through.result.duis_codes
    assert codes["I99"] == codes["I0"] + codes.get("E21", 0) > 0
    assert replace(through.result, duis_codes={}) == plain.result
    assert through.result.ledger_difference == 0
    assert plain.result.duis_codes == {}


async def test_the_ledger_closes_from_the_request_to_the_meter(tmp_path: Path) -> None:
    found = lines(await proved("quickstart", 6, tmp_path / "duis", duis=True))
    for line in found:
        identities = [RequestId.parse(text) for text in line["request_ids"].split()]
        codes = line["codes"].split()
        assert len(identities) == int(line["attempts"]) == len(codes) / 2
        assert {str(each.target) for each in identities} == {line["device"]}
        assert {str(each.originator) for each in identities} == {line["originator"]}
        assert codes == ["I99", "I0"] * len(identities)
        forwarded = line["decision"] in ("direct", "forwarded")
        assert int(line["received"]) == forwarded
        assert (line["reply"], line["check"]) == ("accepted", "same")
    assert {line["decision"] for line in found} == {"direct", "hits", "forwarded"}
    assert len({line["request_ids"] for line in found if line["run"] == "cached"}) * 2 == len(found)


async def test_the_front_door_refuses_what_the_cache_would(tmp_path: Path) -> None:
    plain = await proved("change-of-supplier", 12, tmp_path / "mqtt", duis=False)
    through = await proved("change-of-supplier", 12, tmp_path / "duis", duis=True)
    one, other = plain.result, through.result
    assert (one.refused, one.requests) == (other.refused, other.requests)
    assert other.refused > 0
    assert sum(other.refusals.values()) == other.refused
    assert {reason.split()[-1] for reason in other.refusals} == {"E4"}
    assert other.duis_codes["E4"] == 2 * other.refused
    assert (one.by_srv, one.by_party, one.device_hits_cached) == (
        other.by_srv,
        other.by_party,
        other.device_hits_cached,
    )
    assert (other.ledger_difference, other.replies_different) == (0, 0)
    refused = [line for line in lines(through) if line["codes"] == "E4"]
    assert {(line["attempts"], line["received"]) for line in refused} == {("0", "0")}


async def test_a_retry_is_a_request_of_its_own(tmp_path: Path) -> None:
    """A repeated RequestID would be answered by the front door, and reach no meter."""
    through = await proved("retry-storm", 4, tmp_path / "duis", duis=True)
    result = through.result
    assert result.duis_codes["E21"] > 0
    assert (result.ledger_difference, result.replies_different) == (0, 0)
    tried = [line for line in lines(through) if int(line["attempts"]) > 1]
    assert tried
    for line in tried:
        identities = line["request_ids"].split()
        assert len(set(identities)) == len(identities) == int(line["attempts"])
        assert line["codes"].split()[:2] == ["I99", "E21"]
