"""One POS at a POI: requests out, answers matched by their header, the terminal's requests served.

Answers are matched by ids and never by order: they overtake each other. The terminal's Display and Print requests are
answered as they come, so a request that waits for minutes does not stop them. How the bytes travel is the link's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from nexo_bridge.errors import BridgeError, NotXml, SchemaViolations
from nexo_bridge.nexo.codec import decode, encode, parse
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.form import Form, form_of
from nexo_bridge.nexo.json_form import in_form
from nexo_bridge.nexo.messages import CATEGORIES, EventNotification, Message
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.pos import devices
from nexo_bridge.pos.links.link import AnswerLost, Link
from nexo_bridge.redaction import Secret

Key = tuple[str, str, str, str, str, str]


def _nothing(_: object) -> None:
    """The default of what a caller may listen to."""


class PosClient:
    """Speaks to one POI.

    Args:
        link: how; it is opened by ``connect``.
        schemas: compiled schemas, for this thread.
        version: protocol version in which messages are written and read.
        form: in which they are written; every form is read.
        on_picture: told what the terminal wants shown, before it is answered.
        on_raw: told every message as it came, for a person who debugs.
    """

    def __init__(
        self,
        link: Link,
        *,
        schemas: Schemas,
        version: Version = "3.1",
        form: Form = "xml",
        on_picture: Callable[[devices.Picture], None] = _nothing,
        on_raw: Callable[[bytes], None] = _nothing,
    ) -> None:
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        """Event notifications in the order they came."""
        self._link = link
        self._schemas = schemas
        self._version = version
        self._form = form
        self._on_picture = on_picture
        self._on_raw = on_raw
        self._secret_key = os.urandom(32)
        self._waiting: dict[Key, asyncio.Future[Message]] = {}
        self._rejectable: asyncio.Future[Message] | None = None

    @property
    def connected(self) -> bool:
        """Whether a request can be sent, as far as we know."""
        return self._link.connected

    def seal(self, clear: str) -> Secret:
        """A secret under the key of this client, which lives as long as it does."""
        return Secret.seal(clear, self._secret_key)

    async def connect(self) -> None:
        """Connect, or connect again; requests of the connection before are lost.

        Raises:
            NothingSent: nobody answers there.
        """
        await self.close()
        await self._link.connect(self._heard, self._lose_all)

    async def close(self) -> None:
        """End the connection. What still waits for an answer has lost it."""
        await self._link.close()
        self._lose_all()

    async def ask(self, message: Message) -> asyncio.Future[Message]:
        """Send a request.

        Returns:
            A future that gets its response; ``AnswerLost`` when there will be none; ``NothingSent`` when the link
            finds out only then that it cannot reach the POI.

        Raises:
            NothingSent: there was no connection.
            AnswerLost: the connection broke while sending.
            InvalidOutput: the message breaks the schema or a rule; nothing was sent.
        """
        data = self._written(message)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        key = _key(message.header.model_dump(by_alias=True))
        self._waiting[key] = future
        try:
            await self._link.send(data, lambda why: _lose(future, why))
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
        await self._link.send(self._written(message), None)

    async def send_raw(self, data: bytes) -> asyncio.Future[Message] | None:
        """Send any bytes as one message, right or wrong.

        Returns:
            A future for the response, or for the Event Reject that says why there is none. None if the message is
            one that nothing answers.
        """
        key, answered = _expected(data)
        if not answered:
            await self._link.send(data, None)
            return None
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._rejectable = future
        if key is not None:
            self._waiting[key] = future
        await self._link.send(data, lambda why: _lose(future, why))
        return future

    def _lose_all(self) -> None:
        for future in [*self._waiting.values(), *filter(None, [self._rejectable])]:
            _lose(future, AnswerLost("the connection ended before the answer came"))
        self._waiting.clear()

    async def _heard(self, data: bytes) -> bytes | None:
        """Take one message up; returns what is to be sent back for it."""
        self._on_raw(data)
        try:
            document = parse(data, form_of(data))
            envelope = document.envelope
            key = _key(envelope.header) if envelope else None
            future = (
                self._waiting.pop(key, None) if key and envelope and envelope.kind == "response" else None
            )
            message = decode(document, self._version, self._schemas, self.seal)
        except NotXml:
            return None
        except SchemaViolations:
            if future is not None:
                _lose(future, AnswerLost("the answer cannot be read"))
            return None
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
            return None if answer is None else self._written(answer)
        return None

    def _written(self, message: Message) -> bytes:
        return in_form(encode(message, self._version, self._schemas), self._form)


def _key(header: Mapping[str, str | None]) -> Key:
    """What an answer has in common with its request."""
    names = ("MessageCategory", "MessageClass", "ServiceID", "DeviceID", "SaleID", "POIID")
    category, message_class, service, device, sale, poi = (header.get(name) or "" for name in names)
    return (category, message_class, service, device, sale, poi)


def _expected(data: bytes) -> tuple[Key | None, bool]:
    """The key of the answer to ``data``, if its header can be read, and whether anything will answer it."""
    try:
        envelope = parse(data, form_of(data)).envelope
    except NotXml:
        return None, True
    if envelope is None:
        return None, True
    category = CATEGORIES.get(envelope.header.get("MessageCategory", ""))
    answered = envelope.kind == "request" and (category is None or category.response is not None)
    return _key(envelope.header), answered


def _lose(future: asyncio.Future[Message], why: BridgeError) -> None:
    if not future.done():
        future.set_exception(why)
        future.exception()  # whoever stopped waiting does not want to hear of it
