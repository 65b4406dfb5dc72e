"""The sandbox answers the golden requests of every grant with answers of the golden shape.

Replaced are only what this sandbox made itself: tokens, the code, and the secrets of its user and its clients.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nexo_bridge.sandbox import realms as r
from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Options, Sandbox

GOLDEN = Path(__file__).parents[1] / "golden" / "http" / "session"
NAMES = sorted(path.name.removesuffix(".request.http") for path in GOLDEN.glob("*.request.http"))
POIID, SERIAL = "POI00007", "2097CD800007"


@pytest.fixture
async def sandbox(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Sandbox]:
    async with Sandbox(Options(state=tmp_path / "state", terminals=7, clock=clock)) as running:
        yield running


def replaced(name: str, sandbox: Sandbox) -> dict[bytes, bytes]:
    """What of the golden request depends on this sandbox, arranged for."""
    realms = sandbox.realms
    user = {"username": r.USERNAME, "password": r.PASSWORD, "client_id": r.POWERED_APP}
    device = {"device_model": "DX8000", "device_id": f"ingenico-DX8000-{SERIAL}", "method": "api"}
    match name:
        case "password":
            return {b"golden+password%261": r.PASSWORD.encode()}
        case "password-refresh":
            return {b"golden-refresh-1": realms.password(user, SERIAL)["refresh_token"].encode()}
        case "merchant-code":
            challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
            form = {
                **user,
                "response_type": "code",
                "client_id": r.PORTAL,
                "redirect_uri": r.PORTAL_CALLBACK,
                "state": "s",
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                "consent": "yes",
            }
            code = parse_qs(urlsplit(realms.consent(form)).query)["code"][0]
            return {b"golden-code": code.encode()}
        case "custom-token":
            return {b"golden-merchant-token": realms.merchant_token().encode()}
        case "custom-token-refresh":
            made = realms.custom_token(realms.merchant_token(), device)
            return {b"golden-refresh-1": made["refresh_token"].encode()}
        case "custom-token-countries":
            made = realms.custom_token(realms.merchant_token(), device)
            return {b"golden-custom-token": made["access_token"].encode()}
        case "application":
            return {b"golden+secret%261": r.APPLICATION_SECRET.encode()}
        case _:
            return {}


def shape(body: bytes) -> Any:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: keys(inner) for name, inner in value.items()}
        return [keys(inner) for inner in value[:1]] if isinstance(value, list) else type(value).__name__

    return keys(json.loads(body))


async def say(url: str, tls: ssl.SSLContext, request: bytes, changes: dict[bytes, bytes]) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    for old, new in changes.items():
        head, body = head.replace(old, new), body.replace(old, new)
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, ssl=tls)
    writer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("name", NAMES)
async def test_golden(name: str, sandbox: Sandbox) -> None:
    folder = sandbox.config_path.parent / "certificates"
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    base = "api" if name.endswith("countries") else "auth"
    if name.startswith("password"):
        base = "device_auth"
    if base == "device_auth" or name.startswith("merchants"):
        tls.load_cert_chain(folder / f"{POIID}.pem", folder / f"{POIID}.key")
    request = (GOLDEN / f"{name}.request.http").read_bytes()
    answer = await say(sandbox.bases[base], tls, request, replaced(name, sandbox))
    golden = (GOLDEN / f"{name}.response.http").read_bytes()
    for found, wanted in zip(answer.split(b"\r\n\r\n", 1), golden.split(b"\r\n\r\n", 1), strict=True):
        if wanted.startswith(b"HTTP/"):
            assert found.split(b" ")[1] == wanted.split(b" ")[1], answer
        else:
            assert shape(found) == shape(wanted)


def test_there_are_golden_exchanges() -> None:
    assert len(NAMES) == 9
