"""One connection of a POS to a POI: requests out, answers matched by their header, the terminal's requests served.

Answers are matched by ids and never by order: they overtake each other. The one task that reads also answers the
terminal's Display and Print requests, so a request that waits for minutes does not stop them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping

from nexo_bridge.errors import BridgeError, NotXml, SchemaViolations
from nexo_bridge.nexo.codec import decode, encode, parse
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.framing import Frame, Framer, frame
from nexo_bridge.nexo.messages import CATEGORIES, EventNotification, Message
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos import devices
from nexo_bridge.redaction import Secret

Key = tuple[str, str, str, str, str, str]

_CONNECT = 5.0


class NothingSent(BridgeError):
    """Certain: no byte of the request left us, so nothing was started."""


class AnswerLost(BridgeError):
    """The request left us, or may have; what became of it is not known. Never send a payment again: ask."""


def _nothing(_: object) -> None:
    """The default of what a caller may listen to."""


class PosClient:
    """Speaks framed XML to one POI.

    Args:
        host: of the POI.
        port: of the POI.
        schemas: compiled schemas, for this thread.
        version: protocol version in which messages are written and read.
        on_picture: told what the terminal wants shown, before it is answered.
        on_raw: told every message as it came, for a person who debugs.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        schemas: Schemas,
        version: Version = "3.1",
        on_picture: Callable[[devices.Picture], None] = _nothing,
        on_raw: Callable[[bytes], None] = _nothing,
    ) -> None:
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        """Event notifications in the order they came."""
        self._address = (host, port)
        self._schemas = schemas
        self._version = version
        self._on_picture = on_picture
        self._on_raw = on_raw
        self._secret_key = os.urandom(32)
        self._waiting: dict[Key, asyncio.Future[Message]] = {}
        self._rejectable: asyncio.Future[Message] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._writer is not None and not self._writer.is_closing()

    def seal(self, clear: str) -> Secret:
        """A secret under the key of this client, which lives as long as it does."""
        return Secret.seal(clear, self._secret_key)

    async def connect(self) -> None:
        """Connect, or connect again; requests of the connection before are lost.

        Raises:
            NothingSent: nobody answers there.
        """
        await self.close()
        host, port = self._address
        try:
            async with asyncio.timeout(_CONNECT):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or "no answer"
            raise NothingSent(f"cannot connect to {host} port {port}: {why}") from None
        self._writer = writer
        self._task = asyncio.create_task(self._read(reader, writer), name="pos reader")

    async def close(self) -> None:
        """End the connection. What still waits for an answer has lost it."""
        task, writer = self._task, self._writer
        self._task = self._writer = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._lose_all()
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(self, message: Message) -> asyncio.Future[Message]:
        """Send a request; the future gets its response, or AnswerLost when the connection ends first.

        Raises:
            NothingSent: there was no connection.
            AnswerLost: the connection broke while sending.
            InvalidOutput: the message breaks the schema or a rule; nothing was sent.
        """
        data = encode(message, self._version, self._schemas)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        key = _key(message.header.model_dump(by_alias=True))
        self._waiting[key] = future
        try:
            await self._write(data)
        except BridgeError:
            self._waiting.pop(key, None)
            raise
        return future

    async def send(self, message: Message, timeout: float) -> Message:  # noqa: ASYNC109 - AnswerLost, not TimeoutError
        """Send a request and wait for its response.

        Raises:
            NothingSent: there was no connection.
            AnswerLost: no answer in ``timeout`` seconds, or the connection ended.
        """
        future = await self.ask(message)
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise AnswerLost(f"no answer in {timeout:g} seconds") from None

    async def tell(self, message: Message) -> None:
        """Send what nothing answers (Abort); raises as ``ask`` does."""
        await self._write(encode(message, self._version, self._schemas))

    async def send_raw(self, data: bytes) -> asyncio.Future[Message] | None:
        """Send any bytes as one message, right or wrong.

        Returns:
            A future for the response, or for the Event Reject that says why there is none. None if the message is
            one that nothing answers.
        """
        key, answered = _expected(data)
        future: asyncio.Future[Message] | None = None
        if answered:
            future = asyncio.get_running_loop().create_future()
            self._rejectable = future
            if key is not None:
                self._waiting[key] = future
        await self._write(data)
        return future

    async def _write(self, data: bytes) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            raise NothingSent("the connection has ended")
        try:
            writer.write(frame(data))
            await writer.drain()
        except OSError:
            raise AnswerLost("the connection broke while the request was sent") from None

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        try:
            while chunk := await reader.read(65536):
                framer.receive_data(chunk)
                while event := framer.next_event():
                    if isinstance(event, Frame):
                        self._on_raw(event.data)
                        await self._received(event.data)
                    elif not event.survives:
                        return
        except (OSError, BridgeError):
            pass
        finally:
            writer.close()
            self._lose_all()

    def _lose_all(self) -> None:
        for future in [*self._waiting.values(), *filter(None, [self._rejectable])]:
            _lose(future)
        self._waiting.clear()

    async def _received(self, data: bytes) -> None:
        try:
            document = parse(data)
            envelope = document.envelope
            key = _key(envelope.header) if envelope else None
            future = (
                self._waiting.pop(key, None) if key and envelope and envelope.kind == "response" else None
            )
            message = decode(document, self._version, self._schemas, self.seal)
        except NotXml:
            return
        except SchemaViolations:
            if future is not None:
                _lose(future, "the answer cannot be read")
            return
        if isinstance(message.body, EventNotification):
            if self._rejectable and not self._rejectable.done() and message.body.event_to_notify == "Reject":
                self._rejectable.set_result(message)
            self.events.put_nowait(message)
        elif message.kind == "response":
            if future is not None and not future.done():
                future.set_result(message)
        else:
            for picture in devices.pictures(message):
                self._on_picture(picture)
            answer = devices.answer(message)
            if answer is not None:
                await self.tell(answer)


def _key(header: Mapping[str, str | None]) -> Key:
    """What an answer has in common with its request."""
    names = ("MessageCategory", "MessageClass", "ServiceID", "DeviceID", "SaleID", "POIID")
    category, message_class, service, device, sale, poi = (header.get(name) or "" for name in names)
    return (category, message_class, service, device, sale, poi)


def _expected(data: bytes) -> tuple[Key | None, bool]:
    """The key of the answer to ``data``, if its header can be read, and whether anything will answer it."""
    try:
        envelope = parse(data).envelope
    except NotXml:
        return None, True
    if envelope is None:
        return None, True
    category = CATEGORIES.get(envelope.header.get("MessageCategory", ""))
    answered = envelope.kind == "request" and (category is None or category.response is not None)
    return _key(envelope.header), answered


def _lose(future: asyncio.Future[Message], why: str = "the connection ended before the answer came") -> None:
    if not future.done():
        future.set_exception(AnswerLost(why))
        future.exception()  # whoever stopped waiting does not want to hear of it
