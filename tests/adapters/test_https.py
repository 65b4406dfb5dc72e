"""What a fault of the wire is called: F30 to F32, F40 to F44."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from nexo_bridge.adapters.certificates import Files, load
from nexo_bridge.adapters.https import HttpsClient, LostError, NotSentError, Proxy, Timeouts
from nexo_bridge.ppaas.answers import MAX_BODY
from tests.adapters.scripted_platform import (
    Act,
    Certificates,
    Request,
    ScriptedPlatform,
    Silence,
    cut_at,
    hang_up,
    http,
    listening,
    reset,
    scripted,
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def platform(certificates: Certificates) -> AsyncIterator[ScriptedPlatform]:
    async with scripted(certificates) as platform:
        yield platform


def context(certificates: Certificates) -> ssl.SSLContext:
    return load(Files("test", certificates.certificate, certificates.key, ca=certificates.ca)).context


@pytest.fixture
async def client(certificates: Certificates) -> AsyncIterator[HttpsClient]:
    client = HttpsClient(await asyncio.to_thread(context, certificates), Timeouts())
    yield client
    await client.close()


@pytest.fixture
async def hasty(certificates: Certificates) -> AsyncIterator[HttpsClient]:
    timeouts = Timeouts(pool=0.05, connect=0.3, write=0.3, read=0.3, total=0.6)
    client = HttpsClient(await asyncio.to_thread(context, certificates), timeouts)
    yield client
    await client.close()


async def not_sent(client: HttpsClient, url: str) -> NotSentError:
    with pytest.raises(NotSentError) as caught:
        await client.send("POST", url, body=b"{}")
    return caught.value


async def lost(client: HttpsClient, platform: ScriptedPlatform, path: str = "/x") -> str:
    with pytest.raises(LostError) as caught:
        await client.send("POST", f"https://localhost:{platform.port}/b{path}", body=b"{}")
    return str(caught.value)


async def test_an_exchange_is_as_documented(client: HttpsClient, platform: ScriptedPlatform) -> None:
    platform.says("/x", http(201, {"a": 1}, headers="X-More: é\r\n".encode().decode("latin-1")))
    answer = await client.send("POST", f"https://localhost:{platform.port}/b/x?y=1", {"X-Own": "1"}, b"{}")
    assert (answer.status, answer.body) == (201, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    (request,) = platform.requests
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", b"{}")
    assert request.headers == {
        "host": f"localhost:{platform.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "nexo-bridge/0.1.0",
        "x-own": "1",
        "content-length": "2",
    }


async def test_connections_are_kept(client: HttpsClient, platform: ScriptedPlatform) -> None:
    platform.says("/x", http(200))
    for _ in range(3):
        await client.send("GET", f"https://localhost:{platform.port}/b/x")
    assert platform.connections == 1


async def test_f30_a_name_that_does_not_resolve(client: HttpsClient) -> None:
    assert (await not_sent(client, "https://nowhere.invalid/x")).code == "DNS"


async def test_f30_an_address_where_nobody_listens(client: HttpsClient) -> None:
    async with listening(lambda _r, _w: asyncio.sleep(0), None) as port:
        pass
    assert (await not_sent(client, f"https://localhost:{port}/x")).code == "CONNECT"


async def test_f31_a_peer_that_accepts_and_says_nothing(hasty: HttpsClient) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent, None) as port:
        assert (await not_sent(hasty, f"https://localhost:{port}/x")).code == "CONNECT"


async def test_f31_a_peer_that_accepts_and_closes(client: HttpsClient) -> None:
    async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(closing, None) as port:
        assert (await not_sent(client, f"https://localhost:{port}/x")).code in {"CONNECT", "TLS"}


async def test_f31_a_peer_that_speaks_plain_http(client: HttpsClient) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(200, []))
        await writer.drain()

    async with listening(plain, None) as port:
        assert (await not_sent(client, f"https://localhost:{port}/x")).code == "TLS"


def expired(certificates: Certificates) -> trustme.LeafCert:
    return certificates.authority.issue_cert(
        "localhost", not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=datetime(2020, 1, 1, tzinfo=UTC)
    )


async def test_f32_a_server_certificate_that_is_not_the_platforms(
    client: HttpsClient, certificates: Certificates
) -> None:
    wrong = {
        "unable to get local issuer": trustme.CA().issue_cert("localhost"),
        "mismatch": certificates.authority.issue_cert("elsewhere.example"),
        "common name alone": certificates.authority.issue_cert("elsewhere.example", common_name="localhost"),
        "has expired": expired(certificates),
    }
    for said, leaf in wrong.items():
        async with scripted(certificates, certificates.server(leaf)) as platform:
            fault = await not_sent(client, f"https://localhost:{platform.port}/b/x")
            assert fault.code == "TLS"
            assert said in str(fault) or said == "common name alone"
            assert platform.requests == []


async def test_f32_a_tls_version_of_the_past(client: HttpsClient, certificates: Certificates) -> None:
    old = certificates.server()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with scripted(certificates, old) as platform:
        assert (await not_sent(client, f"https://localhost:{platform.port}/b/x")).code == "TLS"


async def test_f33_a_client_certificate_that_the_platform_refuses_is_lost(
    client: HttpsClient, certificates: Certificates
) -> None:
    async with scripted(certificates, certificates.server(trusts=trustme.CA())) as platform:
        assert "the connection failed" in await lost(client, platform)
        assert platform.requests == []


async def test_no_free_connection_is_not_sent(hasty: HttpsClient, platform: ScriptedPlatform) -> None:
    silence = Silence()
    platform.says("/x", silence)
    url = f"https://localhost:{platform.port}/b/x"
    waiting = [asyncio.create_task(hasty.send("GET", url)) for _ in range(4)]
    await silence.begun.wait()
    assert (await not_sent(hasty, url)).code == "POOL"
    assert all(isinstance(end, LostError) for end in await asyncio.gather(*waiting, return_exceptions=True))


@pytest.mark.parametrize("url", ["https://localhost/\x00", "ftp://localhost/", "/x"])
async def test_an_unusable_url_is_not_sent(client: HttpsClient, url: str) -> None:
    assert (await not_sent(client, url)).code == "CALL"


APPROVAL = http(201, {"status": "APPROVED"})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "act",
    [
        hang_up,
        reset,
        *(cut_at(length, APPROVAL) for length in (1, 20, len(APPROVAL) - 25, len(APPROVAL) - 1)),
        cut_at(100, CHUNKED + b"5\r\nhel"),
        cut_at(100, CHUNKED + b"zz\r\nhello\r\n"),
        cut_at(100, b"SSH-2.0-OpenSSH\r\n\r\n"),
        cut_at(100, b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    ],
)
async def test_f40_f41_a_broken_answer_is_lost(
    client: HttpsClient, platform: ScriptedPlatform, act: Act
) -> None:
    platform.says("/x", act)
    assert "the connection failed" in await lost(client, platform)
    assert len(platform.requests) == 1


async def test_f41_an_endless_answer_is_cut_off(client: HttpsClient, platform: ScriptedPlatform) -> None:
    async def endless(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()

    platform.says("/x", endless)
    assert await lost(client, platform) == "the answer is too long"
    platform.says("/x", http(200, body=b" " * (MAX_BODY + 1)))
    assert await lost(client, platform) == "the answer is too long"
    platform.says("/x", http(200, body=b" " * MAX_BODY))
    assert len((await client.send("GET", f"https://localhost:{platform.port}/b/x")).body) == MAX_BODY


async def test_f41_a_gzip_bomb_stays_packed(client: HttpsClient, platform: ScriptedPlatform) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    platform.says("/x", http(200, body=bomb, headers="Content-Encoding: gzip\r\n"))
    answer = await client.send("GET", f"https://localhost:{platform.port}/b/x")
    assert answer.body == bomb


async def test_f42_a_redirect_is_an_answer_and_is_not_followed(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    platform.says("/x", http(307, headers=f"Location: https://localhost:{platform.port}/b/y\r\n"))
    answer = await client.send(
        "POST", f"https://localhost:{platform.port}/b/x", {"Authorization": "Bearer t"}
    )
    assert answer.status == 307
    assert platform.asked("/y") == []


async def test_f43_a_slow_answer_is_lost_in_the_end(hasty: HttpsClient, platform: ScriptedPlatform) -> None:
    drip = asyncio.Event()

    async def dripping(writer: asyncio.StreamWriter, _: Request) -> None:
        for byte in APPROVAL * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.wait({asyncio.ensure_future(drip.wait())}, timeout=0.01)

    platform.says("/x", dripping)
    assert await lost(hasty, platform) == "no complete answer in time"
    platform.says("/x", Silence())
    assert await lost(hasty, platform) == "no complete answer in time"
    drip.set()


async def test_f44_a_connection_closed_just_as_we_send_is_not_tried_again(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    platform.says("/x", http(200), hang_up, http(200))
    await client.send("GET", f"https://localhost:{platform.port}/b/x")
    await lost(client, platform)
    assert len(platform.requests) == 2


async def test_f44_a_connection_closed_while_idle_is_replaced(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def answer(writer: asyncio.StreamWriter, _: Request) -> None:
        writers.append(writer)
        writer.write(http(200))

    platform.says("/x", answer)
    url = f"https://localhost:{platform.port}/b/x"
    await client.send("GET", url)
    writers[0].transport.abort()
    await writers[0].wait_closed()
    assert (await client.send("POST", url, body=b"{}")).status == 200
    assert len(writers) == 2


async def test_no_cookie_is_kept(client: HttpsClient, platform: ScriptedPlatform) -> None:
    platform.says("/x", http(200, headers="Set-Cookie: session=1\r\n"))
    for _ in range(2):
        await client.send("GET", f"https://localhost:{platform.port}/b/x")
    assert all("cookie" not in request.headers for request in platform.requests)


async def test_no_proxy_of_the_environment_is_asked(
    certificates: Certificates, platform: ScriptedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    client = HttpsClient(await asyncio.to_thread(context, certificates), Timeouts())
    platform.says("/x", http(200))
    assert (await client.send("GET", f"https://localhost:{platform.port}/b/x")).status == 200
    await client.close()


async def test_a_caller_that_is_cancelled_is_cancelled(
    client: HttpsClient, platform: ScriptedPlatform
) -> None:
    silence = Silence()
    platform.says("/x", silence)
    task = asyncio.create_task(client.send("GET", f"https://localhost:{platform.port}/b/x"))
    await silence.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_library_logs_nothing(
    client: HttpsClient, platform: ScriptedPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.says("/x", http(200))
    await client.send(
        "GET", f"https://localhost:{platform.port}/b/x?clientTransactionId=k", {"Authorization": "t"}
    )
    assert [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))] == []


def test_httpx_is_imported_in_one_module() -> None:
    package = Path(__file__).parents[2] / "nexo_bridge"
    users = [path.name for path in package.rglob("*.py") if "import httpx" in path.read_text("utf-8")]
    assert users == ["https.py"]


class Tunnel:
    """A forward proxy: says ``answer`` to CONNECT, and joins both sides where that is a yes."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n") -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        writer.write(self.answer)
        if b" 200 " not in self.answer:
            await writer.drain()
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        inward, outward = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pump(reader, outward))
                both.create_task(pump(inward, writer))
        finally:
            outward.transport.abort()


async def through(certificates: Certificates, proxy: Proxy) -> HttpsClient:
    return HttpsClient(await asyncio.to_thread(context, certificates), Timeouts(), proxy)


async def test_f45_a_proxy_tunnels_and_sees_nothing(
    certificates: Certificates, platform: ScriptedPlatform
) -> None:
    platform.says("/x", http(200))
    tunnel = Tunnel()
    async with listening(tunnel.serve, None) as port:
        proxy = Proxy(f"http://127.0.0.1:{port}", "till", "hush")
        assert "hush" not in repr(proxy)
        client = await through(certificates, proxy)
        answer = await client.send(
            "GET", f"https://localhost:{platform.port}/b/x", {"Authorization": "Bearer t"}
        )
        await client.close()
    assert answer.status == 200
    assert len(tunnel.heads) == 1
    assert tunnel.heads[0].startswith(f"CONNECT localhost:{platform.port} ".encode())
    assert b"proxy-authorization: basic dGlsbDpodXNo" in tunnel.heads[0].replace(b"P", b"p").replace(
        b"Authorization: B", b"authorization: b"
    )
    assert b"Bearer" not in tunnel.heads[0]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
async def test_f45_a_proxy_that_refuses_got_nothing_of_ours(certificates: Certificates, status: str) -> None:
    tunnel = Tunnel(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    async with listening(tunnel.serve, None) as port:
        client = await through(certificates, Proxy(f"http://127.0.0.1:{port}"))
        error = await not_sent(client, "https://localhost:1/x")
        await client.close()
    assert error.code == "PROXY"
    assert str(error) == f"the proxy refuses: {status}"


async def test_f45_a_proxy_that_opens_the_envelope_is_not_accepted(certificates: Certificates) -> None:
    async with scripted(Certificates(trustme.CA(), *[certificates.folder] * 4)) as stranger:
        tunnel = Tunnel()
        async with listening(tunnel.serve, None) as port:
            client = await through(certificates, Proxy(f"http://127.0.0.1:{port}"))
            error = await not_sent(client, f"https://localhost:{stranger.port}/x")
            await client.close()
    assert error.code == "TLS"
    assert stranger.requests == []


async def test_f45_a_proxy_that_is_not_there(certificates: Certificates) -> None:
    async with listening(Tunnel().serve, None) as port:
        pass
    client = await through(certificates, Proxy(f"http://127.0.0.1:{port}"))
    assert (await not_sent(client, "https://localhost:1/x")).code == "CONNECT"
    await client.close()


def test_a_proxy_is_told_whole_to_who_must_know_and_to_nobody_else() -> None:
    proxy = Proxy("http://proxy.shop:3128", "till", "p@ss:word/")

    assert proxy.whole() == "http://till:p%40ss%3Aword%2F@proxy.shop:3128"
    assert "p@ss" not in repr(proxy)
    assert Proxy("http://proxy.shop:3128").whole() == "http://proxy.shop:3128"
