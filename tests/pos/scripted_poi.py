"""A POI that does what a test says, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nexo_bridge.errors import NotXml, SchemaViolations
from nexo_bridge.money import Amount
from nexo_bridge.nexo.codec import decode, encode, parse
from nexo_bridge.nexo.elements import VERSIONS, Element
from nexo_bridge.nexo.framing import Frame, Framer, frame
from nexo_bridge.nexo.messages import (
    AmountsResp,
    EventNotification,
    Message,
    MessageHeader,
    PaymentResponse,
    PaymentResult,
    POIData,
    RepeatedMessageResponse,
    Response,
    SaleData,
    TransactionIdentification,
    TransactionStatusResponse,
)
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.pos.client import PosClient
from nexo_bridge.pos.links.tcp import TcpLink
from nexo_bridge.pos.marker import Marker
from nexo_bridge.pos.requests import Requests, ServiceIds
from nexo_bridge.pos.till import Patience, Till
from nexo_bridge.redaction import Secret

NOW = Timestamp("2025-03-14T09:26:53Z")
_XSD = Path(__file__).parents[2] / "xsd"


@cache
def schemas() -> Schemas:
    return Schemas({version: (_XSD / f"nexo-retailer-{version}.xsd").read_bytes() for version in VERSIONS})


def answer(request: Message, body: Element) -> Message:
    header = request.header.model_copy(update={"message_type": "Response"})
    return Message(kind="response", header=header, body=body)


def payment_response(
    result: str = "Success",
    condition: str | None = None,
    *,
    authorized: str | None = None,
    text: str | None = None,
) -> PaymentResponse:
    amounts = AmountsResp(currency="EUR", authorized_amount=Amount(authorized)) if authorized else None
    return PaymentResponse(
        response=Response(result=result, error_condition=condition, additional_response=text),
        sale_data=SaleData(
            sale_transaction_id=TransactionIdentification(transaction_id="T1", time_stamp=NOW)
        ),
        poi_data=POIData(poi_transaction_id=TransactionIdentification(transaction_id="P1", time_stamp=NOW)),
        payment_result=PaymentResult(amounts_resp=amounts) if amounts else None,
    )


def found(service_id: str, inner: PaymentResponse) -> TransactionStatusResponse:
    header = MessageHeader(
        message_class="Service",
        message_category="Payment",
        message_type="Response",
        service_id=service_id,
        sale_id="TILL1",
        poi_id="POI00001",
    )
    return TransactionStatusResponse(
        response=Response(result="Success"),
        repeated_message_response=RepeatedMessageResponse(message_header=header, payment_response=inner),
    )


def not_known(condition: str) -> TransactionStatusResponse:
    return TransactionStatusResponse(response=Response(result="Failure", error_condition=condition))


def event(kind: str, details: str) -> Message:
    header = MessageHeader(
        message_class="Event",
        message_category="Event",
        message_type="Notification",
        device_id="901",
        sale_id="TILL1",
        poi_id="POI00001",
    )
    rejected = Secret.seal("PHg+", b"k") if kind == "Reject" else None
    body = EventNotification(
        time_stamp=NOW, event_to_notify=kind, event_details=details, rejected_message=rejected
    )
    return Message(kind="request", header=header, body=body)


@dataclass
class Line:
    """One connection at the POI."""

    writer: asyncio.StreamWriter

    async def send(self, message: Message) -> None:
        await self.send_bytes(encode(message, "3.1", schemas()))

    async def send_bytes(self, data: bytes) -> None:
        self.writer.write(frame(data))
        await self.writer.drain()

    def drop(self) -> None:
        self.writer.transport.abort()


Handler = Callable[[Line, Message], Awaitable[None]]


@dataclass
class Poi:
    port: int
    handlers: dict[str, list[Handler]]
    seen: list[Message] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    on_garbage: Callable[[Line], Awaitable[None]] | None = None

    def then(self, category: str, *handlers: Handler) -> None:
        """For the next messages of ``category``, one handler each; the last one stays."""
        self.handlers[category] = list(handlers)

    def categories(self) -> list[str]:
        return [message.header.message_category for message in self.seen]

    async def received(self, line: Line, data: bytes) -> None:
        self.raw.append(data)
        try:
            message = decode(parse(data), "3.1", schemas(), lambda clear: Secret.seal(clear, b"k"))
        except (NotXml, SchemaViolations):
            assert self.on_garbage is not None
            await self.on_garbage(line)
            return
        self.seen.append(message)
        waiting = self.handlers.get(message.header.message_category, [])
        if waiting:
            handler = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            await handler(line, message)


def reply(body: Element) -> Handler:
    async def handler(line: Line, request: Message) -> None:
        await line.send(answer(request, body))

    return handler


def found_as(inner: PaymentResponse) -> Handler:
    """The status of the payment that the request names."""

    async def handler(line: Line, request: Message) -> None:
        reference: Any = request.body
        await line.send(answer(request, found(reference.message_reference.service_id, inner)))

    return handler


async def drop(line: Line, request: Message) -> None:
    line.drop()


async def silence(line: Line, request: Message) -> None:
    pass


@asynccontextmanager
async def scripted_poi() -> AsyncIterator[Poi]:
    lines: list[Line] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, framer = Line(writer), Framer()
        lines.append(line)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while data := await reader.read(65536):
                framer.receive_data(data)
                while event := framer.next_event():
                    assert isinstance(event, Frame)
                    await poi.received(line, event.data)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    poi = Poi(server.sockets[0].getsockname()[1], {})
    try:
        yield poi
    finally:
        server.close()
        for line in lines:
            line.drop()
        await asyncio.gather(*tasks)
        await server.wait_closed()


@dataclass
class Said:
    """What the till told people."""

    words: list[str] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)


@asynccontextmanager
async def till_at(
    port: int, *, state: Path | None = None, answer: float = 5, recovery: float = 5
) -> AsyncIterator[tuple[Till, Said]]:
    said = Said()
    client = PosClient(TcpLink("127.0.0.1", port), schemas=schemas(), on_picture=said.pictures.append)
    till = Till(
        client,
        Requests("TILL1", "POI00001"),
        numbers=ServiceIds(),
        patience=Patience(answer=answer, recovery=recovery, pause=0),
        marker=Marker(state, "TILL1", "POI00001"),
        say=said.words.append,
    )
    try:
        yield till, said
    finally:
        await client.close()
