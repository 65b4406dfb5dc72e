"""A till's connection: what it says, what it hears, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nexo_bridge.conversation.till import Till
from nexo_bridge.conversation.wires import LineWire
from nexo_bridge.nexo.framing import frame


@dataclass
class Peer:
    """The other end: what it read, and how its reading ended."""

    address: tuple[str, int] = ("", 0)
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    there: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    made = Peer()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.reader, made.writer = reader, writer
        made.there.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    made.address = (str(host), int(port))
    try:
        yield made
    finally:
        server.close()
        if made.writer is not None:
            made.writer.transport.abort()


async def heard(till: Till, count: int, news: asyncio.Event) -> list[bytes]:
    while len(till.inbox) < count:
        news.clear()
        await news.wait()
    return [one.data for one in till.inbox]


async def test_what_it_says_and_hears() -> None:
    news = asyncio.Event()
    till = Till("POS2", "POI00001", news.set)
    assert till.sale_id == "S2"
    assert (till.connected, till.outstanding) == (False, 0)
    async with peer() as other:
        await till.connect(LineWire("tcp", other.address))
        await other.there.wait()
        assert till.connected
        assert (till.has("line"), till.has("pushes")) == (True, False)
        await till.send(b"<a/>", ("S2", "POI00001"))
        assert till.on_its_way == 1
        assert other.reader is not None
        assert other.writer is not None
        assert await other.reader.readexactly(8) == frame(b"<a/>")
        other.writer.write(frame(b"<b/>") + frame(b"<c/>"))
        assert await heard(till, 2, news) == [b"<b/>", b"<c/>"]
        till.half_close()
        assert await other.reader.read() == b""
        await till.leave()
    assert not till.connected


async def test_a_cable_that_is_pulled_is_a_reset() -> None:
    till = Till("POS", "POI00001", lambda: None)
    async with peer() as other:
        await till.connect(LineWire("tcp", other.address))
        await other.there.wait()
        await till.drop()
        assert not till.connected
        assert other.reader is not None
        try:
            ended = await other.reader.read()
        except ConnectionResetError:
            ended = b""
        assert ended == b""
        await till.leave()


async def test_it_knows_when_the_other_side_ends() -> None:
    news = asyncio.Event()
    till = Till("POS", "POI00001", news.set)
    async with peer() as other:
        await till.connect(LineWire("tcp", other.address))
        await other.there.wait()
        assert other.writer is not None
        other.writer.close()
        while not till.ended:
            news.clear()
            await news.wait()
        assert not till.connected
        await till.leave()


class Hall(LineWire):
    """A wire on which everybody hears everything."""

    shared = True


async def test_of_what_everybody_hears_it_takes_its_own() -> None:
    news = asyncio.Event()
    till = Till("POS", "POI00001", news.set)
    told = [
        b'<SaleToPOI%s><MessageHeader MessageCategory="%s" ServiceID="%s" SaleID="%s"/></SaleToPOI%s>'
        % (*one, one[0])
        for one in (
            (b"Response", b"Payment", b"8", b"S1"),
            (b"Request", b"Display", b"", b"S2"),
            (b"Response", b"Payment", b"7", b"S1"),
            (b"Request", b"Display", b"", b"S1"),
        )
    ]
    async with peer() as other:
        await till.connect(Hall("tcp", other.address))
        await till.send(b"<a/>", ("S1", "POI00001"), ("Payment", "7"))
        await other.there.wait()
        assert other.writer is not None
        for message in told:
            other.writer.write(frame(message))
        assert await heard(till, 2, news) == told[2:]
        await till.leave()
