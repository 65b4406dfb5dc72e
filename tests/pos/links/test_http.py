"""What is HTTP's own: statuses, sizes, many requests at a time, and when it is certain that nothing was sent."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from nexo_bridge.nexo.framing import MAX_FRAME
from nexo_bridge.pos.links.address import link
from nexo_bridge.pos.links.http import HttpLink
from nexo_bridge.pos.links.link import AnswerLost, NothingSent
from tests.pos.links.peers import PAIR, Ears, webs


async def test_a_request_says_what_it_holds_and_uses_a_connection_of_its_own() -> None:
    async with webs(secure=False) as peer:
        one, ears = link(peer.address, PAIR, peer.access), Ears()
        await ears.connect(one)
        peer.answers = [b"<paid/>"]
        await one.send(b"<pay/>", ears.lost.put_nowait)
        await ears.heard.get()
        assert peer.headers[0]["Content-Type"] == "application/xml; charset=utf-8"
        assert peer.headers[0]["Connection"] == "close"
        await one.close()


async def test_one_overtakes_another_that_waits() -> None:
    async with webs(secure=False) as peer:
        one, ears = link(peer.address, PAIR, peer.access), Ears()
        await ears.connect(one)
        await one.send(b"<pay/>", ears.lost.put_nowait)
        await peer.taken.get()
        peer.answers = [b"<still running/>"]
        await one.send(b"<status/>", ears.lost.put_nowait)
        assert await ears.heard.get() == b"<still running/>"
        await one.close()


async def test_a_refusal_is_heard_and_the_answer_is_lost() -> None:
    async with webs(secure=False) as peer:
        one, ears = link(peer.address, PAIR, peer.access), Ears()
        await ears.connect(one)
        peer.status, peer.answers = 400, [b"<why/>"]
        await one.send(b"<wrong", ears.lost.put_nowait)
        assert await ears.heard.get() == b"<why/>"
        assert str(await ears.lost.get()) == "the answer has HTTP status 400"
        peer.answers = [b"<why/>"]
        with pytest.raises(AnswerLost, match="400"):
            await one.send(b"<stop/>", None)
        await one.close()


async def test_an_answer_without_a_response_says_so_for_one_who_waits() -> None:
    async with webs(secure=False) as peer:
        one, ears = link(peer.address, PAIR, peer.access), Ears()
        await ears.connect(one)
        peer.answers = [b""]
        await one.send(b"<pay/>", ears.lost.put_nowait)
        assert "held no response" in str(await ears.lost.get())
        await one.close()


async def test_an_answer_without_end_is_not_read_to_the_end() -> None:
    async with webs(secure=False) as peer:
        one, ears = link(peer.address, PAIR, peer.access), Ears()
        await ears.connect(one)
        peer.answers = [b"x" * (MAX_FRAME + 1)]
        await one.send(b"<pay/>", ears.lost.put_nowait)
        assert f"longer than {MAX_FRAME} bytes" in str(await ears.lost.get())
        assert ears.heard.empty()
        await one.close()


async def test_a_peer_that_speaks_no_http_got_the_request_all_the_same() -> None:
    over = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"\x00\x00\x00\x05hello")
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        one, ears = HttpLink(f"http://127.0.0.1:{port}/"), Ears()
        await ears.connect(one)
        await one.send(b"<pay/>", ears.lost.put_nowait)
        assert isinstance(await ears.lost.get(), AnswerLost)
        await one.close()
        await over.wait()


async def test_the_terminal_speaks_to_an_address_of_ours() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one, ears = (
        HttpLink("http://127.0.0.1:9/", listen=("127.0.0.1", port)),
        Ears(),
    )
    await ears.connect(one)
    async with aiohttp.ClientSession() as session:
        ears.says = b"<shown/>"
        for status, said in ((200, b"<shown/>"), (204, b"")):
            async with session.post(f"http://127.0.0.1:{port}/any", data=b"<show/>") as response:
                assert (response.status, await response.read()) == (status, said)
    assert ears.heard.qsize() == 2
    other = HttpLink("http://127.0.0.1:9/", listen=("127.0.0.1", port))
    with pytest.raises(NothingSent, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
        await Ears().connect(other)
    await one.close()
