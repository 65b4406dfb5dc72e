"""The other side of each link, on real sockets: it takes messages, answers as a test says, and can vanish."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import trustme
from aiohttp import web

from nexo_bridge.errors import BridgeError
from nexo_bridge.nexo.framing import Frame, Framer, frame
from nexo_bridge.pos.links.address import Access, Address, link
from nexo_bridge.pos.links.link import Link
from tests.broker import Broker, Tls, running

PAIR = ("TILL/1", "POI 1")
WAYS = ("tcp", "tls", "mqtt-3.1.1", "mqtt-5", "mqtts", "http", "https")


class Peer(Protocol):
    """What a test does with the other side."""

    address: Address
    access: Access
    taken: asyncio.Queue[bytes]
    answers: list[bytes]
    """What it says to the next messages, one each, an empty one for nothing; without any it says nothing yet."""

    async def vanish(self) -> None:
        """End everything without a word."""


@dataclass
class Ears:
    """What a link told the POS."""

    heard: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Queue[BridgeError] = field(default_factory=asyncio.Queue)
    says: bytes | None = None

    async def hear(self, data: bytes) -> bytes | None:
        self.heard.put_nowait(data)
        says, self.says = self.says, None
        return says

    async def connect(self, link: Link) -> None:
        await link.connect(self.hear, self.ended.set)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def serving() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("127.0.0.1").configure_cert(context)
    return context


@dataclass
class Sockets:
    """Length-framed messages over TCP or TLS."""

    address: Address
    access: Access
    taken: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    answers: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def vanish(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        framer = Framer()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                framer.receive_data(data)
                while event := framer.next_event():
                    assert isinstance(event, Frame)
                    self.taken.put_nowait(event.data)
                    if self.answers and (answer := self.answers.pop(0)):
                        writer.write(frame(answer))
        writer.close()


@asynccontextmanager
async def sockets(*, secure: bool) -> AsyncIterator[Sockets]:
    peer = Sockets(Address("tls" if secure else "tcp", "127.0.0.1", 0), Access(tls=trusting()))
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=serving() if secure else None)
    peer.address = Address(peer.address.scheme, "127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield peer
    finally:
        server.close()
        await peer.vanish()
        await server.wait_closed()


@dataclass
class Web:
    """Answers in HTTP responses."""

    address: Address
    access: Access
    runner: web.AppRunner
    taken: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    answers: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: list[dict[str, str]] = field(default_factory=list)
    cut: asyncio.Event = field(default_factory=asyncio.Event)

    async def vanish(self) -> None:
        self.cut.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.taken.put_nowait(await request.read())
        if not self.answers:
            await self.cut.wait()
            assert request.transport is not None
            request.transport.abort()
        answer = self.answers.pop(0) if self.answers else b""
        status = self.status if answer else 204
        return web.Response(status=status, body=answer, headers={"Content-Type": "application/xml"})


@asynccontextmanager
async def webs(*, secure: bool) -> AsyncIterator[Web]:
    app = web.Application()
    runner = web.AppRunner(app)
    scheme: Any = "https" if secure else "http"
    peer = Web(Address(scheme, "127.0.0.1", 0), Access(tls=trusting()), runner)
    app.router.add_post("/EPASSaleToPOI/3.1", peer.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving() if secure else None)
    await site.start()
    peer.address = Address(scheme, "127.0.0.1", runner.addresses[0][1], "/EPASSaleToPOI/3.1")
    try:
        yield peer
    finally:
        peer.cut.set()
        await runner.cleanup()


@dataclass
class Behind:
    """A terminal behind a broker."""

    address: Address
    access: Access
    broker: Broker
    taken: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    answers: list[bytes] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)

    async def vanish(self) -> None:
        await asyncio.to_thread(self.broker.kill)

    async def serve(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for publication in client.messages:
                self.topics.append(str(publication.topic))
                self.types.append(getattr(publication.properties, "ContentType", None))
                self.taken.put_nowait(bytes(publication.payload))
                if self.answers and (answer := self.answers.pop(0)):
                    await client.publish("nexo/TILL%2F1/POI%201/to-sale", answer, qos=1)


@asynccontextmanager
async def behind(
    folder: Path, version: Any, *, secure: bool = False, users: dict[str, str] | None = None
) -> AsyncIterator[Behind]:
    """``users``: whom the broker knows; the terminal is the first of them."""
    broker, context = await asyncio.to_thread(_broker, folder, secure, users)
    try:
        access = Access(tls=trusting() if secure else None, mqtt=version)
        peer = Behind(Address("mqtts" if secure else "mqtt", "127.0.0.1", broker.port), access, broker)
        client = aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=trusting() if secure else None,
            username=next(iter(users)) if users else None,
            password=next(iter(users.values())) if users else None,
        )
        with contextlib.suppress(aiomqtt.MqttError):  # the broker may be gone at the end
            async with client:
                await client.subscribe("nexo/+/+/to-poi", qos=1)
                task = asyncio.create_task(peer.serve(client))
                try:
                    yield peer
                finally:
                    while not task.done():  # asyncio.wait_for of Python 3.11 may swallow a cancellation
                        task.cancel()
                        await asyncio.wait({task}, timeout=0.1)
    finally:
        await asyncio.to_thread(context.close)


def _broker(folder: Path, secure: bool, users: dict[str, str] | None) -> tuple[Broker, contextlib.ExitStack]:
    """A broker, and what ends it."""
    tls = None
    if secure:
        folder.mkdir(parents=True, exist_ok=True)
        leaf = authority().issue_cert("127.0.0.1")
        tls = Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        authority().cert_pem.write_to_path(tls.ca)
        tls.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(tls.key)
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(running(folder / "broker", tls=tls, users=users))
        return broker, stack.pop_all()


Open = Callable[[Path], Any]
OTHER_SIDES: dict[str, Open] = {
    "tcp": lambda _: sockets(secure=False),
    "tls": lambda _: sockets(secure=True),
    "mqtt-3.1.1": partial(behind, version="3.1.1"),
    "mqtt-5": partial(behind, version="5"),
    "mqtts": partial(behind, version="5", secure=True),
    "http": lambda _: webs(secure=False),
    "https": lambda _: webs(secure=True),
}


@asynccontextmanager
async def line(way: str, folder: Path) -> AsyncIterator[tuple[Link, Any]]:
    """A link of that kind, not yet connected, and its other side."""
    async with OTHER_SIDES[way](folder) as peer:
        one = link(peer.address, PAIR, peer.access)
        try:
            yield one, peer
        finally:
            await one.close()
