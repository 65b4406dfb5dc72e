from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from nexo_bridge.adapters.authorization_code import Loopback, begin
from nexo_bridge.ppaas.grants import NoSessionError


async def said(address: str, request: bytes) -> bytes:
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_each_login_has_secrets_of_its_own() -> None:
    one, two = (begin("https://auth", "realm", "client", "openid", "http://127.0.0.1:1/") for _ in range(2))
    assert one.state != two.state
    assert one.verifier != two.verifier
    query = parse_qs(urlsplit(one.url).query)
    assert query["state"] == [one.state]
    assert one.verifier not in one.url
    assert one.verifier not in repr(one)
    assert one.token_url == "https://auth/auth/realms/realm/protocol/openid-connect/token"


async def test_the_redirect_of_this_login_is_waited_for() -> None:
    async with Loopback() as loopback:
        waiting = asyncio.create_task(loopback.redirect("s", 30))
        for odd in (
            get("/favicon.ico"),
            get("/?state=other&code=x"),
            b"POST / HTTP/1.1\r\n\r\n",
            b"rubbish\r\n\r\n",
        ):
            assert b"HTTP/1.1 4" in await said(loopback.redirect_uri, odd)
        assert not waiting.done()
        done = await said(loopback.redirect_uri, get("/?state=s&code=abc"))
        assert b"HTTP/1.1 200" in done
        assert b"no-store" in done
        assert await waiting == f"{loopback.redirect_uri}?state=s&code=abc"
        await said(loopback.redirect_uri, get("/?state=s&code=again"))


async def test_a_refusal_is_an_answer_too() -> None:
    async with Loopback() as loopback:
        waiting = asyncio.create_task(loopback.redirect("s", 30))
        assert b"was refused" in await said(loopback.redirect_uri, get("/?state=s&error=access_denied"))
        assert "access_denied" in await waiting


async def test_a_head_that_is_too_long_is_not_read() -> None:
    async with Loopback() as loopback:
        assert await said(loopback.redirect_uri, b"GET /?" + b"x" * 40000) == b""


async def test_nobody_is_waited_for_for_ever() -> None:
    async with Loopback() as loopback:
        with pytest.raises(NoSessionError, match="in time"):
            await loopback.redirect("s", 0)
