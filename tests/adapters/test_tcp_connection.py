from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from structlog.testing import capture_logs

from nexo_bridge.core.source import Source
from nexo_bridge.errors import FrameTooLarge, NotXml
from nexo_bridge.nexo.framing import frame
from tests.adapters.tcp_rig import listening, request, response

JSON = b'{"SaleToPOIRequest": {"MessageHeader": {"MessageType": "Request"}, "PaymentRequest": {}}}'
JSON_BARE = b'{"MessageHeader": {"MessageType": "Request"}, "PaymentRequest": {}}'


async def test_frames_come_out_in_order_and_answers_go_back_in_kind() -> None:
    async with listening() as rig:
        peer, source = await rig.connected()
        assert await rig.listener.write(source, response())
        assert await peer.receive() == response()
        await peer.send(b"\xef\xbb\xbf" + request("2"))
        assert (await rig.intake.frames.get())[0] == source
        assert await rig.listener.write(source, response("2"))
        assert await peer.reader.readexactly(len(response("2"))) == response("2")


async def test_requests_go_both_ways_on_one_connection() -> None:
    async with listening() as rig:
        peer, source = await rig.connected()
        display = request("1", "DisplayRequest")
        assert await rig.listener.write(source, display)
        assert await peer.receive() == display
        await peer.send(frame(response()))
        assert await rig.intake.frames.get() == (source, response())


async def test_h27_10_000_pipelined_requests_arrive_in_order() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        sending = asyncio.create_task(peer.send(b"".join(frame(b"%d" % number) for number in range(10_000))))
        for number in range(10_000):
            assert (await rig.intake.frames.get())[1] == b"%d" % number
        await sending


async def test_h27_a_peer_far_ahead_of_its_answers_is_read_on_as_they_go_out_or_slowly() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        await peer.send(b"".join(frame(request(str(number))) for number in range(20)))
        for _ in range(5):
            source, _ = await rig.intake.frames.get()
        await rig.timer.waits(0.05)
        assert rig.intake.frames.empty()
        rig.timer.advance(0.01)
        assert await rig.listener.write(source, response("0"))
        await rig.intake.frames.get()  # an answer lets the next one in
        await rig.timer.waits(0.05)
        assert rig.intake.frames.empty()
        rig.timer.advance(0.05)
        await rig.intake.frames.get()  # and so does time: what runs for long blocks nothing


async def test_h25_a_peer_that_does_not_read_is_hardly_read_on_whatever_it_sends() -> None:
    async with listening(max_unread=64 << 20) as rig:
        peer = await rig.connect(receive_buffer=2048)
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        writing = asyncio.create_task(
            rig.listener.write(source, b"x" * (256 << 10))
        )  # no kernel keeps that for it
        await rig.timer.waits(30)
        await peer.send(frame(b"one") + frame(b"") + frame(b"two") + frame(b"three"))
        assert (await rig.intake.frames.get())[1] == b"one"
        await rig.timer.waits(1)
        assert rig.intake.faults.empty()
        rig.timer.advance(1)
        await rig.intake.faults.get()  # a message of no length is no exception
        await rig.timer.waits(1)
        assert rig.intake.frames.empty()
        rig.timer.advance(1)
        assert (await rig.intake.frames.get())[1] == b"two"
        await rig.timer.waits(1)
        assert rig.intake.frames.empty()
        assert len(await peer.receive()) == 256 << 10
        assert await writing
        assert (await rig.intake.frames.get())[1] == b"three"  # it reads: nothing is held back any more


async def test_a_busy_intake_holds_back_its_own_peer_and_no_other() -> None:
    async with listening() as rig:
        release = asyncio.Event()

        async def hold(_: Source, data: bytes) -> None:
            if data == b"slow":
                await release.wait()

        rig.intake.on_frame = hold
        slow, quick = await rig.connect(), await rig.connect()
        await slow.send(frame(b"slow") + frame(b"after"))
        assert (await rig.intake.frames.get())[1] == b"slow"
        await quick.send(frame(b"quick"))
        assert (await rig.intake.frames.get())[1] == b"quick"
        assert rig.intake.frames.empty()
        release.set()
        assert (await rig.intake.frames.get())[1] == b"after"


async def test_h20_length_0_is_rejected_and_the_connection_stays() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        await peer.send(frame(b"") + frame(request()))
        fault = await rig.intake.faults.get()
        assert isinstance(fault.refusal, NotXml)
        source, data = await rig.intake.frames.get()
        assert (fault.source, data) == (source, request())
        assert rig.listener.is_open(source)


async def test_h20_above_the_cap_is_answered_then_closed_and_nothing_after_it_is_read() -> None:
    async with listening(max_frame=2048) as rig:

        async def answer(source: Source) -> None:
            assert await rig.listener.write(source, b"<Reject/>")

        rig.intake.on_fault = answer
        peer = await rig.connect()
        await peer.send(b"\x7f\xff\xff\xff" + b"x" * 5000)
        fault = await rig.intake.faults.get()
        assert isinstance(fault.refusal, FrameTooLarge)
        assert fault.start == b"x" * 1024
        assert await peer.receive() == b"<Reject/>"
        assert await peer.reader.read() == b""
        assert not rig.listener.is_open(fault.source)
        assert not await rig.listener.write(fault.source, b"<Late/>")
        await rig.timer.waits(1.0)
        rig.timer.advance(1.0)
        assert await rig.intake.ends.get() == fault.source


async def test_h20_a_huge_length_alone_is_refused_without_waiting_for_what_it_announced() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        await peer.send(b"\xff\xff\xff\xff")
        await rig.timer.waits(0.25)
        rig.timer.advance(0.25)
        fault = await rig.intake.faults.get()
        assert isinstance(fault.refusal, FrameTooLarge)
        assert fault.start == b""
        await rig.timer.waits(2.0)
        rig.timer.advance(2.0)  # the intake has nothing to say
        assert await peer.reader.read() == b""


async def test_h23_a_message_that_trickles_in_is_cut_whatever_progress_it_makes() -> None:
    async with listening(frame_timeout=30) as rig:
        peer = await rig.connect()
        await peer.send(b"\x00\x00\x01")
        await rig.timer.waits(30)
        rig.timer.advance(20)
        await peer.send(b"\x00<Sale")
        await rig.timer.waits(10)
        rig.timer.advance(10)
        fault = await rig.intake.faults.get()
        assert "cut off" in fault.refusal.text
        assert fault.start == b"\x00\x00\x01\x00<Sale"
        rig.timer.advance(2)
        assert await peer.reader.read() == b""


async def test_an_idle_peer_may_be_silent_long_but_not_for_ever() -> None:
    async with listening(idle_timeout=1000) as rig:
        peer, source = await rig.connected()
        await rig.timer.waits(1000)
        rig.timer.advance(600)
        assert await rig.listener.write(source, response())  # what we say counts too
        rig.timer.advance(400)
        await rig.timer.waits(600)
        assert rig.listener.is_open(source)
        rig.timer.advance(600)
        await rig.timer.waits(1.0)
        rig.timer.advance(1.0)
        assert await peer.receive() == response()
        assert await peer.reader.read() == b""
        await peer.send(b"")
        peer.writer.close()


async def test_f16_a_half_closed_peer_gets_every_answer_then_the_end() -> None:
    async with listening(half_closed_timeout=150) as rig:
        peer, source = await rig.connected()
        await peer.send(frame(request("2")))
        peer.writer.write_eof()
        await rig.intake.frames.get()
        await rig.timer.waits(150)
        rig.timer.advance(149)
        assert await rig.listener.write(source, request("1", "DisplayRequest"))
        assert await rig.listener.write(source, response("2"))
        await rig.timer.waits(150)
        rig.timer.advance(149)
        assert await rig.listener.write(source, response("1"))
        assert await peer.receive() == request("1", "DisplayRequest")
        assert await peer.receive() == response("2")
        assert await peer.receive() == response("1")
        assert await peer.reader.read() == b""
        assert await rig.intake.ends.get() == source


async def test_f16_a_half_closed_peer_is_not_kept_waiting_once_its_request_was_rejected() -> None:
    rejected = (
        b"<SaleToPOIRequest><EventNotification/><RejectedMessage>%s</RejectedMessage></SaleToPOIRequest>"
    )
    async with listening(half_closed_timeout=150) as rig:
        peer, source = await rig.connected()
        cut = frame(request("2"))[:-1]
        await peer.send(cut)
        peer.writer.write_eof()
        fault = await rig.intake.faults.get()
        assert await rig.listener.write(source, rejected % b64encode(fault.start))
        assert await peer.receive() == rejected % b64encode(fault.start)
        await rig.timer.waits(150)  # the first request still has its answer to come
        assert await rig.listener.write(source, rejected % b64encode(request()))
        await peer.receive()
        assert await peer.reader.read() == b""


async def test_f16_a_half_closed_peer_does_not_wait_for_ever() -> None:
    async with listening(half_closed_timeout=150) as rig:
        peer, source = await rig.connected()
        peer.writer.write_eof()
        await rig.timer.waits(150)
        assert rig.intake.ends.empty()
        rig.timer.advance(150)
        assert await peer.reader.read() == b""
        assert await rig.intake.ends.get() == source


async def test_a_peer_that_is_owed_nothing_is_let_go_soon_after_it_ends() -> None:
    async with listening() as rig:
        silent = await rig.connect()
        silent.writer.write_eof()
        assert await silent.reader.read() == b""
        await rig.intake.ends.get()
        aborting = await rig.connect()
        await aborting.send(frame(request("3", "AbortRequest")))
        aborting.writer.write_eof()
        await rig.timer.waits(1.0)
        rig.timer.advance(1.0)
        assert await aborting.reader.read() == b""


async def test_h21_a_message_cut_by_fin_is_a_fault() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        await peer.send(frame(request())[:20])
        peer.writer.write_eof()
        fault = await rig.intake.faults.get()
        assert "cut off" in fault.refusal.text
        assert fault.start == frame(request())[:20]
        assert await rig.listener.write(fault.source, b"<Reject/>")
        assert await peer.receive() == b"<Reject/>"


async def test_h26_rst_in_the_middle_of_a_message_ends_the_connection_quietly() -> None:
    async with listening() as rig:
        peer, source = await rig.connected()
        await peer.send(frame(request())[:20])
        await rig.timer.waits(30)
        peer.reset()
        assert await rig.intake.ends.get() == source
        assert rig.intake.faults.empty()
        assert not rig.listener.is_open(source)
        assert not await rig.listener.write(source, response())


async def test_what_was_sent_before_rst_and_not_handed_on_yet_is_not_started() -> None:
    async with listening() as rig:
        release = asyncio.Event()

        async def hold(_: Source, __: bytes) -> None:
            await release.wait()

        rig.intake.on_frame = hold
        peer = await rig.connect()
        await peer.send(frame(b"first") + frame(b"second"))
        source, _ = await rig.intake.frames.get()
        peer.reset()
        # Nothing is read meanwhile, so the reset shows when the answer is written.
        while await rig.listener.write(source, response()):
            pass
        await rig.intake.ends.get()
        release.set()
        await asyncio.sleep(0)
        assert rig.intake.frames.empty()


async def test_h25_a_peer_that_reads_nothing_is_dropped_after_the_write_timeout() -> None:
    async with listening(write_timeout=30, max_unread=64 << 20) as rig:
        peer = await rig.connect(receive_buffer=2048)
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        writing = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        assert rig.listener.is_open(source)
        with capture_logs() as records:
            rig.timer.advance(30)
            assert not await writing
        assert [record["event"] for record in records] == ["answers_not_read"]
        assert await rig.intake.ends.get() == source


async def test_a_slow_reader_gets_everything_and_only_then_counts_as_written() -> None:
    async with listening(max_unread=64 << 20) as rig:
        peer = await rig.connect(receive_buffer=2048)
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        writing = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        assert not writing.done()
        rig.timer.advance(29)
        assert await peer.receive() == b"x" * (16 << 20)
        assert await writing


async def test_h25_unread_answers_have_a_cap() -> None:
    async with listening(max_unread=1 << 20) as rig:
        peer = await rig.connect(receive_buffer=2048)
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        first = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        assert not await rig.listener.write(source, response())
        assert not await first
        assert await rig.intake.ends.get() == source


async def test_a_peer_that_does_not_read_delays_no_other() -> None:
    async with listening(max_unread=64 << 20) as rig:
        deaf = await rig.connect(receive_buffer=2048)
        await deaf.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        writing = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        peer, other = await rig.connected()
        assert await rig.listener.write(other, response())
        assert await peer.receive() == response()
        assert not writing.done()
        rig.timer.advance(30)
        assert not await writing


@pytest.mark.parametrize(
    ("stream", "protocol", "answer"),
    [
        (
            b"GET /?card=4111111111111111 HTTP/1.1\r\nHost: till\r\n\r\n",
            "HTTP",
            b"HTTP/1.1 400 Bad Request\r\n",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS", b""),
        (b"\x06\x00\x04\x12\x34\x56\x01", "ZVT", b""),
        (b"VER|APP\x1b[2J 1.0", "a VER|APP banner", b""),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "PROXY protocol", b""),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "PROXY protocol", b""),
    ],
)
async def test_h24_h28_other_protocols_are_named_in_the_log_and_closed_politely(
    stream: bytes, protocol: str, answer: bytes
) -> None:
    async with listening() as rig:
        peer = await rig.connect()
        with capture_logs() as records:
            await peer.send(stream)
            await rig.timer.waits(0.25)
            rig.timer.advance(0.25)
            said = await peer.reader.read()
        (record,) = records
        assert (record["event"], record["protocol"]) == ("wrong_protocol", protocol)
        assert "4111" not in record["start"]
        assert record["start"].isprintable()
        assert said.startswith(answer)
        assert bool(said) == bool(answer)
        assert rig.intake.faults.empty()
        assert rig.intake.frames.empty()


async def test_h24_json_that_is_not_enabled_is_named_and_the_connection_stays() -> None:
    async with listening() as rig:
        peer = await rig.connect()
        with capture_logs() as records:
            await peer.send(frame(JSON) + JSON_BARE + frame(request()))
            for data, form in ((JSON, "json"), (JSON_BARE, "json-bare"), (request(), "xml")):
                source, came = await rig.intake.frames.get()
                assert (came, source.form) == (data, form)
        assert [getattr(one, "text", None) for one in rig.intake.refused] == [
            "JSON is not enabled on this listener",
            "JSON is not enabled on this listener",
            None,
        ]
        assert {(record["event"], record["protocol"]) for record in records} == {("bad_frame", "JSON")}


async def test_json_comes_framed_or_bare_and_is_answered_alike() -> None:
    async with listening(json=True) as rig:

        async def answer(source: Source, data: bytes) -> None:
            assert await rig.listener.write(source, data)

        rig.intake.on_frame = answer
        peer = await rig.connect()
        for data in (frame(JSON), JSON_BARE, JSON, frame(request())):
            await peer.send(data)
            assert await peer.reader.readexactly(len(data)) == data
        assert rig.intake.refused == [None] * 4


async def test_a_fault_in_json_is_answered_in_json() -> None:
    async with listening(json=True) as rig:
        peer = await rig.connect()
        await peer.send(JSON_BARE[:-1])
        peer.writer.write_eof()
        fault = await rig.intake.faults.get()
        assert (fault.source.form, fault.start) == ("json-bare", JSON_BARE[:-1])


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (JSON, b'{"SaleToPOIResponse":{"MessageHeader":{"MessageType":"Response"}}}'),
        (JSON_BARE, b'{"MessageHeader":{"MessageType":"Response"}}'),
    ],
)
async def test_f16_a_half_closed_peer_that_speaks_json_gets_its_answer_then_the_end(
    asked: bytes, answered: bytes
) -> None:
    async with listening(json=True, half_closed_timeout=150) as rig:
        peer = await rig.connect()
        await peer.send(asked)
        peer.writer.write_eof()
        source, _ = await rig.intake.frames.get()
        await rig.timer.waits(150)
        assert await rig.listener.write(source, answered)
        assert await peer.reader.read() == answered


async def test_f16_nor_kept_waiting_once_its_request_in_json_was_rejected() -> None:
    rejected = (
        b'{"SaleToPOIRequest":{"MessageHeader":{"MessageType":"Notification"},'
        b'"EventNotification":{"RejectedMessage":"%s"}}}'
    )
    async with listening(json=True, half_closed_timeout=150) as rig:
        peer = await rig.connect()
        await peer.send(JSON + JSON[:-1])
        peer.writer.write_eof()
        source, _ = await rig.intake.frames.get()
        fault = await rig.intake.faults.get()
        for start in (fault.start, JSON):
            await rig.timer.waits(150)
            assert await rig.listener.write(source, rejected % b64encode(start))
        assert await peer.reader.read() == rejected % b64encode(fault.start) + rejected % b64encode(JSON)


async def test_a_peer_that_speaks_json_and_is_owed_nothing_is_let_go_soon_after_it_ends() -> None:
    async with listening(json=True, half_closed_timeout=150) as rig:
        peer = await rig.connect()
        await peer.send(b'{"MessageHeader": {"MessageType": "Request"}, "AbortRequest": {}}')
        peer.writer.write_eof()
        await rig.intake.frames.get()
        await rig.timer.waits(1.0)
        rig.timer.advance(1.0)
        assert await peer.reader.read() == b""


async def test_an_intake_that_fails_costs_its_own_connection_only() -> None:
    async with listening() as rig:

        async def fail(_: Source, data: bytes) -> None:
            if data == b"bad":
                raise RuntimeError("a fault of ours")

        rig.intake.on_frame = fail
        bad, good = await rig.connect(), await rig.connect()
        with capture_logs() as records:
            await bad.send(frame(b"bad"))
            await rig.intake.ends.get()
        assert [record["event"] for record in records] == ["connection_failed"]
        await good.send(frame(b"good"))
        assert (await rig.intake.frames.get())[1] == b"bad"
        assert (await rig.intake.frames.get())[1] == b"good"
