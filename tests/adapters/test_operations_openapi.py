"""The sandbox's published OpenAPI document against the bridge's own table: written apart, they must agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from nexo_bridge.ppaas.answers import outcome
from nexo_bridge.ppaas.models import NotSent, Unknown
from nexo_bridge.ppaas.operations import OPERATIONS, Operation

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "docs" / "sandbox-openapi.json").read_text(encoding="utf-8")
)
CERTAIN = frozenset({400, 403, 404, 415, 422, 429})


def documented() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Operation id → method, path and all that is said of it."""
    return {
        said["operationId"]: (method.upper(), path, said)
        for path, methods in DOCUMENT["paths"].items()
        for method, said in methods.items()
    }


def schema(reference: dict[str, Any]) -> dict[str, Any]:
    """What ``reference`` stands for."""
    name = str(reference.get("$ref", "")).rpartition("/")[2]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][name] if name else reference
    return found


def test_every_row_is_documented_and_every_call_of_a_device_has_its_row() -> None:
    calls = {name for name, (_, _, said) in documented().items() if said["x-base"] == "device_api"}
    assert calls == set(OPERATIONS)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_method_path_and_parameters(row: Operation) -> None:
    method, path, said = documented()[row.name]
    assert (method, path, said["x-base"]) == (row.method, row.path, row.base)
    parameters = {(one["in"], one["name"]) for one in said.get("parameters", ())}
    wanted = {("path", name) for name in re.findall(r"\{(\w+)\}", row.path)}
    if row.answer == "find":
        wanted.add(("query", "clientTransactionId"))
    assert parameters == wanted


def agrees(model: type[BaseModel], published: dict[str, Any]) -> None:
    """Whatever ``model`` sends is allowed, and whatever is required is sent always."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(fields) <= set(published["properties"]), model.__name__
    always = {
        name for name, field in fields.items() if field.is_required() or field.get_default() is not None
    }
    assert set(published["required"]) <= always, model.__name__
    for name, field in fields.items():
        said = published["properties"][name]
        said = schema(next((one for one in said.get("anyOf", ()) if one.get("type") != "null"), said))
        kinds = [field.annotation, *get_args(field.annotation)]
        nested = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None
        )
        if nested is not None:
            agrees(nested, said)
        elif get_origin(field.annotation) is Literal and "enum" in said:
            assert set(get_args(field.annotation)) <= set(said["enum"]), name
        if "maxLength" in said:
            longest = [getattr(mark, "max_length", None) for mark in field.metadata]
            assert all(limit is None or limit <= said["maxLength"] for limit in longest), name


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_bodies(row: Operation) -> None:
    content = documented()[row.name][2].get("requestBody", {}).get("content", {})
    if row.body is None:
        assert not content
        return
    assert set(content) == {"application/json"}
    agrees(row.body, schema(content["application/json"]["schema"]))


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_each_documented_refusal_is_read_by_rule_r4(row: Operation) -> None:
    for text in documented()[row.name][2]["responses"]:
        status = int(text)
        if status < 300:
            continue
        body = b'{"code":"SOME_CODE"}'
        heard = outcome(row, status, {"content-type": "application/problem+json"}, body)
        if row.reads:
            assert heard.kind == (
                "absent" if status == 404 and row.answer in {"read", "find"} else "unknown"
            ), text
        elif status in CERTAIN or status == 401:
            assert isinstance(heard, NotSent), text
            assert heard.code == "SOME_CODE"
        else:
            assert isinstance(heard, Unknown), text
