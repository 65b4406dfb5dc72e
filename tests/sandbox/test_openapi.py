from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexo_bridge.ppaas.operations import OPERATIONS
from nexo_bridge.sandbox.openapi import as_text, document
from nexo_bridge.sandbox.routes import ROUTES
from nexo_bridge.sandbox.server import Sandbox

COMMITTED = Path(__file__).parents[2] / "docs" / "sandbox-openapi.json"


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value.removeprefix("#/components/schemas/")
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_the_committed_document_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == as_text(), (
        "write it anew: python -m nexo_bridge.sandbox.openapi > docs/sandbox-openapi.json"
    )


def test_every_reference_has_its_schema() -> None:
    described = document()
    assert set(_references(described)) == set(described["components"]["schemas"])


async def test_every_operation_is_served(
    sandbox: Sandbox, device: Callable[[str], Awaitable[httpx.AsyncClient]]
) -> None:
    client = await device("POI00001")
    for path, operations in json.loads(COMMITTED.read_text(encoding="utf-8"))["paths"].items():
        for method, operation in operations.items():
            url = sandbox.bases[operation["x-base"]] + path.replace("{transactionId}", "txn_none")
            answer = await client.request(method, url)
            assert str(answer.status_code) in operation["responses"], operation["operationId"]
            assert answer.status_code != 405


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_described(route: Any) -> None:
    described = document()["paths"][route.template][route.method.lower()]
    assert described["operationId"] == route.name
    assert ("requestBody" in described) == (route.method == "POST")


def test_the_bridge_s_table_has_the_same_rows() -> None:
    served = {(route.name, route.method, route.template) for route in ROUTES if route.base == "device_api"}
    assert {(row.name, row.method, row.path) for row in OPERATIONS.values()} == served
