"""A TLS server that says what a test told it to, byte for byte. It knows nothing of the contract."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from nexo_bridge.adapters.https import Timeouts
from nexo_bridge.adapters.ppaas_http import Bases, Clock, Platform, TerminalAccess

SERIAL = "2097CD800007"
CREDENTIALS = "/oauth2-mtls/v1/merchants-credentials"
TOKEN = "/oauth2-mtls/v1/token"
COUNTRIES = "/resources/v1/countries"
CARDS = "/card-payment/v1/transactions"
MERCHANT = {
    "merchantName": "Dupont",
    "userDomain": "dupont",
    "clientId": "device-1",
    "clientSecret": "hush-1",
}


@dataclass(frozen=True)
class Request:
    """One request as it came; ``target`` without the prefix that names the base."""

    method: str
    base: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.split("?")[0]

    @property
    def bearer(self) -> str:
        return self.headers["authorization"].removeprefix("Bearer ")


Act = Callable[[asyncio.StreamWriter, Request], Awaitable[None]]
Reply = bytes | Act


def http(status: int, document: Any = None, *, headers: str = "", body: bytes | None = None) -> bytes:
    """A whole answer. ``headers`` are further lines, each with its line end."""
    content = json.dumps(document).encode() if body is None and document is not None else body or b""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


def token(bearer: str, expires_in: Any = 300) -> bytes:
    return http(200, {"access_token": bearer, "token_type": "Bearer", "expires_in": expires_in})


def transaction(**changes: Any) -> dict[str, Any]:
    basic = {
        "transactionId": "t-1",
        "clientTransactionId": "k-1",
        "deviceId": SERIAL,
        "status": "PENDING",
        "paymentAmount": {"amount": 1250, "currency": "EUR"},
    }
    return {**basic, **changes}


async def hang_up(writer: asyncio.StreamWriter, request: Request) -> None:
    """Close without a word."""
    writer.close()


async def reset(writer: asyncio.StreamWriter, request: Request) -> None:
    writer.transport.abort()


class Silence:
    """Say nothing until ``end`` is set; ``begun`` is set when the request is here."""

    def __init__(self, then: bytes = b"") -> None:
        self.begun, self.end, self._then = asyncio.Event(), asyncio.Event(), then

    async def __call__(self, writer: asyncio.StreamWriter, _: Request) -> None:
        self.begun.set()
        await self.end.wait()
        writer.write(self._then)


def cut_at(length: int, answer: bytes) -> Act:
    """The first ``length`` bytes of ``answer``, then the end of the connection."""

    async def act(writer: asyncio.StreamWriter, request: Request) -> None:
        writer.write(answer[:length])
        await writer.drain()
        writer.close()

    return act


@dataclass
class ScriptedPlatform:
    """Replies by path, in order; the last one is said again and again."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _script: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))

    def says(self, path: str, *replies: Reply) -> None:
        self._script[path] = list(replies)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, ssl.SSLError):
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                replies = self._script[request.path] or [http(404, {"code": "NOT_FOUND"})]
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                if isinstance(reply, bytes):
                    writer.write(reply)
                else:
                    await reply(writer, request)
                if not writer.is_closing():
                    await writer.drain()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    _, base, rest = target.split("/", 2)
    return Request(method, base, f"/{rest}", headers, body)


@dataclass(frozen=True)
class Certificates:
    """An authority of the tests, a server's context and a device's files."""

    authority: trustme.CA
    folder: Path
    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        authority = trustme.CA()
        ca, certificate, key = folder / "bundle.pem", folder / "client.pem", folder / "client.key"
        authority.cert_pem.write_to_path(str(ca))
        write(authority.issue_cert(f"{SERIAL}.device.example"), certificate, key)
        return cls(authority, folder, ca, certificate, key)

    def server(
        self, certificate: trustme.LeafCert | None = None, trusts: trustme.CA | None = None
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate or self.authority.issue_cert("localhost", "127.0.0.1")).configure_cert(context)
        (trusts or self.authority).configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def write(leaf: trustme.LeafCert, certificate: Path, key: Path) -> None:
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    key.chmod(0o600)


@dataclass
class Time:
    """A monotonic clock that stands still until a test moves it; the wall clock is the real one."""

    mono: float = 1000.0

    def clock(self) -> Clock:
        return Clock(mono=lambda: self.mono)


@contextlib.asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None,
) -> AsyncIterator[int]:
    """A server on a free port; its connections are ended with it."""
    running: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the test is over
                await serve(reader, writer)
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def scripted(
    certificates: Certificates, context: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedPlatform]:
    """A platform with a session that works: two merchants' worth of nothing else."""
    platform = ScriptedPlatform()
    platform.says(CREDENTIALS, http(200, [MERCHANT]))
    platform.says(TOKEN, token("token-1"), token("token-2"), token("token-3"))
    platform.says(COUNTRIES, http(200, [{"code": "BG", "display": "Bulgaria"}]))
    async with listening(platform.serve, context or certificates.server()) as port:
        platform.port = port
        yield platform


def bases(port: int, host: str = "localhost") -> Bases:
    """Each base has a prefix of its own, so that a request shows which one it was made on."""
    url = f"https://{host}:{port}"
    return Bases(f"{url}/auth", f"{url}/device_auth", f"{url}/api", f"{url}/device_api")


@contextlib.asynccontextmanager
async def bridge(
    port: int,
    certificates: Certificates,
    *,
    host: str = "localhost",
    time: Time | None = None,
    timeouts: Timeouts | None = None,
    merchant_name: str | None = None,
) -> AsyncIterator[Platform]:
    """The adapter with one terminal, P1."""
    access = TerminalAccess(SERIAL, certificates.certificate, certificates.key, merchant_name=merchant_name)
    platform = await asyncio.to_thread(
        Platform,
        {"P1": access},
        bases(port, host),
        ca=certificates.ca,
        clock=(time or Time()).clock(),
        timeouts=timeouts or Timeouts(),
    )
    try:
        yield platform
    finally:
        await platform.close()
