from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from nexo_bridge.nexo.codec import InvalidOutput, decode, encode, parse
from nexo_bridge.nexo.form import Form, form_of
from nexo_bridge.nexo.json_form import in_form
from nexo_bridge.nexo.messages import (
    DisplayOutput,
    DisplayRequest,
    LogoutResponse,
    Message,
    OutputContent,
    OutputText,
    Response,
)
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.links.link import AnswerLost, Ended, Heard, Lost, NothingSent
from nexo_bridge.pos.links.tcp import TcpLink
from nexo_bridge.pos.requests import Requests
from nexo_bridge.redaction import Secret
from tests.pos.scripted_poi import (
    Line,
    answer,
    drop,
    event,
    not_known,
    reply,
    schemas,
    scripted_poi,
    silence,
)

REQUESTS = Requests("TILL1", "POI00001")
OUTPUT = DisplayOutput(
    device="CashierDisplay",
    info_qualify="Display",
    response_required_flag=True,
    output_content=OutputContent(output_format="Text", output_text=(OutputText(text="Hello"),)),
)
DONE = LogoutResponse(response=Response(result="Success"))


async def test_answers_are_matched_by_their_ids_and_not_by_order() -> None:
    async with scripted_poi() as poi:
        held: list[Message] = []

        async def hold(line: Line, request: Message) -> None:
            held.append(request)
            if len(held) == 3:
                for waiting in reversed(held):
                    await line.send(answer(waiting, DONE))

        poi.then("Logout", hold)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        futures = [await client.ask(REQUESTS.logout(str(number))) for number in range(3)]
        answers = await asyncio.gather(*futures)
        assert [message.header.service_id for message in answers] == ["0", "1", "2"]
        await client.close()


async def test_an_answer_to_another_request_or_to_none_is_ignored() -> None:
    async with scripted_poi() as poi:

        async def noisy(line: Line, request: Message) -> None:
            await line.send(answer(REQUESTS.logout("99"), DONE))
            await line.send_bytes(b"")
            await line.send_bytes(b"<SaleToPOIResponse/>")
            await line.send(answer(request, DONE))
            await line.send(answer(request, DONE))

        poi.then("Logout", noisy)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        for number in ("1", "2"):
            assert (await client.send(REQUESTS.logout(number), 5)).header.service_id == number
        await client.close()


async def test_without_a_connection_nothing_is_sent() -> None:
    client = PosClient(TcpLink("127.0.0.1", 1), schemas=schemas())
    assert not client.connected
    with pytest.raises(NothingSent):
        await client.send(REQUESTS.logout("1"), 5)
    with pytest.raises(NothingSent, match=r"cannot connect to 127\.0\.0\.1 port 1"):
        await client.connect()


async def test_the_end_of_the_connection_loses_what_waits() -> None:
    async with scripted_poi() as poi:
        poi.then("Logout", drop)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        with pytest.raises(AnswerLost, match="connection ended"):
            await client.send(REQUESTS.logout("1"), 5)
        assert not client.connected
        with pytest.raises(NothingSent):
            await client.tell(REQUESTS.abort("2", "1"))
        await client.close()


async def test_closing_loses_what_waits_too() -> None:
    async with scripted_poi() as poi:
        poi.then("Logout", silence)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        future = await client.ask(REQUESTS.logout("1"))
        await client.close()
        with pytest.raises(AnswerLost):
            await future


async def test_silence_is_a_lost_answer() -> None:
    async with scripted_poi() as poi:
        poi.then("Logout", silence)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        with pytest.raises(AnswerLost, match=r"no answer in 0\.01 seconds"):
            await client.send(REQUESTS.logout("1"), 0.01)
        assert client.connected
        await client.close()


async def test_a_message_that_must_not_be_sent_is_not() -> None:
    async with scripted_poi() as poi:
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        with pytest.raises(InvalidOutput):
            await client.ask(REQUESTS.logout("more than ten characters"))
        await client.close()
        assert poi.raw == []


async def test_bytes_that_no_frame_begins_with_end_the_connection() -> None:
    async with scripted_poi() as poi:

        async def garbage(line: Line, request: Message) -> None:
            line.writer.write(b"HTTP/1.1 200 OK\r\n" + b"x" * 2000)

        poi.then("Logout", garbage)
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        with pytest.raises(AnswerLost):
            await client.send(REQUESTS.logout("1"), 5)
        await client.close()


async def test_events_are_kept_and_every_message_is_told_as_it_came() -> None:
    async with scripted_poi() as poi:

        async def tell(line: Line, request: Message) -> None:
            await line.send(event("CardInserted", "chip"))
            await line.send(answer(request, not_known("NotFound")))

        poi.then("TransactionStatus", tell)
        raw: list[bytes] = []
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas(), on_raw=raw.append)
        await client.connect()
        await client.send(REQUESTS.status("1", "7"), 5)
        assert client.events.get_nowait() == event("CardInserted", "chip")
        assert [b"EventNotification" in raw[0], b"TransactionStatusResponse" in raw[1]] == [True, True]
        await client.close()


async def test_connecting_again_begins_anew() -> None:
    async with scripted_poi() as poi:
        poi.then("Logout", drop, reply(DONE))
        client = PosClient(TcpLink("127.0.0.1", poi.port), schemas=schemas())
        await client.connect()
        with pytest.raises(AnswerLost):
            await client.send(REQUESTS.logout("1"), 5)
        await client.connect()
        assert (await client.send(REQUESTS.logout("2"), 5)).body == DONE
        await client.close()


class Mirror:
    """A link whose other side answers every request in the form in which it came."""

    connected = True

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def connect(self, heard: Heard, ended: Ended) -> None:  # noqa: ARG002 - a link's signature
        self.heard = heard

    async def send(self, data: bytes, lost: Lost | None) -> None:  # noqa: ARG002 - a link's signature
        self.sent.append(data)
        form = form_of(data)
        request = decode(parse(data, form), "3.1", schemas(), lambda clear: Secret.seal(clear, b"k"))
        if request.kind == "request":
            display = DisplayRequest(display_output=(OUTPUT,))
            header = request.header.model_copy(
                update={"message_class": "Device", "message_category": "Display", "device_id": "7"}
            )
            shown = Message(kind="request", header=header, body=display)
            back = await self.heard(in_form(encode(shown, "3.1", schemas()), form))
            assert back is not None
            await self.send(back, None)
            await self.heard(in_form(encode(answer(request, DONE), "3.1", schemas()), form))

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("form", get_args(Form))
async def test_a_pos_writes_in_its_form_and_reads_it(form: Form) -> None:
    link = Mirror()
    client = PosClient(link, schemas=schemas(), form=form)
    await client.connect()
    assert (await client.send(REQUESTS.logout("1"), 5)).body == DONE
    assert [form_of(data) for data in link.sent] == [form, form]
    await client.close()


async def test_what_is_lost_alone_is_lost_for_the_one_who_asked() -> None:
    class Torn(Mirror):
        async def send(self, data: bytes, lost: Lost | None) -> None:  # noqa: ARG002 - a link's signature
            assert lost is not None
            lost(NothingSent("nobody there after all"))

    client = PosClient(Torn(), schemas=schemas())
    await client.connect()
    for future in (await client.ask(REQUESTS.logout("1")), await client.send_raw(b"<wrong")):
        assert future is not None
        with pytest.raises(NothingSent, match="after all"):
            await future
