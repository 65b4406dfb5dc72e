"""What the POS is told at its own address, by a till's own HTTP server on a real socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from nexo_bridge.adapters.http_outgoing import MOST_WAITING, Outgoing, PosAddress
from nexo_bridge.adapters.intake import Speaker
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.errors import ConfigurationError
from tests.adapters.http_rig import Recorder, answer, display, listening

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
CA = trustme.CA()


def said(body: bytes, content_type: str = "application/xml", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class Till:
    """The listener of a POS: what it was told, and what it says to it."""

    port: int = 0
    says: bytes = OK
    told: asyncio.Queue[tuple[bytes, bytes]] = field(default_factory=asyncio.Queue)
    may_say: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.told.put_nowait((head, await reader.readexactly(size)))
                await self.may_say.wait()
                writer.write(self.says)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def address(self, scheme: str = "http", ca: Path | None = None) -> PosAddress:
        return PosAddress(f"{scheme}://localhost:{self.port}/till", ca)


@asynccontextmanager
async def till(tls: ssl.SSLContext | None = None) -> AsyncIterator[Till]:
    made = Till()
    made.may_say.set()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made.open:
            writer.transport.abort()
        await server.wait_closed()


async def test_a_display_of_an_exchange_goes_to_the_pos_and_its_answer_to_the_intake() -> None:
    async with till() as pos, listening(addresses={"KASSE1": pos.address()}) as rig:
        pos.says = said(answer())
        client, source = await rig.asked()
        assert await rig.listener.write(source, display())
        head, body = await pos.told.get()
        assert head.startswith(b"POST /till HTTP/1.1\r\n")
        assert b"content-type: application/xml; charset=utf-8" in head.lower()
        assert body == display()
        taken = await rig.intake.taken.get()
        assert (taken.data, taken.ack) == (answer(), None)
        assert taken.speaker == Speaker(pair=("KASSE1", "POI00001"))
        assert taken.source != source
        assert not rig.listener.is_open(taken.source), "whatever is wrong with it, nothing is said to it"
        assert await rig.intake.ends.get() == taken.source
        await rig.listener.write(source, answer())
        assert (await client.response()).body == answer()


async def test_json_is_told_as_json() -> None:
    async with till() as pos, listening(addresses={"KASSE1": pos.address()}, json=True) as rig:
        pos.says = said(b'{"SaleToPOIResponse": {}}', "application/json")
        client = await rig.connect()
        await client.ask(b'{"SaleToPOIRequest": {}}', {"Content-Type": "application/json"})
        source = (await rig.intake.taken.get()).source
        text = (
            b'{"SaleToPOIRequest":{"MessageHeader":{"MessageClass":"Device","MessageCategory":"Display",'
            b'"MessageType":"Request","DeviceID":"1","SaleID":"KASSE1","POIID":"POI00001"},"DisplayRequest":{}}}'
        )
        assert await rig.listener.write(source, text)
        head, body = await pos.told.get()
        assert b"content-type: application/json" in head.lower()
        assert body == text
        assert (await rig.intake.taken.get()).source.form == "json"


async def test_a_pos_may_close_its_connection_after_each_answer() -> None:
    async with till() as pos, outgoing(KASSE1=pos.address()) as (out, _, _):
        for _ in range(3):
            assert await tell(out)
            for writer in pos.open:
                writer.transport.abort()


@asynccontextmanager
async def outgoing(**addresses: PosAddress) -> AsyncIterator[tuple[Outgoing, Recorder, HandTimer]]:
    from nexo_bridge.adapters.http import _new_source

    intake, timer = Recorder(), HandTimer()
    made = await asyncio.to_thread(
        lambda: Outgoing(
            addresses,
            intake,
            timer=timer,
            notices=Notices(timer),
            max_answer=1024,
            new_source=_new_source,
        )
    )
    try:
        yield made, intake, timer
    finally:
        await made.close()


async def tell(out: Outgoing, text: str = "") -> bool:
    return await out.tell("KASSE1", "POI00001", display(text=text), "application/xml; charset=utf-8")


@pytest.mark.parametrize(
    ("says", "taken", "notice"),
    [
        (OK, True, None),
        (said(b""), True, None),
        (said(b"", status="202 Accepted"), True, None),
        (said(b"<html>4111111111111111</html>", "text/html"), True, "pos_answer_ignored"),
        (said(b"x" * 1025), False, "pos_cannot_be_told"),
        (said(b"", status="500 Oh"), False, "pos_cannot_be_told"),
        (
            b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            False,
            "pos_cannot_be_told",
        ),
        (b"4111111111111111 is no HTTP\r\n\r\n", False, "pos_cannot_be_told"),
    ],
    ids=["204", "empty", "202", "page", "long", "500", "redirect", "no HTTP"],
)
async def test_whatever_a_pos_says_is_an_answer_of_one_word(
    says: bytes, taken: bool, notice: str | None
) -> None:
    async with till() as pos, outgoing(KASSE1=pos.address()) as (out, intake, _):
        pos.says = says
        with capture_logs() as records:
            assert await tell(out) is taken
        assert [one["event"] for one in records] == ([notice] if notice else [])
        assert "4111" not in str(records)
        assert intake.taken.empty()
        assert pos.told.qsize() == 1


async def test_a_pos_that_is_not_there_is_told_of_and_holds_up_nobody() -> None:
    async with till() as pos:
        address = pos.address()
    async with outgoing(KASSE1=address) as (out, _, _):
        with capture_logs() as records:
            assert not await tell(out)
        assert records[0]["reason"].startswith("not reached (")


async def test_a_pos_that_is_silent_is_given_up_and_the_next_message_tried() -> None:
    async with till() as pos, outgoing(KASSE1=pos.address()) as (out, _, timer):
        pos.may_say.clear()
        telling = asyncio.create_task(tell(out))
        await pos.told.get()
        timer.advance(30)
        with capture_logs() as records:
            assert not await telling
        assert [one["reason"] for one in records] == ["no answer in time"]
        pos.may_say.set()
        assert await tell(out)


async def test_messages_come_in_order_and_only_so_many_wait() -> None:
    async with till() as pos, outgoing(KASSE1=pos.address()) as (out, _, _):
        pos.may_say.clear()
        telling = [asyncio.create_task(tell(out, str(n))) for n in range(MOST_WAITING)]
        await pos.told.get()
        with capture_logs() as records:
            assert not await tell(out)
        assert [one["reason"] for one in records] == ["too much waits for it already"]
        pos.may_say.set()
        assert all(await asyncio.gather(*telling))
        told = [(await pos.told.get())[1] for _ in range(MOST_WAITING - 1)]
        assert told == [display(text=str(n)) for n in range(1, MOST_WAITING)]


async def test_a_pos_with_a_private_authority_is_checked_by_it(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(context)
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    async with till(context) as pos:
        async with outgoing(KASSE1=pos.address("https", tmp_path / "ca.pem")) as (out, _, _):
            assert await tell(out)
        for ca in (tmp_path / "other.pem", None):
            async with outgoing(KASSE1=pos.address("https", ca)) as (out, _, _):
                with capture_logs() as records:
                    assert not await tell(out)
                assert "Certificate" in records[0]["reason"]


def test_an_authority_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("made up", encoding="utf-8")
    timer = HandTimer()
    with pytest.raises(ConfigurationError, match=r'^pos\."KASSE1"\.http_ca: .* holds no PEM certificates'):
        Outgoing(
            {"KASSE1": PosAddress("https://till.example", tmp_path / "ca.pem")},
            Recorder(),
            timer=timer,
            notices=Notices(timer),
            max_answer=1024,
            new_source=lambda: pytest.fail("nothing is told"),
        )
