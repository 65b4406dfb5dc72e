"""The HTTP listener: one nexo message in each request, its nexo answer in the response.

Every request is a source of its own. The response comes when the exchange ends, which may take minutes; where nexo has
no answer (Abort, events, responses to what we asked), it is 204 once the journal has the message. A client that leaves
is told to the core, and what it began goes on. What is written to a request besides its answer goes to the POS's own
address, see ``http_outgoing``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import structlog
from aiohttp import web

from nexo_bridge.adapters.accepting import listen
from nexo_bridge.adapters.certificates import load_server
from nexo_bridge.adapters.http_checks import CONTENT_TYPES, HeadRefusal, check
from nexo_bridge.adapters.http_connection import ClearBytes, Connection
from nexo_bridge.adapters.http_outgoing import Outgoing, PosAddress
from nexo_bridge.adapters.http_request import OpenRequest
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.intake import Intake, Speaker
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.live_certificate import LiveCertificate
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.adapters.tls_transport import TlsTransport, Turns
from nexo_bridge.core.source import Form, Source
from nexo_bridge.errors import FrameTooLarge
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.form import form_of

_log = structlog.get_logger(__name__)

_NUMBERS: Final = count(1)  # for the process, not the listener: a request's name is never used again
_QUOTE: Final = 1024
_QUOTE_PATIENCE: Final = 0.25  # for the start of what is refused anyway
_CLOSING: Final = 2.0
_AFTERWARDS: Final = 10.0  # in which a look into the journal for what an Abort names has ended
_MOST_LATE: Final = 1000
_NO_ANSWER: Final = "No answer yet, and none is promised; ask TransactionStatus before you do anything else"


def _new_source(form: Form = "xml") -> Source:
    return Source("http", f"http-{next(_NUMBERS)}", form=form)


class HttpListener:
    """Takes requests on one address and port, within the limits of its settings.

    Its constructor reads files and blocks.

    Args:
        settings: the ``[[listen]]`` section.
        intake: gets every message, and every body that cannot be one.
        setting: names the section in errors.
        addresses: where POS listen themselves, by SaleID.
        timer: clock and deadlines; tests move it by hand.
        wall: seconds since the epoch.

    Raises:
        ConfigurationError: a certificate, key or CA file cannot be used.
    """

    def __init__(
        self,
        settings: HttpListen,
        intake: Intake,
        *,
        setting: str = "listen",
        addresses: Mapping[str, PosAddress] | None = None,
        timer: Timer | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._timer = timer or Timer()
        self._notices = Notices(self._timer)
        self._names = frozenset({*settings.names, settings.host.lower()})
        files = settings.files(setting)
        self._certificate: LiveCertificate | None = None
        if files is not None:
            load = functools.partial(load_server, asked=settings.client_certificate)
            self._certificate = LiveCertificate(files, load, setting, timer=self._timer, wall=wall)
        self._turns = Turns()
        self._watch: asyncio.Task[None] | None = None
        self.address = ""
        """``HOST:PORT`` really bound; empty before ``start``."""
        self._outgoing = Outgoing(
            addresses or {},
            intake,
            timer=self._timer,
            notices=self._notices,
            max_answer=settings.max_frame,
            new_source=_new_source,
        )
        self._socket: asyncio.Server | None = None
        self._server: web.Server
        self._connections: set[Connection] = set()
        self._addresses: Counter[str] = Counter()
        self._open: dict[str, OpenRequest] = {}
        # Requests that ended without a nexo answer, and until when they are known.
        self._late: dict[str, float] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._stopping = False

    # What the runtime calls.

    async def start(self) -> str:
        """Bind and accept.

        Returns:
            ``HOST:PORT`` as really bound (``[::1]:PORT`` for IPv6); of several addresses, the first.

        Raises:
            ConfigurationError: the address cannot be bound.
        """
        # A client that leaves cancels its handler: that is how we hear of it. No work hangs on a handler.
        self._server = web.Server(self._handle, handler_cancellation=True)
        self._socket, self.address = await listen(self._protocol, self._settings.host, self._settings.port)
        if self._certificate is not None:
            self._watch = asyncio.create_task(self._certificate.watch(), name="certificate of a listener")
        return self.address

    async def refresh(self) -> None:
        """Look at the certificate's files now: a person has asked for it."""
        if self._certificate is not None:
            await self._certificate.look()

    def state(self) -> ListenerState:
        """What people should know of this listener."""
        up = self._socket is not None and self._socket.is_serving()
        state = ListenerState(self._settings.kind, self.address, up, len(self._connections))
        if self._certificate is None:
            return state
        return replace(
            state,
            certificate_days=self._certificate.days_left,
            problem="; ".join(self._certificate.warnings) or None,
        )

    def is_open(self, source: Source) -> bool:
        """Whether this request can still be written to: answered, or told something at its POS's own address."""
        return source.connection in self._open or self._late.get(source.connection, 0.0) > self._timer.now()

    async def write(self, source: Source, data: bytes) -> bool:
        """The answer to a request, or something else for the POS that made it.

        Returns:
            True once the kernel has all of it, or the POS took it. False when the client is gone, did not read in
            time, or cannot be told.
        """
        if not self.is_open(source):
            return False
        envelope = codec.parse(data, source.form).envelope
        assert envelope is not None, "what we write has a header"
        waiting = self._open.get(source.connection)
        if envelope.kind == "response" or (waiting is not None and waiting.reaction == "rejection"):
            return waiting is not None and await waiting.nexo(envelope.kind, data)
        sale_id, poi_id = envelope.header.get("SaleID", ""), envelope.header.get("POIID", "")
        return await self._outgoing.tell(sale_id, poi_id, data, CONTENT_TYPES[source.form])

    async def acknowledge(self, source: Source, ack: int) -> None:  # noqa: ARG002 - one message for each source
        """The journal has the message: its request ends, unless a nexo answer follows."""
        waiting = self._open.get(source.connection)
        if waiting is None:
            return
        if waiting.reaction is None:
            await waiting.answer(204)
        elif waiting.reaction == "unreadable":
            await waiting.say(400, "This is no valid nexo message, and not one that nexo has an answer to")

    def stop_accepting(self) -> None:
        """Let each connection end with its next answer.

        New ones are still taken: an Abort, or a question for the outcome, of a payment that runs to its end needs a
        connection of its own here. That nothing new begins is the core's business.
        """
        self._stopping = True
        for waiting in self._open.values():
            waiting.last = True

    async def close(self) -> None:
        """End all: who still waits gets 503, and answers on their way have two seconds to go out."""
        self._stopping = True
        if self._socket is None:
            return
        self._socket.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with self._timer.until(self._timer.now() + _CLOSING):
                await asyncio.gather(*map(self._send_away, tuple(self._open.values())))
        self._server.pre_shutdown()
        await self._server.shutdown(_CLOSING)
        for connection in tuple(self._connections):
            connection.drop()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._outgoing.close()

    async def _send_away(self, waiting: OpenRequest) -> None:
        waiting.last = True
        await waiting.say(503, f"The bridge stops. {_NO_ANSWER}")

    # Connections.

    def _protocol(self) -> asyncio.BaseProtocol:
        """What the socket of a new connection speaks to."""
        connection = Connection(
            self._server,
            settings=self._settings,
            timer=self._timer,
            notices=self._notices,
            opened=self._opened,
            closed=self._closed,
        )
        if self._certificate is None:
            return connection
        return TlsTransport(
            ClearBytes(connection),
            self._certificate.context,
            turns=self._turns,
            timer=self._timer,
            notices=self._notices,
            name=f"http-{next(_NUMBERS)}",
            handshake_timeout=self._settings.handshake_timeout,
        )

    def _opened(self, connection: Connection) -> bool:
        address = connection.address
        if len(self._connections) >= self._settings.max_connections:
            self._notices.warn("too_many_connections", peer=address, limit=self._settings.max_connections)
            return False
        if self._addresses[address] >= self._settings.max_connections_per_address:
            limit = self._settings.max_connections_per_address
            self._notices.warn("too_many_connections_of_one_address", peer=address, limit=limit)
            return False
        self._connections.add(connection)
        self._addresses[address] += 1
        return True

    def _closed(self, connection: Connection) -> None:
        self._connections.remove(connection)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]

    # One request.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        checked = check(
            request.method,
            request.path,
            request.headers,
            names=self._names,
            json=self._settings.json_form,
        )
        waiting = OpenRequest(
            _new_source("xml" if isinstance(checked, HeadRefusal) else checked),
            request,
            timer=self._timer,
            write_timeout=self._settings.write_timeout,
        )
        waiting.last = self._stopping
        waiting.connection.begins()
        try:
            if isinstance(checked, HeadRefusal):
                await self._refuse(waiting, checked)
            else:
                await self._serve(request, waiting)
        finally:
            waiting.connection.ends()
        await waiting.over.wait()
        assert waiting.response is not None
        return waiting.response

    async def _refuse(self, waiting: OpenRequest, refusal: HeadRefusal) -> None:
        waiting.last = True
        self._notices.warn(
            "http_request_refused",
            peer=waiting.connection.address,
            status=refusal.status,
            reason=refusal.text,
        )
        headers = {"Allow": "POST"} if refusal.status == 405 else {}
        await waiting.say(refusal.status, refusal.text, **headers)

    async def _serve(self, request: web.BaseRequest, waiting: OpenRequest) -> None:
        try:
            body, whole = await self._body(request)
        except TimeoutError:
            await self._refuse(waiting, HeadRefusal(408, "The message did not come in time"))
            return
        except web.RequestPayloadError:  # by aiohttp's parser in Python; the one in C lets its time run out
            await self._refuse(waiting, HeadRefusal(400, "The body is broken, or shorter than announced"))
            return
        if not body and whole:
            await self._refuse(waiting, HeadRefusal(400, "The request has no body; send one nexo message"))
            return
        if waiting.source.form != "xml":
            waiting.source = replace(waiting.source, form=_json_form(body))
        source = waiting.source
        self._open[source.connection] = waiting
        reading = asyncio.create_task(self._hand_on(waiting, body, whole), name=f"read {source.connection}")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        try:
            # A message that came whole is taken, whether or not its client still waits.
            await asyncio.shield(reading)
            await self._answer_comes(waiting)
        finally:
            del self._open[source.connection]
            if waiting.reaction is None:
                self._remember(source)
            if reading.done():
                self._intake.gone(source)
            else:
                reading.add_done_callback(lambda _: self._intake.gone(source))

    async def _body(self, request: web.BaseRequest) -> tuple[bytes, bool]:
        """The body, and whether that is all of it: of one that is too large it is the first KiB at most.

        Raises:
            TimeoutError: it did not come in time.
            RequestPayloadError: it is not as its head says.
        """
        body = bytearray()
        if (request.content_length or 0) > self._settings.max_frame:
            with contextlib.suppress(TimeoutError):
                async with self._timer.until(self._timer.now() + _QUOTE_PATIENCE):
                    while len(body) < _QUOTE and (piece := await request.content.readany()):
                        body += piece
            return bytes(body[:_QUOTE]), False
        if "Expect" in request.headers:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        async with self._timer.until(self._timer.now() + self._settings.frame_timeout):
            while piece := await request.content.readany():
                body += piece
                if len(body) > self._settings.max_frame:
                    return bytes(body[:_QUOTE]), False
        return bytes(body), True

    async def _hand_on(self, waiting: OpenRequest, body: bytes, whole: bool) -> None:
        source = waiting.source
        if whole:
            waiting.reaction = await self._intake.frame(
                source,
                body,
                speaker=Speaker(certificate=waiting.connection.certificate),
                ack=int(source.connection.removeprefix("http-")),
            )
            return
        waiting.reaction, waiting.rejected_as, waiting.last = "rejection", 413, True
        most = self._settings.max_frame
        self._notices.warn("bad_frame", peer=waiting.connection.address, reason=f"more than {most} bytes")
        await self._intake.fault(source, FrameTooLarge(f"A message may have {most} bytes"), body)

    async def _answer_comes(self, waiting: OpenRequest) -> None:
        """Wait for it, but not for ever: a client, or a proxy on its way, gives up too."""
        try:
            async with self._timer.until(self._timer.now() + self._settings.response_timeout):
                await waiting.over.wait()
        except TimeoutError:
            await waiting.say(504, _NO_ANSWER)

    def _remember(self, source: Source) -> None:
        """Keep the name of a request that ended without a nexo answer: an Event about it may follow."""
        now = self._timer.now()
        self._late[source.connection] = now + _AFTERWARDS
        for connection, until in tuple(self._late.items()):
            if until > now and len(self._late) <= _MOST_LATE:
                break
            del self._late[connection]


def _json_form(body: bytes) -> Form:
    """With an envelope or without, as the body begins; what is no JSON at all is refused as JSON."""
    form = form_of(body)
    return "json" if form == "xml" else form
