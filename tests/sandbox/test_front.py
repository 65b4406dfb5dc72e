from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from nexo_bridge.sandbox.certificates import Authority, KeyPair
from nexo_bridge.sandbox.front import Front, server_tls
from nexo_bridge.sandbox.wire import Answer, PeerCertificate, PlatformError, Request, Wire, json_answer

LOOPBACK = "127.0.0.1"
Ask = Callable[[Request], Answer]


class Served:
    """A front whose handler a test sets, and what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.reply: Ask = lambda _request: json_answer({"ok": True})

    async def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.reply(request)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
async def plain(served: Served) -> AsyncIterator[str]:
    front = Front(served.handle)
    url = await front.start(LOOPBACK, 0)
    yield url
    await front.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def mutual(served: Served, authority: Authority) -> AsyncIterator[str]:
    def context() -> ssl.SSLContext:
        pair = authority.server([LOOPBACK])
        return server_tls(pair, authority.root.certificate, client_certificate=ssl.CERT_REQUIRED)

    tls = await asyncio.to_thread(context)
    front = Front(served.handle, tls)
    url = await front.start(LOOPBACK, 0)
    yield url
    await front.close()


def client_tls(ca: Path, pair: KeyPair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_requests_arrive_whole_and_connections_are_kept(served: Served, plain: str) -> None:
    async with httpx.AsyncClient(base_url=plain) as client:
        assert (await client.post("/a b/c?x=1&y=", json={"n": 1})).json() == {"ok": True}
        assert (await client.get("/again")).status_code == 200

    first, second = served.requests
    assert (first.method, first.path, first.query) == ("POST", "/a b/c", {"x": "1", "y": ""})
    assert first.body == b'{"n":1}'
    assert first.headers["content-type"] == "application/json"
    assert second.certificate is None


async def test_a_problem_becomes_problem_json(served: Served, plain: str) -> None:
    def refuse(request: Request) -> Answer:
        raise PlatformError(429, "TOO_MANY", "One at a time", Retry_After="3")

    served.reply = refuse
    async with httpx.AsyncClient(base_url=plain) as client:
        answer = await client.get("/")
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "code": "TOO_MANY",
        "detail": "One at a time",
    }


async def test_a_fault_of_the_sandbox_is_a_500_without_detail(served: Served, plain: str) -> None:
    def fail(request: Request) -> Answer:
        raise RuntimeError("inner words")

    served.reply = fail
    async with httpx.AsyncClient(base_url=plain) as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    assert "inner words" not in answer.text


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (Wire.CLOSE, httpx.RemoteProtocolError),
        (Wire.RESET, httpx.ReadError),
        (Wire.TRUNCATE, httpx.RemoteProtocolError),
    ],
)
async def test_faults_of_the_wire(
    served: Served, mutual: str, authority: Authority, wire: Wire, error: type[Exception]
) -> None:
    served.reply = lambda _request: Answer(200, b'{"transactionId": "1"}', wire=wire)
    tls = client_tls(authority.root.certificate, await asyncio.to_thread(authority.client, "POI00001", "S1"))
    async with httpx.AsyncClient(base_url=mutual, verify=tls) as client:
        with pytest.raises(error):
            await client.get("/")


async def test_the_certificate_names_the_device(served: Served, mutual: str, authority: Authority) -> None:
    tls = client_tls(authority.root.certificate, await asyncio.to_thread(authority.client, "POI00001", "S1"))
    async with httpx.AsyncClient(base_url=mutual, verify=tls) as client:
        await client.get("/")
    assert served.requests[0].certificate == PeerCertificate("POI00001", "S1")


async def test_without_a_certificate_nothing_is_served(
    served: Served, mutual: str, authority: Authority
) -> None:
    async with httpx.AsyncClient(
        base_url=mutual, verify=client_tls(authority.root.certificate, None)
    ) as client:
        with pytest.raises((httpx.ReadError, httpx.ConnectError)):
            await client.get("/")
    assert served.requests == []


async def test_a_certificate_of_another_authority_is_refused(
    served: Served, mutual: str, authority: Authority, tmp_path: Path
) -> None:
    foreign = await asyncio.to_thread(lambda: Authority(tmp_path / "foreign").client("POI00001", "S1"))
    tls = client_tls(authority.root.certificate, foreign)
    async with httpx.AsyncClient(base_url=mutual, verify=tls) as client:
        with pytest.raises((httpx.ReadError, httpx.ConnectError)):
            await client.get("/")
    assert served.requests == []


async def test_nonsense_gets_400_and_the_end(plain: str) -> None:
    host, port = plain.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x00\x00\x00\x20<SaleToPOIRequest>\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()


async def test_a_body_over_the_cap_is_refused(served: Served, plain: str) -> None:
    async with httpx.AsyncClient(base_url=plain) as client:
        try:
            status = (await client.post("/", content=b"x" * (3 << 20))).status_code
        except httpx.TransportError:
            status = 413  # the connection was closed while we were still sending
    assert status == 413
    assert served.requests == []


async def test_closing_ends_open_connections(served: Served) -> None:
    front = Front(served.handle)
    url = await front.start(LOOPBACK, 0)
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"}")
    await front.close()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_a_peer_that_leaves_in_the_middle_is_forgotten(served: Served, plain: str) -> None:
    host, port = plain.removeprefix("http://").split(":")
    for start in (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf", b"GET / HT", b""):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(start)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert served.requests == []


async def test_head_gets_no_body_and_the_end(plain: str) -> None:
    async with httpx.AsyncClient(base_url=plain) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.head("/")
        assert (await client.get("/")).status_code == 200


async def test_connection_close_is_obeyed(plain: str) -> None:
    async with httpx.AsyncClient(base_url=plain) as client:
        for _ in range(2):
            answer = await client.get("/", headers={"connection": "close"})
            assert answer.headers["connection"] == "close"


async def test_any_address_is_shown_as_one_that_can_be_called(served: Served) -> None:
    front = Front(served.handle)
    assert (await front.start("0.0.0.0", 0)).startswith("http://127.0.0.1:")  # noqa: S104 - what is tested
    await front.close()
    await front.close()
