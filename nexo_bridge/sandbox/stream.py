"""The event stream: a WebSocket per device on ``device_api`` (contract section 8).

HTTP is the front's; from the 101 on the connection is ours, spoken through the library's sans-I/O half.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from nexo_bridge.sandbox.events import Event, Events
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.wire import Answer, PlatformError, Request

PATH = "/device-events/v1/stream"
TOKEN_ENDED = 4401
_log = logging.getLogger(__name__)


DeviceOf = Callable[[Request], str]
"""Serial of the device that a request is of. Raises ``PlatformError``: it is refused."""


class _Session:
    """One open stream; ``still_good`` is asked before each event."""

    def __init__(self, serial: str, position: int, still_good: Callable[[], object]) -> None:
        self.serial = serial
        self.position = position
        self.still_good = still_good
        self.more = asyncio.Event()


class Streams:
    """Opens streams and counts what goes over them.

    Attributes:
        sent: events written to streams so far.
        opened: streams opened so far.
        changed: called whenever one opens or ends.
    """

    def __init__(self, events: Events, faults: Faults, poiid: Callable[[str], str]) -> None:
        self._events = events
        self._faults = faults
        self._poiid = poiid
        self.changed: Callable[[], None] = lambda: None
        self._out_of_order = False
        self._sessions: set[_Session] = set()
        self.sent = 0
        self.opened = 0
        events.listen(self._written)

    @property
    def owed(self) -> int:
        """Events that open streams have still to get."""
        return sum(len(self._events.logs[one.serial]) - one.position for one in self._sessions)

    def put(self, *, out_of_order: bool) -> None:
        """End all streams and refuse others with 503, or let them come again; events wait for them meanwhile."""
        self._out_of_order = out_of_order
        for session in self._sessions:
            session.more.set()

    def open(self, serial: str) -> int:
        """How many streams a device has open."""
        return sum(one.serial == serial for one in self._sessions)

    async def handle(self, request: Request, device_of: DeviceOf) -> Answer:
        """Check who asks and from where, then take the connection over.

        Raises:
            PlatformError: it is refused.
        """
        serial = device_of(request)
        if self._out_of_order:
            raise PlatformError(503, "UNAVAILABLE", "There are no streams at the moment")
        if request.method != "GET":
            raise PlatformError(405, "METHOD_NOT_ALLOWED", "A stream is opened with GET", Allow="GET")
        if request.headers.get("upgrade", "").lower() != "websocket":
            raise PlatformError(426, "UPGRADE_REQUIRED", "This is a WebSocket", Upgrade="websocket")
        asked = request.query.get("lastEventId")
        position: int | None = len(self._events.logs[serial])
        if asked is not None:
            position = None if self._due("invalid-resume", serial) else self._events.position(serial, asked)
        if position is None:
            raise PlatformError(410, "RESUME_INVALID", "This event is not known any more")

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
            session = _Session(serial, position, lambda: device_of(request))
            await self._serve(session, request, reader, writer, early)

        return Answer(101, upgrade=stream)

    async def _serve(
        self,
        session: _Session,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        early: bytes,
    ) -> None:
        response = ServerProtocol().accept(Handshake(request.path, Headers(request.headers)))
        writer.write(response.serialize())
        if response.status_code != 101:
            return
        protocol = Protocol(
            Side.SERVER
        )  # the front has read the request: from here on there are frames alone
        self.opened += 1
        self._sessions.add(session)
        self.changed()
        if self._due("backlog", session.serial):
            self._events.backlog(session.serial)
        reading = asyncio.create_task(
            self._read(protocol, session, reader, writer, early), name="stream reader"
        )
        try:
            while not reading.done():
                if self._out_of_order:
                    writer.close()
                    break
                await self._send(protocol, session, writer)
                await session.more.wait()
                session.more.clear()
        finally:
            self._sessions.discard(session)
            self.changed()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send(self, protocol: Protocol, session: _Session, writer: asyncio.StreamWriter) -> None:
        log = self._events.logs[session.serial]
        while protocol.state is State.OPEN and session.position < len(log):
            try:
                session.still_good()
            except PlatformError:
                protocol.send_close(TOKEN_ENDED, "the token has ended")
            else:
                if self._due("drop-stream", session.serial):
                    self._sessions.discard(session)
                    writer.close()
                    return
                protocol.send_text(log[session.position].body)
                session.position += 1
                self.sent += 1
            writer.write(b"".join(protocol.data_to_send()))
            await writer.drain()

    @staticmethod
    async def _read(
        protocol: Protocol,
        session: _Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        early: bytes,
    ) -> None:
        """Pongs and closes; what else a device says means nothing."""
        data = early
        try:
            while protocol.state is State.OPEN:
                if data:
                    protocol.receive_data(data)
                    protocol.events_received()
                    writer.write(b"".join(protocol.data_to_send()))
                    await writer.drain()
                if protocol.state is State.OPEN:
                    data = await reader.read(65536)
                    if not data:
                        return
        except OSError:
            _log.info("a stream ended without goodbye")
        finally:
            session.more.set()

    def _written(self, event: Event) -> None:
        for session in self._sessions:
            if event in self._events.logs[session.serial][-1:]:
                session.more.set()

    def _due(self, fault: str, serial: str) -> bool:
        due = self._faults.take(fault, self._poiid(serial))
        if due:
            _log.info("fault %s at the stream of %s", fault, self._poiid(serial))
        return due
