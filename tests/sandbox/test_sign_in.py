"""Ways to a token over the wire, and the faults that have a name there."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from nexo_bridge.sandbox import realms as r
from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Sandbox
from tests.sandbox.test_realms import ASKED, DEVICE, USER, exchanged

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
REALM = f"/auth/realms/{r.REALM}"
OWN = {**DEVICE, "device_id": "ingenico-DX8000-2097CD800001"}


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a certificate, at base ``auth``."""
    folder = sandbox.config_path.parent / "certificates"
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    async with httpx.AsyncClient(base_url=sandbox.bases["auth"], verify=tls) as client:
        yield client


async def token(client: httpx.AsyncClient, sandbox: Sandbox, **form: str) -> httpx.Response:
    return await client.post(f"{sandbox.bases['device_auth']}/oauth2-mtls/v1/token", data=form)


async def test_the_whole_way_of_the_demo_without_a_certificate(
    sandbox: Sandbox, browser: httpx.AsyncClient
) -> None:
    page = await browser.get(f"{REALM}/protocol/openid-connect/auth", params=ASKED)
    assert page.headers["content-type"].startswith("text/html")
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    form |= {"state": ASKED["state"], "username": r.USERNAME, "password": r.PASSWORD, "consent": "yes"}
    back = await browser.post(f"{REALM}/login", data=form)
    assert back.status_code == 302
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    asked = {"grant_type": "authorization_code", **exchanged(code)}
    merchant = (await browser.post(f"{REALM}/protocol/openid-connect/token", data=asked)).json()
    headers = {"authorization": f"Bearer {merchant['access_token']}"}
    device = (await browser.post(f"{REALM}/custom-token", data=OWN, headers=headers)).json()
    headers = {"authorization": f"Bearer {device['access_token']}"}
    url = f"{sandbox.bases['api']}/resources/v1/countries"
    assert (await browser.get(url, headers=headers)).status_code == 200
    url = f"{sandbox.bases['api']}/terminal/v1/status"
    assert (await browser.get(url, headers=headers)).json()["deviceId"] == "2097CD800001"


async def test_a_user_s_session_over_the_certificate(sandbox: Sandbox, connect: Enter) -> None:
    client = await connect("POI00001")
    first = (await token(client, sandbox, grant_type="password", **USER)).json()
    client.headers["authorization"] = f"Bearer {first['access_token']}"
    assert (await client.get("/resources/v1/countries")).status_code == 200
    refresh = {"grant_type": "refresh_token", "client_id": r.POWERED_APP}
    second = await token(client, sandbox, **refresh, refresh_token=first["refresh_token"])
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert sandbox.end_sessions("POI00001") == 1
    over = await token(client, sandbox, **refresh, refresh_token=second.json()["refresh_token"])
    assert (over.status_code, over.json()["error"]) == (400, "invalid_grant")


async def test_a_token_bound_to_a_certificate_is_of_no_use_without_it(
    sandbox: Sandbox, device: Enter, browser: httpx.AsyncClient
) -> None:
    headers = {"authorization": (await device("POI00001")).headers["authorization"]}
    answer = await browser.get(f"{sandbox.bases['api']}/resources/v1/countries", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_merchants_credentials_need_a_certificate(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/oauth2-mtls/v1/merchants-credentials")
    assert answer.status_code == 403


async def test_what_is_not_granted_is_said_in_oauth_s_form(browser: httpx.AsyncClient) -> None:
    url = f"{REALM}/protocol/openid-connect/token"
    assert (await browser.post(url, data={"grant_type": "magic"})).json()["error"] == "unsupported_grant_type"
    assert (await browser.post(url, content=b"\xff")).json()["error"] == "invalid_request"
    assert (await browser.post("/auth/realms/other/custom-token")).status_code == 404
    form = {"grant_type": "client_credentials", "client_id": r.APPLICATION}
    form["client_secret"] = r.APPLICATION_SECRET
    assert (await browser.post(url, data=form)).json()["expires_in"] == 18000


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("token-down", (503, "code")),
        ("token-429", (429, "retry-after: 5")),
        ("token-html", (200, "text/html")),
        ("token-without-token", (200, "no access_token")),
        ("token-life-missing", (200, "no expires_in")),
        ("token-life-zero", (200, '"expires_in":0')),
        ("token-life-negative", (200, '"expires_in":-1')),
        ("token-life-string", (200, '"expires_in":"300"')),
    ],
)
async def test_faults_of_the_token_endpoint_happen_once(
    sandbox: Sandbox, connect: Enter, fault: str, seen: tuple[int, str]
) -> None:
    client = await connect("POI00001")
    sandbox.inject(fault, "POI00001")
    answer = await token(client, sandbox, grant_type="password", **USER)
    everything = f"{answer.headers} {answer.text}"
    assert answer.status_code == seen[0]
    if seen[1].startswith("no "):
        assert f'"{seen[1].removeprefix("no ")}"' not in answer.text
    elif ": " in seen[1]:
        assert answer.headers["retry-after"] == "5"
    else:
        assert seen[1] in everything
    after: Any = (await token(client, sandbox, grant_type="password", **USER)).json()
    assert after["expires_in"] == 300


async def test_a_slow_token_is_issued_at_once(sandbox: Sandbox, connect: Enter, clock: VirtualClock) -> None:
    client = await connect("POI00001")
    sandbox.inject("token-slow", "POI00001")
    asked = asyncio.create_task(token(client, sandbox, grant_type="password", **USER))
    while sandbox.pending_faults():  # noqa: ASYNC110 - the platform does not announce that a request has come
        await asyncio.sleep(0)
    assert not asked.done()
    clock.advance(5)
    assert (await asked).json()["expires_in"] == 300


async def test_f37_a_refresh_whose_answer_is_lost_has_happened(sandbox: Sandbox, connect: Enter) -> None:
    client = await connect("POI00001")
    first = (await token(client, sandbox, grant_type="password", **USER)).json()
    refresh = {"grant_type": "refresh_token", "client_id": r.POWERED_APP}
    sandbox.inject("lose-refresh-answer", "POI00001")
    with pytest.raises(httpx.RemoteProtocolError):
        await token(client, sandbox, **refresh, refresh_token=first["refresh_token"])
    again = await token(client, sandbox, **refresh, refresh_token=first["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


async def test_secrets_and_sessions_are_ended_from_outside(
    sandbox: Sandbox, connect: Enter, control: httpx.AsyncClient
) -> None:
    client = await connect("POI00001")
    await token(client, sandbox, grant_type="password", **USER)
    assert (await control.post("/sessions", json={"poiid": "POI00001"})).json() == {"ended": 1}
    before = (await client.get(f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials")).json()
    assert (await control.post("/secrets", json={"poiid": "POI00001"})).json() == {"renewed": "POI00001"}
    after = (await client.get(f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials")).json()
    assert before[0]["clientSecret"] != after[0]["clientSecret"]
    assert (await control.post("/secrets", json={"poiid": "NONE"})).status_code == 400


@pytest.mark.parametrize("grant", ["password", "custom_token"])
async def test_what_a_configuration_names_lies_in_the_state_folder(sandbox: Sandbox, grant: str) -> None:
    folder = sandbox.config_path.parent
    for name in ("user.password", "merchant.token"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
