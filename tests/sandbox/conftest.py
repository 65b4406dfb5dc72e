"""A sandbox on virtual time, and devices that talk to it over real mutual TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Options, Sandbox

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def dedup() -> bool:
    """Overridden by tests that want the other behaviour."""
    return False


@pytest.fixture
async def sandbox(tmp_path: Path, clock: VirtualClock, dedup: bool) -> AsyncIterator[Sandbox]:
    options = Options(state=tmp_path / "state", think=4, seed=1, dedup=dedup, clock=clock)
    async with Sandbox(options) as running:
        yield running


@pytest.fixture
async def connect(sandbox: Sandbox) -> AsyncIterator[Enter]:
    """A client with the certificate of a terminal, without a token, whose base is ``device_api``."""
    async with AsyncExitStack() as stack:

        async def enter(poiid: str) -> httpx.AsyncClient:
            folder = sandbox.config_path.parent / "certificates"
            tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            tls.load_cert_chain(folder / f"{poiid}.pem", folder / f"{poiid}.key")
            return await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox.api_url, verify=tls))

        yield enter


@pytest.fixture
async def device(sandbox: Sandbox, connect: Enter) -> Enter:
    """A client that has opened its device session: certificate and token."""

    async def enter(poiid: str) -> httpx.AsyncClient:
        client = await connect(poiid)
        answer = await client.get(f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials")
        entry = answer.json()[0]
        token = await client.post(
            f"{sandbox.bases['device_auth']}/oauth2-mtls/v1/token",
            data={
                "client_id": entry["clientId"],
                "client_secret": entry["clientSecret"],
                "grant_type": "client_credentials",
            },
        )
        client.headers["authorization"] = f"Bearer {token.json()['access_token']}"
        return client

    return enter


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.control_url) as client:
        yield client
