"""An HTTP listener on port 0, an intake that remembers, and clients on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11

from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.http_outgoing import PosAddress
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.intake import Reaction, Speaker
from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal
from tests.faults import words

PATH = "/EPASSaleToPOI/3.1"
XML = {"Content-Type": "application/xml; charset=utf-8"}


def payment(service: str = "7") -> bytes:
    return words.payment(service, "KASSE1", "POI00001", "10.00")


def answer(service: str = "7") -> bytes:
    """A response; the listener looks at root and header alone."""
    return (
        f'<SaleToPOIResponse><MessageHeader MessageClass="Service" MessageCategory="Payment" ServiceID="{service}" '
        'MessageType="Response" SaleID="KASSE1" POIID="POI00001"/></SaleToPOIResponse>'
    ).encode()


def display(sale: str = "KASSE1", text: str = "") -> bytes:
    """A request of ours to the POS."""
    return (
        '<SaleToPOIRequest><MessageHeader MessageClass="Device" MessageCategory="Display" MessageType="Request" '
        f'DeviceID="1" SaleID="{sale}" POIID="POI00001"/><DisplayRequest>{text}</DisplayRequest></SaleToPOIRequest>'
    ).encode()


@dataclass
class Taken:
    source: Source
    data: bytes
    speaker: Speaker | None = None
    ack: int | None = None
    refusal: Refusal | None = None


@dataclass
class Recorder:
    """The intake of a test: what came, and what is said to it."""

    taken: asyncio.Queue[Taken] = field(default_factory=asyncio.Queue)
    ends: asyncio.Queue[Source] = field(default_factory=asyncio.Queue)
    reaction: Reaction | None = "response"
    on_frame: Callable[[Taken], Awaitable[object]] | None = None
    on_fault: Callable[[Taken], Awaitable[object]] | None = None

    async def frame(
        self,
        source: Source,
        data: bytes,
        *,
        speaker: Speaker | None = None,
        ack: int | None = None,
        refused: Refusal | None = None,
    ) -> Reaction | None:
        taken = Taken(source, data, speaker, ack, refused)
        if self.on_frame is not None:
            await self.on_frame(taken)
        self.taken.put_nowait(taken)
        return self.reaction

    async def fault(self, source: Source, refusal: Refusal, start: bytes, *, ack: int | None = None) -> None:
        taken = Taken(source, start, None, ack, refusal)
        self.taken.put_nowait(taken)
        if self.on_fault is not None:
            await self.on_fault(taken)

    def gone(self, source: Source) -> None:
        self.ends.put_nowait(source)


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Client:
    """One connection of an HTTP client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str = "127.0.0.1"
    http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self,
        body: bytes = b"",
        headers: Mapping[str, str] = XML,
        *,
        method: str = "POST",
        path: str = PATH,
        length: int | None = None,
    ) -> None:
        """Send one request; its answer is ``response``'s."""
        given = {"Host": self.host, **headers}
        if method == "POST" and "Transfer-Encoding" not in headers:
            given.setdefault("Content-Length", str(len(body) if length is None else length))
        event = h11.Request(method=method, target=path, headers=list(given.items()))
        await self.send(self.http.send(event) or b"")
        if body:
            await self.send(self.http.send(h11.Data(data=body)) or b"")
        if length is None:
            await self.send(self.http.send(h11.EndOfMessage()) or b"")

    async def response(self) -> Response:
        head, body = None, b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                assert isinstance(event, h11.InformationalResponse), event
        assert head is not None
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return Response(head.status_code, {k.decode(): v.decode() for k, v in head.headers}, body)

    async def post(self, body: bytes, headers: Mapping[str, str] = XML, **more: Any) -> Response:
        await self.ask(body, headers, **more)
        return await self.response()

    async def closed(self) -> bool:
        """Whether the other side ends the connection, with nothing more to say."""
        return await self.reader.read() == b""

    def leave(self) -> None:
        self.writer.transport.abort()


async def connected(port: int, *, tls: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Client:
    """A connection to a listener on this machine, from one of its loopback addresses."""
    name = "localhost" if tls else None
    return Client(
        *await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name, local_addr=(local, 0)
        )
    )


@dataclass
class Rig:
    listener: HttpListener
    intake: Recorder
    timer: HandTimer
    port: int
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *, tls: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Client:
        client = await connected(self.port, tls=tls, local=local)
        self.clients.append(client)
        return client

    async def serving(self) -> None:
        """Wait until the head of a request was taken, and so its body is being read."""
        while not any(one._serving for one in self.listener._connections):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)

    async def asked(self, body: bytes | None = None) -> tuple[Client, Source]:
        """A client whose request has come, and the name of that request."""
        client = await self.connect()
        await client.ask(payment() if body is None else body)
        return client, (await self.intake.taken.get()).source


@asynccontextmanager
async def listening(
    *, addresses: Mapping[str, PosAddress] | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    intake, timer = Recorder(), HandTimer()
    made = HttpListen.model_validate({"kind": "http", "port": 0, **settings})
    listener = await asyncio.to_thread(HttpListener, made, intake, addresses=addresses, timer=timer)
    port = int((await listener.start()).rpartition(":")[2])
    rig = Rig(listener, intake, timer, port)
    try:
        yield rig
    finally:
        for client in rig.clients:
            client.leave()
        await listener.close()
