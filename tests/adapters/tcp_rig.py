"""A listener on port 0, an intake that remembers, and peers on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nexo_bridge.adapters.intake import ANYBODY, Speaker
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal


def request(service: str = "1", body: str = "PaymentRequest") -> bytes:
    return f'<SaleToPOIRequest><MessageHeader ServiceID="{service}"/><{body}/></SaleToPOIRequest>'.encode()


def response(service: str = "1") -> bytes:
    return f'<SaleToPOIResponse><MessageHeader ServiceID="{service}"/></SaleToPOIResponse>'.encode()


@dataclass
class Fault:
    source: Source
    refusal: Refusal
    start: bytes


@dataclass
class Recorder:
    """The intake of a test: what came, and what to do about it."""

    frames: asyncio.Queue[tuple[Source, bytes]] = field(default_factory=asyncio.Queue)
    speakers: list[Speaker] = field(default_factory=list)
    faults: asyncio.Queue[Fault] = field(default_factory=asyncio.Queue)
    ends: asyncio.Queue[Source] = field(default_factory=asyncio.Queue)
    refused: list[Refusal | None] = field(default_factory=list)
    on_frame: Callable[[Source, bytes], Awaitable[object]] | None = None
    on_fault: Callable[[Source], Awaitable[object]] | None = None

    async def frame(
        self,
        source: Source,
        data: bytes,
        *,
        speaker: Speaker = ANYBODY,
        refused: Refusal | None = None,
        **_: Any,
    ) -> None:
        self.speakers.append(speaker)
        self.refused.append(refused)
        self.frames.put_nowait((source, data))
        if self.on_frame is not None:
            await self.on_frame(source, data)

    async def fault(self, source: Source, refusal: Refusal, start: bytes, **_: Any) -> None:
        self.faults.put_nowait(Fault(source, refusal, start))
        if self.on_fault is not None:
            await self.on_fault(source)

    def gone(self, source: Source) -> None:
        self.ends.put_nowait(source)


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        size = int.from_bytes(await self.reader.readexactly(4))
        return await self.reader.readexactly(size)

    def reset(self) -> None:
        """End the connection with RST, as a crashed machine's router does."""
        plain: socket.socket = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


@dataclass
class Rig:
    listener: TcpListener
    intake: Recorder
    timer: HandTimer
    host: str
    port: int
    peers: list[Peer] = field(default_factory=list)

    async def connect(self, *, receive_buffer: int = 0) -> Peer:
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plain, (self.host, self.port))
        except OSError:
            plain.close()
            raise
        limit = 2048 if receive_buffer else 2**16
        peer = Peer(*await asyncio.open_connection(sock=plain, limit=limit))
        self.peers.append(peer)
        return peer

    async def connected(self) -> tuple[Peer, Source]:
        """A peer whose first request has come, and the name of its connection."""
        peer = await self.connect()
        await peer.send(len(request()).to_bytes(4) + request())
        source, data = await self.intake.frames.get()
        assert data == request()
        return peer, source


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[Rig]:
    intake, timer = Recorder(), HandTimer()
    listener = TcpListener(TcpListen(kind="tcp", port=0, **settings), intake, timer=timer)
    host, _, port = (await listener.start()).rpartition(":")
    rig = Rig(listener, intake, timer, host, int(port))
    try:
        yield rig
    finally:
        for peer in rig.peers:
            peer.writer.transport.abort()
        await listener.close()
