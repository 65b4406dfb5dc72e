"""The limits of one connection (H23), and what is no HTTP at all (H24)."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.adapters.http_rig import PATH, answer, listening, payment


async def test_h23_a_head_that_trickles_in_is_cut_off_however_steadily_it_does() -> None:
    async with listening(frame_timeout=5, idle_timeout=600) as rig:
        client = await rig.connect()
        await client.send(b"POST /nexo HTTP/1.1\r\n")
        await rig.timer.waits(5)
        rig.timer.advance(4)
        await client.send(b"Host: local")
        with capture_logs() as records:
            rig.timer.advance(1)
            assert await client.closed()
        assert [one["event"] for one in records] == ["request_too_slow"]
        assert rig.intake.taken.empty()


@pytest.mark.parametrize("after_a_request", [False, True])
async def test_h23_a_connection_without_a_request_is_closed(after_a_request: bool) -> None:
    async with listening(idle_timeout=600) as rig:
        client = await rig.connect()
        if after_a_request:
            await client.ask(payment())
            source = (await rig.intake.taken.get()).source
            await rig.listener.write(source, answer())
            await client.response()
            await rig.intake.ends.get()
        await rig.timer.waits(600)
        with capture_logs() as records:
            rig.timer.advance(600)
            assert await client.closed()
        assert records == []


async def test_a_request_that_waits_for_its_answer_is_not_idle() -> None:
    async with listening(idle_timeout=20, frame_timeout=10) as rig:
        client, source = await rig.asked()
        rig.timer.advance(100)
        await rig.listener.write(source, answer())
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x01\x2c<SaleToPOIRequest>",
        b"<SaleToPOIRequest/>\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"\x06\x00\r\n\r\n",
        b"POST /nexo HTTP/1.1\r\nHost: localhost\r\nHost localhost\r\n\r\n",
        b"POST /nexo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /nexo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /nexo HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"POST /nexo HTTP/1.1\r\n" + b"X: x\r\n" * 65 + b"\r\n",
        b"POST /4111111111111111 HTTP/9.9.9\r\n\r\n",
    ],
    ids=["frame", "bare", "TLS", "ZVT", "header", "lengths", "smuggling", "long", "many", "version"],
)
async def test_h24_what_is_no_http_gets_a_short_answer_that_quotes_nothing(data: bytes) -> None:
    async with listening() as rig:
        client = await rig.connect()
        with capture_logs() as records:
            await client.send(data)
            said = await client.reader.read()
        assert said.startswith(b"HTTP/1.0 400 ")
        assert b"4111" not in said
        assert [(one["event"], one["reason"]) for one in records] == [("wrong_protocol", "not HTTP")]
        assert rig.intake.taken.empty()


async def test_f16_a_client_that_closes_its_sending_half_is_gone() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        client.writer.write_eof()
        assert await rig.intake.ends.get() == source
        assert await client.closed()


async def test_h27_requests_in_one_packet_are_served_one_after_the_other() -> None:
    async with listening() as rig:
        client = await rig.connect()
        body = payment()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        await client.send((f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body) * 100)
        for _ in range(100):
            source = (await rig.intake.taken.get()).source
            assert rig.intake.taken.empty()
            await rig.listener.write(source, answer())
            assert await client.reader.readuntil(answer())


async def test_h25_a_client_that_never_reads_is_dropped() -> None:
    async with listening(write_timeout=31) as rig:
        client, source = await rig.asked()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        padding = (b"<x>" + b"x" * (1 << 20) + b"</x>") * 16
        big = answer().replace(b"</SaleToPOIResponse>", padding + b"</SaleToPOIResponse>")
        writing = asyncio.create_task(rig.listener.write(source, big))
        await rig.timer.waits(31)
        rig.timer.advance(31)
        assert not await writing
        assert await rig.intake.ends.get() == source


async def test_h23_a_storm_of_connections_leaves_nothing_behind() -> None:
    async with listening(max_connections=10) as rig:
        for _ in range(50):
            client = await rig.connect()
            client.writer.write_eof()
            assert await client.closed()
        await rig.asked()
        assert len(rig.listener._connections) == 1
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "watch"]


async def test_h23_whoever_fills_an_address_s_places_leaves_those_of_another() -> None:
    """Idle connections, heads that never end and bodies that never come; the POS is served beside them."""
    async with listening(max_connections_per_address=120) as rig:
        starts = (b"", b"POST /nexo HTTP/1.1\r\nHost:", b"POST /nexo HTTP/1.1\r\nHost: localhost\r\n")
        body = b"Content-Type: application/xml\r\nContent-Length: 1000000\r\n\r\n<SaleToPOIRequest>"
        for number in range(120):
            slow = await rig.connect(local="127.0.0.2")
            await slow.send((*starts, starts[2] + body)[number % 4])
        with capture_logs() as records:
            assert await (await rig.connect(local="127.0.0.2")).closed()
        assert [one["event"] for one in records] == ["too_many_connections_of_one_address"]
        for _ in range(10):
            client, source = await rig.asked()
            await rig.listener.write(source, answer())
            assert (await client.response()).status == 200
