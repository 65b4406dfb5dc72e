"""What each wire can do that a link alone cannot; the till's own tests speak through them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nexo_bridge.conversation.ways import free_port
from nexo_bridge.conversation.wires import HttpWire, LineWire, MqttWire
from nexo_bridge.nexo.framing import frame
from tests.broker import running
from tests.pos.links.peers import sockets, webs

PAIR = ("S1", "POI00001")


async def deaf(_: bytes) -> None:
    """Hears nothing."""


async def test_a_line_knows_what_is_still_on_its_way() -> None:
    async with sockets(secure=False) as peer:
        wire = LineWire("tcp", ("127.0.0.1", peer.address.port))
        news = asyncio.Event()

        async def heard(_: bytes) -> None:
            news.set()

        await wire.connect(heard, news.set)
        await wire.send(b"<a/>", PAIR)
        await peer.taken.get()
        assert not wire.behind({}, "tcp-1")
        assert wire.behind({"tcp-1": 1}, "tcp-1")
        peer.writers[0].write(frame(b"<b/>"))
        await news.wait()
        assert not wire.behind({"tcp-1": 1}, "tcp-1")
        await wire.drop()
        assert not wire.connected
        await wire.close()


async def test_http_counts_what_is_open_and_tells_when_it_ends() -> None:
    async with webs(secure=False) as peer:
        news = asyncio.Event()
        wire = HttpWire(("127.0.0.1", peer.address.port), ("127.0.0.1", free_port()), news.set)
        await wire.connect(deaf, lambda: None)
        await wire.send(b"{}", PAIR)
        await peer.taken.get()
        assert (wire.outstanding, peer.headers[0]["Content-Type"]) == (1, "application/json")
        await peer.vanish()
        await news.wait()
        assert wire.outstanding == 0
        assert wire.connected
        with pytest.raises(NotImplementedError):
            wire.half_close()
        await wire.drop()
        assert not wire.connected


async def test_at_a_broker_each_pair_has_its_topics(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        written: dict[str, int] = {"mqtt:p/S1/POI00001/to-sale": 3}
        wire = MqttWire(
            "mqtt5",
            ("127.0.0.1", broker.port),
            prefix="p",
            written=lambda: written,
            pair=PAIR,
        )
        await wire.connect(deaf, lambda: None)
        await wire.send(b"<a/>", PAIR)
        await wire.send(b"<b/>", ("S 2", "POI00001"))
        broker.heard("'p/S1/POI00001/to-poi'")
        broker.heard("'p/S%202/POI00001/to-poi'")
        assert not wire.behind(written, "")  # what was written before it came is not meant for it
        written["mqtt:p/S%202/POI00001/to-sale"] = 1
        assert wire.behind(written, "")
        wire.begin_anew()
        assert not wire.behind({}, "")
        await wire.drop()
        assert not wire.connected
