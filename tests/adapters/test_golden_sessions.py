"""What the bridge says for each grant, byte for byte against tests/golden/http/session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from nexo_bridge.adapters.authorization_code import Request as Login
from nexo_bridge.adapters.authorization_code import finish
from nexo_bridge.adapters.certificates import trusting
from nexo_bridge.adapters.credentials import Credential, CredentialFile
from nexo_bridge.adapters.grants import ApplicationGrant
from nexo_bridge.adapters.https import HttpsClient, Timeouts
from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.adapters.terminal_access import Access, CustomTokenAccess, PasswordAccess, TerminalAccess
from nexo_bridge.ppaas import token_requests
from nexo_bridge.ppaas.grants import NoSessionError
from nexo_bridge.ppaas.operations import Call
from tests.adapters.scripted_platform import (
    SERIAL,
    Certificates,
    Request,
    ScriptedPlatform,
    bases,
    scripted,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "http" / "session"
HOSTS = {
    "auth": "auth.demo.ppaas.tech",
    "device_auth": "auth.device.demo.ppaas.tech:9021",
    "api": "api.demo.ppaas.tech",
}
KEY = b"k" * 32


def golden(name: str) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    head, body = (GOLDEN / f"{name}.request.http").read_bytes().split(b"\r\n\r\n", 1)
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {field.lower(): value for field, value in (line.split(": ", 1) for line in lines)}
    return first, headers, parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))


def sent(request: Request) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """Line, headers and decoded form fields in order; the host is that of the base in the environment demo."""
    headers = {name: value for name, value in request.headers.items() if name != "connection"}
    headers["host"] = HOSTS[request.base]
    fields = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body))
    return f"{request.method} {request.target} HTTP/1.1", headers, fields


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.make(tmp_path)


@pytest.fixture
async def platform(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    context = certificates.server()
    context.verify_mode = ssl.CERT_OPTIONAL
    async with scripted(certificates, context) as platform:
        yield platform


@pytest.fixture
async def client(certificates: Certificates) -> AsyncIterator[HttpsClient]:
    context = await asyncio.to_thread(trusting, certificates.ca)
    client = HttpsClient(context, Timeouts())
    yield client
    await client.close()


def answers(platform: ScriptedPlatform, *names: str) -> None:
    """The golden answers, each at the path of its golden request."""
    by_path: dict[str, list[bytes]] = {}
    for name in names:
        path = golden(name)[0].split(" ")[1]
        by_path.setdefault(path, []).append((GOLDEN / f"{name}.response.http").read_bytes())
    for path, replies in by_path.items():
        platform.says(path, *replies)


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


async def asked(
    access: Access, platform: ScriptedPlatform, certificates: Certificates, calls: int = 1
) -> None:
    """Ask for tokens as a terminal with ``access`` does, and make the first call with the last."""
    ours = await asyncio.to_thread(
        Platform, {"P1": access}, bases(platform.port), ca=certificates.ca, credentials_key=KEY
    )
    try:
        for number in range(calls):
            bearer = await ours.bearer("P1")
            if number < calls - 1:
                ours.refused("P1", bearer)
        await ours.perform(Call("P1", "countries"))
    finally:
        await ours.close()


Play = Callable[[ScriptedPlatform, Certificates, HttpsClient], Awaitable[None]]


async def play_mtls(platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient) -> None:
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key, send_serial=False)
    answers(platform, "merchants-credentials-by-certificate")
    await asked(access, platform, certificates)


async def play_password(platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient) -> None:
    access = password(certificates, "golden password&1")
    answers(platform, "password", "password-refresh")
    await asked(access, platform, certificates, 2)


async def play_wrong(platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient) -> None:
    answers(platform, "password-wrong")
    with pytest.raises(NoSessionError, match="user name or password is wrong"):
        await asked(password(certificates, "golden wrong"), platform, certificates)


def password(certificates: Certificates, text: str) -> PasswordAccess:
    return PasswordAccess(
        SERIAL,
        certificates.certificate,
        certificates.key,
        "merchant@sandbox-ma",
        certificates.folder / "P1.credential",
        password=put(certificates.folder / "user.password", text),
    )


async def play_custom(platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient) -> None:
    device = token_requests.device_id_of("DX8000", SERIAL)
    token = put(certificates.folder / "merchant.token", "golden-merchant-token")
    access = CustomTokenAccess(
        SERIAL, certificates.folder / "P1.credential", "DX8000", device, merchant_token=token
    )
    answers(platform, "custom-token", "custom-token-refresh", "custom-token-countries")
    await asked(access, platform, certificates)
    await asked(access, platform, certificates)
    kept = CredentialFile(access.credential, KEY, "P1")
    assert (await asyncio.to_thread(kept.load)) == Credential(
        refresh="golden-refresh-2", session_state="3d6f4c52-0c8e-4a0e-9d57-6f1f2f0f7a11"
    )


async def play_code(platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient) -> None:
    answers(platform, "merchant-code")
    url = bases(platform.port).auth + token_requests.realm_path("sandbox-ma", "token")
    login = Login("", "ppaas-portal", token_requests.PORTAL_CALLBACK, url, "golden-state", "v" * 43)
    found = await finish(client, login, "https://portal.demo.ppaas.tech/?state=golden-state&code=golden-code")
    assert found.bearer == "golden-merchant-token"


async def play_application(
    platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient
) -> None:
    answers(platform, "application")
    secret = put(certificates.folder / "application.secret", "golden secret&1")
    grant = ApplicationGrant(bases(platform.port).auth, "sandbox-ma", "sandbox-application", secret)
    assert (await grant.fetch(client)).life == 18000.0


PLAYS: dict[tuple[str, ...], Play] = {
    ("merchants-credentials-by-certificate",): play_mtls,
    ("password", "password-refresh"): play_password,
    ("password-wrong",): play_wrong,
    ("custom-token", "custom-token-countries", "custom-token-refresh"): play_custom,
    ("merchant-code",): play_code,
    ("application",): play_application,
}


@pytest.mark.parametrize("names", PLAYS, ids=lambda names: names[0])
async def test_what_is_asked_is_as_documented(
    names: tuple[str, ...], platform: ScriptedPlatform, certificates: Certificates, client: HttpsClient
) -> None:
    await PLAYS[names](platform, certificates, client)
    said = [sent(request) for request in platform.requests if request.base in HOSTS]
    assert said[: len(names)] == [golden(name) for name in names]


def test_every_golden_exchange_is_played() -> None:
    names = {path.name.removesuffix(".request.http") for path in GOLDEN.glob("*.request.http")}
    assert names == {name for group in PLAYS for name in group}
    assert {path.name.removesuffix(".response.http") for path in GOLDEN.glob("*.response.http")} == names
