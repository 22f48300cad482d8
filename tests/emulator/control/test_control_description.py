"""The OpenAPI description is complete, and needs no network."""

from typing import Any

import httpx
import pytest

from esme_emulator.faults.kind import FAULTS
from tests.support.estate import METER

PATHS = {
    "/": ["GET"],
    "/cache": ["GET"],
    "/cache/entries": ["GET", "DELETE"],
    "/cache/replies": ["GET"],
    "/cache/registry": ["GET"],
    "/cache/registry/change-of-supplier": ["POST"],
    "/cache/registry/change-of-tenancy": ["POST"],
    "/cache/registry/registrations": ["POST"],
    "/clock": ["GET", "PUT"],
    "/clock/advance": ["POST"],
    "/counters": ["GET"],
    "/counters/export": ["GET"],
    "/counters/reset": ["POST"],
    "/faults": ["GET", "POST", "DELETE"],
    "/faults/kinds": ["GET"],
    "/faults/log": ["GET"],
    "/faults/{name}": ["DELETE"],
    "/fleet": ["GET"],
    "/duis": ["GET"],
    "/health": ["GET"],
    "/meters": ["GET"],
    "/meters/{eui}": ["GET", "PUT"],
    "/meters/{eui}/half-hours": ["GET"],
    "/meters/{eui}/state": ["PUT"],
    "/metrics": ["GET"],
    "/fleet/cut": ["POST"],
    "/fleet/latency": ["PUT"],
    "/reset": ["POST"],
    "/events": ["GET"],
    "/explain": ["POST"],
    "/requests": ["GET"],
    "/requests/{number}": ["GET"],
}


@pytest.fixture
async def description(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


async def test_every_path_is_described(client: httpx.AsyncClient, description: Any) -> None:
    found = {
        path: [method.upper() for method in described]
        for path, described in description["paths"].items()
    }
    assert found == PATHS
    assert (await client.get("/")).json() == PATHS


def test_every_operation_describes_itself_and_its_refusals(description: Any) -> None:
    for described in description["paths"].values():
        for operation in described.values():
            assert operation["description"]
            (refusal,) = operation["responses"]["4XX"]["content"].values()
            assert refusal["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert "422" not in operation["responses"]


def test_fault_rules_are_described_by_kind(description: Any) -> None:
    body = description["paths"]["/faults"]["post"]["requestBody"]
    schemas = body["content"]["application/json"]["schema"]["oneOf"]
    assert [schema["title"] for schema in schemas] == list(FAULTS)
    late = next(schema for schema in schemas if schema["title"] == "late-reply")
    assert late["properties"]["seconds"]["default"] == 30
    assert late["properties"]["probability"]["maximum"] == 1


async def test_the_example_rule_is_valid(client: httpx.AsyncClient, description: Any) -> None:
    body = description["paths"]["/faults"]["post"]["requestBody"]
    answer = await client.post("/faults", json=body["content"]["application/json"]["example"])
    assert answer.status_code == 201, answer.text
    assert not answer.json()["warnings"]


async def test_the_description_loads_nothing_from_the_internet(
    client: httpx.AsyncClient, description: Any
) -> None:
    assert "http" not in str(description["paths"])
    assert (await client.get("/redoc")).status_code == 404


async def test_the_example_of_a_meter_is_valid(client: httpx.AsyncClient, description: Any) -> None:
    body = description["paths"]["/meters/{eui}"]["put"]["requestBody"]
    example = body["content"]["application/json"]["example"]
    answer = await client.put(f"/meters/{METER}", json=example)
    assert answer.status_code == 200, answer.text
    assert answer.json()["own"] == sorted(example)
