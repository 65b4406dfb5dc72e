"""What is TCP's own: the length before a message, and bytes that no message begins with."""

from __future__ import annotations

import asyncio

import pytest

from nexo_bridge.nexo.framing import frame
from nexo_bridge.pos.links.link import NothingSent
from nexo_bridge.pos.links.tcp import TcpLink
from tests.pos.links.peers import Ears, sockets, trusting


async def test_messages_are_found_whatever_pieces_they_come_in() -> None:
    async with sockets(secure=False) as peer:
        one, ears = TcpLink("127.0.0.1", peer.address.port), Ears()
        await ears.connect(one)
        await one.send(b"<hello/>", ears.lost.put_nowait)
        await peer.taken.get()
        (writer,) = peer.writers
        for byte in frame(b"<a/>") + b"\0\0\0\0" + frame(b"<b/>"):  # one that says nothing is no end
            writer.write(bytes((byte,)))
            await writer.drain()
        assert [await ears.heard.get(), await ears.heard.get()] == [b"<a/>", b"<b/>"]
        await one.close()


async def test_what_is_no_message_ends_the_connection() -> None:
    async with sockets(secure=False) as peer:
        one, ears = TcpLink("127.0.0.1", peer.address.port), Ears()
        await ears.connect(one)
        await one.send(b"<hello/>", ears.lost.put_nowait)
        await peer.taken.get()
        peer.writers[0].write(b"HTTP/1.1 200 OK\r\n" + b"x" * 2000)
        await ears.ended.wait()
        assert not one.connected
        await one.close()


async def test_a_peer_that_speaks_no_tls_got_nothing() -> None:
    over = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"what?")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NothingSent, match=f"cannot connect to 127.0.0.1 port {port}"):
            await Ears().connect(TcpLink("127.0.0.1", port, tls=trusting()))
        await over.wait()
