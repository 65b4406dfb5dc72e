"""The sandbox answers the literal requests of tests/golden/http with answers of the literal responses' shape.

Only what depends on the connection and on this sandbox is replaced: token, client secret and transaction id.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Options, Sandbox

GOLDEN = Path(__file__).parents[1] / "golden" / "http"
NAMES = sorted(path.name.removesuffix(".request.http") for path in GOLDEN.glob("*.request.http"))
POIID = "POI00007"  # its serial number is the one of the golden exchanges
Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
Say = Callable[[bytes], Awaitable[tuple[int, bytes]]]

OPTIONAL = {"message", "paymentInstrument"}
"""Fields the contract lets a platform leave out at the place where they differ."""


@pytest.fixture
async def sandbox(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Sandbox]:
    async with Sandbox(Options(state=tmp_path / "state", terminals=7, clock=clock)) as running:
        yield running


def _request(name: str) -> bytes:
    return (GOLDEN / f"{name}.request.http").read_bytes()


def _response(name: str) -> tuple[int, bytes]:
    head, _, body = (GOLDEN / f"{name}.response.http").read_bytes().partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def _adapted(request: bytes, token: str, transaction_id: str, secret: str) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    body = body.replace(b"golden+secret%261", secret.encode()).replace(
        b"txn_01HV3K9Q2N", transaction_id.encode()
    )
    lines = []
    for line in head.replace(b"txn_01HV3K9Q2N", transaction_id.encode()).split(b"\r\n"):
        name = line.partition(b":")[0].lower()
        if name == b"authorization":
            lines.append(b"Authorization: " + token.encode())
        elif name == b"content-length":
            lines.append(b"Content-Length: %d" % len(body))
        else:
            lines.append(line)
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _shape(body: bytes) -> Any:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: keys(inner) for name, inner in value.items() if name not in OPTIONAL}
        if isinstance(value, list):
            return [keys(inner) for inner in value[:1]]
        return type(value).__name__

    return keys(json.loads(body)) if body else None


async def _say(url: str, tls: ssl.SSLContext, request: bytes) -> tuple[int, bytes]:
    host, port = url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(head.split(b" ", 2)[1]), body


async def _arrange(name: str, sandbox: Sandbox, say: Say) -> None:
    """What must have happened before, so that the golden answer is the right one."""
    method = "qr" if "_qr" in name else "card"
    if name.startswith(("cancel", "read_card", "find_qr", "fence_qr", "terminal_abort")) or name.endswith(
        "busy"
    ):
        await say(_request(f"create_{method}"))
    if name.startswith(("cancel_card", "read_card")):
        sandbox.release(POIID, "approve")
    if name.endswith("captured"):
        sandbox.settle()
    if name.endswith("fenced"):
        await say(_request("fence_card"))
    if name == "find_qr":
        sandbox.release(POIID, "decline")
    if name == "cancel_qr":
        sandbox.inject("late-approval-after-cancel")


@pytest.mark.parametrize("name", NAMES)
async def test_golden(name: str, sandbox: Sandbox, device: Enter) -> None:
    client = await device(POIID)
    token = client.headers["authorization"]
    credentials = await client.get(f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials")
    secret = credentials.json()[0]["clientSecret"]
    certificates = sandbox.config_path.parent / "certificates"
    tls = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    tls.load_cert_chain(certificates / f"{POIID}.pem", certificates / f"{POIID}.key")
    base = {"merchants-credentials": "auth", "token": "device_auth"}.get(name, "device_api")

    async def say(request: bytes) -> tuple[int, bytes]:
        rows = sandbox.ledger()
        transaction_id = rows[-1]["transactionId"] if rows else "txn_none"
        return await _say(sandbox.bases[base], tls, _adapted(request, token, transaction_id, secret))

    await _arrange(name, sandbox, say)
    status, body = await say(_request(name))
    golden_status, golden_body = _response(name)
    assert status == golden_status or {status, golden_status} <= {202, 204}, body
    assert _shape(body) == _shape(golden_body)
    if golden_status >= 400:
        assert json.loads(body)["code"] == json.loads(golden_body)["code"]


def test_there_are_golden_exchanges() -> None:
    assert len(NAMES) > 20
