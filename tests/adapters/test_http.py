"""One nexo message in each request, over real sockets; what the core would say is said by the test."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.intake import Speaker
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError, FrameTooLarge
from tests.adapters.http_rig import PATH, XML, Recorder, Taken, answer, display, listening, payment


async def test_the_answer_of_the_exchange_is_the_response() -> None:
    async with listening() as rig:
        client = await rig.connect()
        await client.ask(payment())
        taken = await rig.intake.taken.get()
        assert (taken.source.transport, taken.source.form, taken.data) == ("http", "xml", payment())
        assert rig.listener.is_open(taken.source)
        assert await rig.listener.write(taken.source, answer())
        response = await client.response()
        assert (response.status, response.body) == (200, answer())
        assert response.headers["content-type"] == "application/xml; charset=utf-8"
        assert response.headers["server"] == "nexo-bridge"
        assert await rig.intake.ends.get() == taken.source
        assert not rig.listener.is_open(taken.source)


async def test_requests_of_one_connection_have_names_of_their_own() -> None:
    async with listening() as rig:
        client, first = await rig.asked()
        await rig.listener.write(first, answer())
        await client.response()
        await client.ask(payment("8"))
        second = (await rig.intake.taken.get()).source
        await rig.listener.write(second, answer("8"))
        assert (await client.response()).body == answer("8")
        assert first != second
        assert not await rig.listener.write(first, answer())


@pytest.mark.parametrize("path", [PATH, "/EPASSaleToPOI/3.0", "/EPASSaleToPOI/v4-draft/", "/nexo"])
async def test_any_version_is_accepted_in_the_path(path: str) -> None:
    async with listening() as rig:
        client = await rig.connect()
        await client.ask(payment(), path=path)
        source = (await rig.intake.taken.get()).source
        await rig.listener.write(source, answer())
        assert (await client.response()).status == 200


async def test_where_nexo_has_no_answer_it_is_204_once_the_journal_has_the_message() -> None:
    async with listening() as rig:
        rig.intake.reaction = None
        client = await rig.connect()
        await client.ask(payment())
        taken = await rig.intake.taken.get()
        assert taken.ack is not None
        assert rig.intake.ends.empty()
        await rig.listener.acknowledge(taken.source, taken.ack)
        response = await client.response()
        assert (response.status, response.body) == (204, b"")
        assert "content-type" not in response.headers
        assert await rig.intake.ends.get() == taken.source


async def test_an_acknowledgement_does_not_end_a_request_that_has_an_answer() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        await rig.listener.acknowledge(source, 1)
        await rig.listener.write(source, answer())
        assert (await client.response()).status == 200
        await rig.listener.acknowledge(source, 1)


async def test_what_is_not_valid_is_answered_by_what_is_written_next() -> None:
    async with listening() as rig:
        rig.intake.reaction = "rejection"
        client, source = await rig.asked(b"<x/>")
        await rig.listener.write(source, display())
        response = await client.response()
        assert (response.status, response.body) == (400, display())


async def test_an_answer_that_is_not_valid_is_400_and_nothing_more() -> None:
    async with listening() as rig:
        rig.intake.reaction = "unreadable"
        client, source = await rig.asked(b"<x/>")
        await rig.listener.acknowledge(source, 1)
        response = await client.response()
        assert (response.status, response.headers["content-type"]) == (400, "text/plain; charset=utf-8")


@pytest.mark.parametrize("announced", [True, False])
async def test_h20_a_body_above_the_cap_is_413_with_a_reject(announced: bool) -> None:
    async with listening(max_frame=1024) as rig:

        async def reject(taken: Taken) -> None:
            await rig.listener.write(taken.source, display())

        rig.intake.on_fault = reject
        client = await rig.connect()
        body = b"<" + b"x" * 4000
        if announced:
            response = await client.post(body)
        else:
            response = await client.post(body, {**XML, "Transfer-Encoding": "chunked"})
        assert (response.status, response.body) == (413, display())
        taken = await rig.intake.taken.get()
        assert isinstance(taken.refusal, FrameTooLarge)
        assert taken.data == body[:1024]
        assert await client.closed()


async def test_the_journals_certificate_is_none_without_tls() -> None:
    async with listening() as rig:
        client = await rig.connect()
        await client.ask(payment())
        assert (await rig.intake.taken.get()).speaker == Speaker(certificate="")


async def test_a_client_that_leaves_is_told_and_its_request_is_closed() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        client.leave()
        assert await rig.intake.ends.get() == source
        assert not rig.listener.is_open(source)
        assert not await rig.listener.write(source, answer())


async def test_a_client_that_leaves_while_its_message_is_read_is_told_after_that() -> None:
    async with listening() as rig:
        reading, go_on = asyncio.Event(), asyncio.Event()

        async def read(taken: Taken) -> None:
            reading.set()
            await go_on.wait()

        rig.intake.on_frame = read
        client = await rig.connect()
        await client.ask(payment())
        await reading.wait()
        client.leave()
        while rig.listener._open:  # noqa: ASYNC110 - the next turns of the loop bring it
            await asyncio.sleep(0)
        assert rig.intake.ends.empty()
        go_on.set()
        source = await rig.intake.ends.get()
        assert rig.intake.taken.get_nowait().source == source


async def test_a_request_without_an_answer_ends_with_504() -> None:
    async with listening(response_timeout=150) as rig:
        client, source = await rig.asked()
        await rig.timer.waits(150)
        rig.timer.advance(150)
        response = await client.response()
        assert response.status == 504
        assert "TransactionStatus" in response.text
        assert await rig.intake.ends.get() == source


async def test_a_body_that_does_not_come_in_time_is_408() -> None:
    async with listening(frame_timeout=5) as rig:
        client = await rig.connect()
        await client.ask(b"<SaleTo", length=500)
        await rig.serving()
        rig.timer.advance(5)
        assert (await client.response()).status == 408
        assert await client.closed()
        assert rig.intake.taken.empty()


async def test_a_request_without_a_body_is_said_so() -> None:
    async with listening() as rig:
        client = await rig.connect()
        response = await client.post(b"")
        assert (response.status, response.text) == (400, "The request has no body; send one nexo message.\n")


async def test_a_broken_body_is_refused() -> None:
    async with listening() as rig:
        client = await rig.connect()
        await client.send(
            b"POST /nexo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
        )
        data = await client.reader.read()
        assert data.startswith(b"HTTP/1.0 400 ")
        assert b"aiohttp" not in data
        assert rig.intake.taken.empty()


async def test_a_body_that_breaks_on_its_way_is_refused_when_its_time_is_over() -> None:
    """aiohttp's parser tells the connection, which answers one request after the other, and not the body's reader."""
    async with listening(frame_timeout=5) as rig:
        client = await rig.connect()
        await client.send(
            b"POST /nexo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n<Sale\r\n"
        )
        await rig.serving()
        await client.send(b"zz\r\n")
        rig.timer.advance(5)
        assert (await client.reader.read()).startswith(b"HTTP/1.1 408 ")
        assert rig.intake.taken.empty()


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with listening() as rig:
        client = await rig.connect()
        body = payment()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        await client.send(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        source = (await rig.intake.taken.get()).source
        await rig.listener.write(source, answer())
        assert (await client.reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"


async def test_json_is_taken_where_it_is_switched_on() -> None:
    async with listening(json=True) as rig:
        client = await rig.connect()
        await client.ask(b'{"MessageHeader": {}}', {"Content-Type": "application/json"}, path="/nexo")
        taken = await rig.intake.taken.get()
        assert taken.source.form == "json-bare"
        text = b'{"MessageHeader":{"MessageType":"Response"},"PaymentResponse":{}}'
        await rig.listener.write(taken.source, text)
        response = await client.response()
        assert (response.status, response.body) == (200, text)
        assert response.headers["content-type"] == "application/json"

        await client.ask(b"<SaleToPOIRequest/>", {"Content-Type": "application/json"}, path="/nexo")
        taken = await rig.intake.taken.get()
        assert taken.source.form == "json"


async def test_what_else_is_written_to_a_client_only_pos_is_dropped_with_one_notice() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        with capture_logs() as records:
            assert not await rig.listener.write(source, display())
            assert not await rig.listener.write(source, display())
        assert [(one["event"], one["sale_id"]) for one in records] == [("pos_cannot_be_told", "KASSE1")]
        await rig.listener.write(source, answer())
        assert (await client.response()).body == answer()


async def test_an_event_about_a_request_that_ended_with_204_still_finds_its_pos() -> None:
    async with listening() as rig:
        rig.intake.reaction = None
        client, source = await rig.asked()
        await rig.listener.acknowledge(source, 1)
        await client.response()
        await rig.intake.ends.get()
        assert rig.listener.is_open(source)
        with capture_logs() as records:
            assert not await rig.listener.write(source, display())
            assert not await rig.listener.write(source, answer())
        assert [one["event"] for one in records] == ["pos_cannot_be_told"]
        rig.timer.advance(10)
        assert not rig.listener.is_open(source)
        client, later = await rig.asked()
        await rig.listener.acknowledge(later, 2)
        await rig.intake.ends.get()
        assert list(rig.listener._late) == [later.connection]


async def test_a_fault_of_the_intake_is_500_and_the_listener_goes_on() -> None:
    async with listening() as rig:

        async def fail(taken: Taken) -> None:
            raise RuntimeError("a secret: 4111111111111111")

        rig.intake.on_frame = fail
        client = await rig.connect()
        with capture_logs() as records:
            response = await client.post(payment())
        assert response.status == 500
        assert "4111" not in response.text
        assert [one["event"] for one in records] == ["http_request_failed"]
        await rig.intake.ends.get()
        rig.intake.on_frame = None
        await rig.asked()


async def test_one_request_waits_while_others_are_answered() -> None:
    async with listening() as rig:
        first, waiting = await rig.asked()
        second, quick = await rig.asked(payment("8"))
        await rig.listener.write(quick, answer("8"))
        assert (await second.response()).body == answer("8")
        await rig.listener.write(waiting, answer())
        assert (await first.response()).body == answer()


async def test_connections_above_the_caps_are_closed_and_a_place_that_is_left_is_free_again() -> None:
    async with listening(max_connections=2) as rig:
        first, source = await rig.asked()
        await rig.asked()
        with capture_logs() as records:
            assert await (await rig.connect()).closed()
        assert [one["event"] for one in records] == ["too_many_connections"]
        first.leave()
        assert await rig.intake.ends.get() == source
        await rig.asked()
    async with listening(max_connections_per_address=1, keepalive=0) as rig:
        await rig.asked()
        with capture_logs() as records:
            assert await (await rig.connect()).closed()
        assert [one["event"] for one in records] == ["too_many_connections_of_one_address"]


async def test_a_drained_stop_lets_running_requests_end_and_takes_the_questions_about_them() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        rig.listener.stop_accepting()
        other, question = await rig.asked(payment("8"))
        await rig.listener.write(question, answer("8"))
        assert (await other.response()).headers["connection"] == "close"
        await rig.listener.write(source, answer())
        assert (await client.response()).headers["connection"] == "close"
        assert await client.closed()


async def test_close_says_to_whoever_waits_that_the_outcome_must_be_asked_for() -> None:
    async with listening() as rig:
        idle = await rig.connect()
        client, source = await rig.asked()
        await rig.listener.close()
        response = await client.response()
        assert response.status == 503
        assert "TransactionStatus" in response.text
        assert await rig.intake.ends.get() == source
        assert await idle.closed()
        with pytest.raises(ConnectionError):
            await rig.connect()
        assert not [task for task in asyncio.all_tasks() if "http" in task.get_name()]


async def test_a_listener_that_never_started_can_be_closed() -> None:
    listener = HttpListener(HttpListen(kind="http", port=0), Recorder())
    await listener.close()


async def test_a_port_in_use_is_one_line_that_names_setting_and_fix() -> None:
    async with listening() as rig:
        second = HttpListener(HttpListen(kind="http", port=rig.port), Recorder())
        with pytest.raises(ConfigurationError, match=rf"listen: .* port {rig.port} .*; set ") as caught:
            await second.start()
        assert "\n" not in str(caught.value)
        await second.close()


async def test_a_stranger_is_not_open_and_takes_nothing() -> None:
    async with listening() as rig:
        stranger = Source("http", "http-0")
        assert not rig.listener.is_open(stranger)
        assert not await rig.listener.write(stranger, answer())
        await rig.listener.acknowledge(stranger, 0)


async def test_close_does_not_wait_for_a_client_that_does_not_read() -> None:
    async with listening(write_timeout=31) as rig:
        client, source = await rig.asked()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        padding = (b"<x>" + b"x" * (1 << 20) + b"</x>") * 16
        big = answer().replace(b"</SaleToPOIResponse>", padding + b"</SaleToPOIResponse>")
        writing = asyncio.create_task(rig.listener.write(source, big))
        await rig.timer.waits(31)
        await rig.listener.close()
        assert not await writing
        assert await rig.intake.ends.get() == source
