"""What is MQTT's own: topics, logins, what a broker refuses, two runs of one POS."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from nexo_bridge.pos.links.link import Login, Mqtt, NothingSent
from nexo_bridge.pos.links.mqtt import MqttLink, topics
from tests.broker import running
from tests.pos.links.peers import PAIR, Ears, behind, line

XML = "application/xml; charset=utf-8"


def test_ids_in_topics_cannot_reach_into_others() -> None:
    assert topics("nexo", "TILL/1", "P+#I 1ä") == (
        "nexo/TILL%2F1/P%2B%23I%201%C3%A4/to-poi",
        "nexo/TILL%2F1/P%2B%23I%201%C3%A4/to-sale",
    )


@pytest.mark.parametrize(("way", "told"), [("mqtt-3.1.1", None), ("mqtt-5", XML)])
async def test_it_publishes_where_the_terminal_listens(way: str, told: str | None, tmp_path: Path) -> None:
    async with line(way, tmp_path) as (one, peer):
        ears = Ears()
        await ears.connect(one)
        await one.send(b"<pay/>", ears.lost.put_nowait)
        await peer.taken.get()
        assert (peer.topics, peer.types) == (["nexo/TILL%2F1/POI%201/to-poi"], [told])


async def test_two_runs_of_one_pos_do_not_push_each_other_out(tmp_path: Path) -> None:
    async with behind(tmp_path, "5") as peer:
        pair = [MqttLink("127.0.0.1", peer.address.port, PAIR, version="5") for _ in range(2)]
        ears = [Ears(), Ears()]
        for one, of in zip(pair, ears, strict=True):
            await of.connect(one)
        peer.answers = [b"<paid/>"]
        await pair[0].send(b"<pay/>", ears[0].lost.put_nowait)
        assert [await of.heard.get() for of in ears] == [b"<paid/>"] * 2
        for one in pair:
            await one.close()


@pytest.mark.parametrize("version", get_args(Mqtt))
async def test_a_broker_that_wants_a_login_gets_it_or_refuses(version: Mqtt, tmp_path: Path) -> None:
    with running(tmp_path, users={"till": "right"}) as broker:

        def one(login: Login | None) -> MqttLink:
            return MqttLink("127.0.0.1", broker.port, PAIR, login=login, version=version)

        for wrong in (None, Login("till", "wrong")):
            with pytest.raises(NothingSent, match="Not authorized"):
                await Ears().connect(one(wrong))
        good = one(Login("till", "right"))
        await Ears().connect(good)
        assert good.connected
        await good.close()


async def test_a_broker_that_lets_nobody_hear_is_no_way_to_pay() -> None:
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)  # CONNECT
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1024)
        writer.write(b"\x90\x03" + subscribe[2:4] + b"\x80")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        one = MqttLink("127.0.0.1", port, PAIR, version="3.1.1")
        with pytest.raises(NothingSent, match="does not let this POS hear nexo/TILL%2F1/POI%201/to-sale"):
            await Ears().connect(one)
        assert not one.connected
        await over.wait()
