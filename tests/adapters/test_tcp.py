from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.framing import frame
from tests.adapters.tcp_rig import Recorder, listening, request, response


async def test_the_address_really_bound_is_told() -> None:
    async with listening() as rig:
        assert rig.host == "127.0.0.1"
        assert rig.port > 0


async def test_a_port_in_use_is_one_line_that_names_setting_and_fix() -> None:
    async with listening() as rig:
        second = TcpListener(TcpListen(kind="tcp", port=rig.port), Recorder())
        with pytest.raises(ConfigurationError, match=rf"listen: .* port {rig.port} .*; set ") as caught:
            await second.start()
        assert "\n" not in str(caught.value)
        await second.close()


async def test_connections_are_named_once_and_never_again() -> None:
    async with listening() as rig:
        peer, first = await rig.connected()
        assert (first.transport, first.connection[:4]) == ("tcp", "tcp-")
        peer.reset()
        await rig.intake.ends.get()
        _, second = await rig.connected()
        assert second != first


async def test_f14_one_pos_on_two_connections_gets_each_answer_where_it_is_sent() -> None:
    async with listening() as rig:
        one, first = await rig.connected()
        two, second = await rig.connected()
        assert await rig.listener.write(second, response("2"))
        assert await rig.listener.write(first, response("1"))
        assert await one.receive() == response("1")
        assert await two.receive() == response("2")


async def test_an_unknown_connection_is_not_open_and_takes_nothing() -> None:
    async with listening() as rig:
        stranger = Source("tcp", "tcp-0")
        assert not rig.listener.is_open(stranger)
        assert not await rig.listener.write(stranger, response())


async def test_connections_above_the_cap_are_closed_and_a_place_that_is_left_is_free_again() -> None:
    async with listening(max_connections=2) as rig:
        peer, source = await rig.connected()
        await rig.connected()
        with capture_logs() as records:
            third = await rig.connect()
            assert await third.reader.read() == b""
        assert [record["event"] for record in records] == ["too_many_connections"]
        peer.reset()
        assert await rig.intake.ends.get() == source
        await asyncio.sleep(0)
        await rig.connected()
        assert rig.intake.ends.empty()


async def test_one_address_cannot_take_every_place() -> None:
    async with listening(max_connections_per_address=1, keepalive=0) as rig:
        await rig.connected()
        with capture_logs() as records:
            second = await rig.connect()
            assert await second.reader.read() == b""
        assert [record["event"] for record in records] == ["too_many_connections_of_one_address"]


async def test_h23_a_storm_of_connections_leaves_nothing_behind() -> None:
    async with listening(max_connections=10) as rig:
        for _ in range(50):
            peer = await rig.connect()
            peer.writer.write_eof()
            assert await peer.reader.read() == b""
            await rig.intake.ends.get()
        await rig.connected()


async def test_after_stop_accepting_those_that_stand_go_on() -> None:
    async with listening() as rig:
        peer, source = await rig.connected()
        rig.listener.stop_accepting()
        with pytest.raises(ConnectionError):
            await rig.connect()
        await peer.send(frame(request("2")))
        await rig.intake.frames.get()
        assert await rig.listener.write(source, response("2"))
        assert await peer.receive() == response("2")


async def test_close_lets_answers_go_out_and_says_gone() -> None:
    async with listening() as rig:
        peer, source = await rig.connected()
        writing = asyncio.create_task(rig.listener.write(source, response()))
        await asyncio.sleep(0)
        await rig.listener.close()
        await writing
        assert await peer.receive() == response()
        assert await peer.reader.read() == b""
        assert await rig.intake.ends.get() == source
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("serve ")]


async def test_close_does_not_wait_for_a_peer_that_does_not_read() -> None:
    async with listening(max_unread=64 << 20) as rig:
        peer = await rig.connect(receive_buffer=2048)
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        writing = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        closing = asyncio.create_task(rig.listener.close())
        await rig.timer.waits(2)
        rig.timer.advance(2)
        await closing
        assert not await writing
        assert await rig.intake.ends.get() == source
