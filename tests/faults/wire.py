"""What stands between bridge and platform: a cable that can be cut, and a proxy that spoils what it hands on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from nexo_bridge.sandbox.certificates import KeyPair
from nexo_bridge.sandbox.front import Front, server_tls
from nexo_bridge.sandbox.routes import Base
from nexo_bridge.sandbox.wire import Answer, Handler, Request
from tests.faults.stage import Stage

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Cable:
    """A TCP relay to one base of the sandbox. ``behave`` replaces the relaying, ``cut`` nobody listens at all."""

    target: tuple[str, int]
    port: int = 0
    behave: Behave | None = None
    tls: ssl.SSLContext | None = None  # with it, ``behave`` speaks inside TLS
    connections: int = 0
    _server: asyncio.Server | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Connections end, and further ones are refused."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._server.wait_closed()

    async def becomes(self, behave: Behave | None, tls: ssl.SSLContext | None = None) -> None:
        """Another machine answers at this address from now on."""
        await self.cut()
        self.behave, self.tls = behave, tls
        await self.plug_in()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await (self.behave or self._relay)(reader, writer)
        finally:
            self._running.discard(task)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        try:
            ways = {asyncio.create_task(copy(reader, back)), asyncio.create_task(copy(there, writer))}
            _, open_ways = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in open_ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            back.transport.abort()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def cable(it: Stage, base: str) -> AsyncIterator[Cable]:
    """A cable to ``base``, in use from the bridge's next start."""
    url = urlsplit(it.sandbox.bases[base])
    assert url.hostname
    assert url.port
    made = Cable((url.hostname, url.port))
    await made.plug_in()
    point(it, base, f"https://localhost:{made.port}")
    try:
        yield made
    finally:
        await made.cut()


def point(it: Stage, base: str, url: str) -> None:
    """The configuration names another address for ``base``."""
    platform = it.settings.platform.model_copy(update={base: url})
    it.settings = it.settings.model_copy(update={"platform": platform})


@dataclass
class Proxy:
    """An HTTPS proxy that hands on to the sandbox; ``spoil`` may change a request's answer, or make one up."""

    base: Base
    handler: Handler
    spoil: Callable[[Request, Handler], Awaitable[Answer]] | None = None
    requests: list[Request] = field(default_factory=list)

    async def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.spoil is None:
            return await self.handler(request)
        return await self.spoil(request, self.handler)


@asynccontextmanager
async def proxy(it: Stage, base: Base) -> AsyncIterator[Proxy]:
    """A proxy before ``base``, in use from the bridge's next start."""
    gateway = it.sandbox._gateway
    assert gateway is not None
    made = Proxy(base, gateway.handler(base))
    folder = it.sandbox.authority.folder
    pair = KeyPair(folder / "server.pem", folder / "server.key")
    context = await asyncio.to_thread(
        server_tls, pair, folder / "ca.pem", client_certificate=ssl.CERT_REQUIRED
    )
    front = Front(made.handle, context)
    point(it, base, await front.start("127.0.0.1", 0))
    try:
        yield made
    finally:
        await front.close()
