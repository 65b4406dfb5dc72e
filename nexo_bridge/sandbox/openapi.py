"""The platform's operations as an OpenAPI 3.1 document, made from the routes that are really served.

``docs/sandbox-openapi.json`` is this document; a test compares. Write it anew with
``python -m nexo_bridge.sandbox.openapi > docs/sandbox-openapi.json``.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from nexo_bridge.sandbox.endings import MAGIC
from nexo_bridge.sandbox.routes import AUTHORIZE, ROUTES, Route, Verb

_TEXT = {"type": "string"}
_AMOUNT = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999}
_KEY = {"type": "string", "format": "uuid"}
_INSTANT = {"type": "string", "format": "date-time"}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


_PAYMENT_AMOUNT = _object(
    "amount currency", amount=_AMOUNT, currency={"type": "string", "pattern": "^[A-Z]{3}$"}
)
_TRANSACTION = _object(
    "transactionId clientTransactionId transactionType deviceId status paymentAmount updatedAt",
    transactionId=_TEXT,
    clientTransactionId=_KEY,
    originalTransactionId=_TEXT,
    transactionType={"type": "string", "enum": ["SALE", "CANCEL"]},
    deviceId=_TEXT,
    status={
        "type": "string",
        "enum": [
            *("PENDING", "SCANNED", "CARD_PRESENTED", "PIN_ENTRY", "AUTHORISING"),
            *("APPROVED", "PARTIALLY_APPROVED", "DECLINED", "CANCELLED", "EXPIRED"),
        ],
    },
    paymentAmount=_PAYMENT_AMOUNT,
    authorisedAmount=_AMOUNT,
    tipAmount=_AMOUNT,
    cashbackAmount=_AMOUNT,
    approvalCode=_TEXT,
    decline=_object(
        "code",
        code={
            "type": "string",
            "enum": sorted(
                {ending.code for ending in MAGIC.values() if ending.code}
                | {"TIMEOUT", "MERCHANT_CANCELLED", "TERMINAL_ABORTED", "FENCED"}
            ),
        },
        message=_TEXT,
    ),
    qrCode=_object("content", content=_TEXT, imageBase64=_TEXT, expiresAt=_INSTANT),
    paymentInstrument=_object("", brand=_TEXT, maskedPan=_TEXT, entryMode=_TEXT),
    events={
        "type": "array",
        "items": _object(
            "sequence status occurredAt", sequence={"type": "integer"}, status=_TEXT, occurredAt=_INSTANT
        ),
    },
    updatedAt=_INSTANT,
)
_SCHEMAS: dict[str, Any] = {
    "Transaction": _TRANSACTION,
    "Transactions": {"type": "array", "items": {"$ref": "#/components/schemas/Transaction"}},
    "Fenced": _object(
        "found", found={"type": "boolean"}, transaction={"$ref": "#/components/schemas/Transaction"}
    ),
    "TerminalStatus": _object(
        "deviceId state",
        deviceId=_TEXT,
        state={"type": "string", "enum": ["IDLE", "BUSY", "OUT_OF_ORDER"]},
    ),
    "Countries": {"type": "array", "items": _object("code display", code=_TEXT, display=_TEXT)},
    "MerchantsCredentials": {
        "type": "array",
        "items": _object(
            "merchantName userDomain clientId clientSecret",
            merchantName=_TEXT,
            userDomain=_TEXT,
            clientId=_TEXT,
            clientSecret=_TEXT,
        ),
    },
    "Token": _object(
        "access_token token_type expires_in",
        access_token=_TEXT,
        token_type=_TEXT,
        expires_in={"type": "integer"},
        refresh_expires_in={"type": "integer"},
        refresh_token=_TEXT,
        session_state=_TEXT,
        id_token=_TEXT,
        scope=_TEXT,
    ),
    "OAuthError": _object("error", error=_TEXT, error_description=_TEXT),
    "Problem": _object("code", type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, code=_TEXT),
}

_ANSWERS: dict[Verb, dict[int, str | None]] = {
    "create": {201: "Transaction", 200: "Transaction"},
    "read": {200: "Transaction"},
    "find": {200: "Transactions"},
    "cancel": {201: "Transaction", 202: None},
    "fence": {200: "Fenced"},
    "status": {200: "TerminalStatus"},
    "abort": {202: None},
    "display": {204: None},
    "countries": {200: "Countries"},
}
_SESSION_ANSWERS = {
    "merchants_credentials": "MerchantsCredentials",
    "token": "Token",
    "realm_token": "Token",
    "custom_token": "Token",
}
_CODE_REQUEST = dict.fromkeys(AUTHORIZE, _TEXT)
_FORMS: dict[str, dict[str, Any]] = {
    "token": _object(
        "client_id grant_type",
        client_id=_TEXT,
        client_secret=_TEXT,
        grant_type={"type": "string", "enum": ["client_credentials", "password", "refresh_token"]},
        username=_TEXT,
        password=_TEXT,
        scope=_TEXT,
        refresh_token=_TEXT,
    ),
    "realm_token": _object(
        "client_id grant_type",
        client_id=_TEXT,
        client_secret=_TEXT,
        grant_type={"type": "string", "enum": ["authorization_code", "client_credentials", "refresh_token"]},
        code=_TEXT,
        redirect_uri=_TEXT,
        code_verifier=_TEXT,
        refresh_token=_TEXT,
    ),
    "custom_token": _object(
        "device_model device_id method", device_model=_TEXT, device_id=_TEXT, method=_TEXT
    ),
    "login": _object(
        "username password consent", username=_TEXT, password=_TEXT, consent=_TEXT, **_CODE_REQUEST
    ),
}
"""Forms of the rows that take one."""
_REFUSALS: dict[Verb, tuple[int, ...]] = {
    "create": (400, 409, 415, 422),
    "read": (404,),
    "find": (400,),
    "cancel": (400, 404, 409, 415, 422),
    "fence": (400, 415),
    "abort": (400, 404, 415, 422),
    "display": (400, 415, 422),
}


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, Any] = {}
    schemas = dict(_SCHEMAS)
    for route in ROUTES:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
        if route.body is not None:
            schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
            schemas |= _bare(schema.pop("$defs", {}))
            schemas[route.body.__name__] = _bare(schema)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The platform as nexo-bridge's sandbox plays it",
            "version": "1",
            "description": "Made from the sandbox's routes; the contract in words is docs/ppaas-contract.md.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {
                "certificate": {"type": "mutualTLS"},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _bare(schema: Any) -> Any:
    """Without what pydantic adds for itself: titles made of names, and defaults that only mean "absent"."""
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name not in {"title", "default"}}
    return schema


def _operation(route: Route) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in re.findall(r"\{(\w+)\}", route.template)]
    parameters += [_parameter(name, "query") for name in route.query]
    operation: dict[str, Any] = {"operationId": route.name, "x-base": route.base}
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body.__name__)}
    if route.name in _FORMS:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": _FORMS[route.name]}},
        }
    operation["responses"] = _responses(route)
    operation["security"] = [_security(route)]
    return operation


def _security(route: Route) -> dict[str, list[str]]:
    if route.name == "custom_token":
        return {"token": list[str]()}
    if route.template.startswith("/auth/realms/"):
        return {}
    certificate: dict[str, list[str]] = {"certificate": []}
    return certificate | ({"token": []} if route.base == "device_api" else {})


def _responses(route: Route) -> dict[str, Any]:
    if route.name in {"authorize", "login"}:
        answers: dict[int, str | None] = {200 if route.name == "authorize" else 302: None}
    else:
        answers = _ANSWERS.get(route.verb) or {200: _SESSION_ANSWERS[route.name]}
    responses = {
        str(status): {"description": "Done"} | ({"content": _content(schema)} if schema else {})
        for status, schema in answers.items()
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if route.verb == "session" and route.name != "merchants_credentials":
        for status in (400, 401):
            responses[str(status)] = {"description": "Refused", "content": _content("OAuthError")}
        refusals: tuple[int, ...] = (403, 429, 503) if route.base == "device_auth" else (404, 429, 503)
    elif route.base == "auth":
        refusals = (403, 404)
    else:
        refusals = (401, 403, *_REFUSALS.get(route.verb, ()))
    for status in refusals:
        responses[str(status)] = {"description": "Refused", "content": problem}
    return dict(sorted(responses.items()))


def _parameter(name: str, place: str) -> dict[str, Any]:
    required = name != "serial_number"  # devices of other families are told apart by their certificate
    return {"name": name, "in": place, "required": required, "schema": _TEXT}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def as_text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
