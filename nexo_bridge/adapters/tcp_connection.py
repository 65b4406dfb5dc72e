"""One TCP connection of a POS: bytes to frames, frames to the intake in order, answers back.

One task reads and one only; answers are written by whoever has them. Time limits, each from ``ConnectionLimits``:

- a message that began must be whole after ``frame_timeout``, whatever progress it makes (slow loris);
- an answer must be in the kernel's hands after ``write_timeout``, or the peer is dropped;
- a peer that closed its sending half still gets its answers, ``half_closed_timeout`` for each;
- between messages a peer may be silent for ``idle_timeout``.

Nothing is read while the intake is busy with this connection's last message, so a peer that sends faster than we
work is held back by TCP itself, and never more than 1 KiB of a refused message is taken from the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from nexo_bridge.adapters.intake import ANYBODY, Intake, Speaker
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.server_tls import client_fingerprint
from nexo_bridge.adapters.tcp_settings import ConnectionLimits
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import NotXml, Refusal
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.framing import Frame, FrameFault, Framer, frame
from nexo_bridge.redaction import mask_free_text, printable

_log = structlog.get_logger(__name__)

_READ: Final = 16384  # the scan for the end of a bare message takes 20 ms for the worst of these
_QUOTE_PATIENCE: Final = 0.25  # the rest of the first KiB of what is refused anyway
_FAULT_PATIENCE: Final = 2.0  # the intake's answer to a fault that ends the connection
_UNSENT: Final = 16384  # bytes our kernel takes for a peer whose own takes no more; its habit is megabytes
_AHEAD: Final = 4  # answers that a peer waits for at one time and is read on freely
_SLOWLY: Final = 0.05  # seconds for each message beyond, unless an answer goes out
_DEAF: Final = 1.0  # seconds for each message of a peer that does not read, unless it does
_LAST_WORDS: Final = 1.0  # an Event that nobody waits for; the peer's reading before a close that may reset


class Connection(asyncio.BufferedProtocol):
    """The asyncio protocol of one accepted connection.

    Args:
        source: its name, unique in this process.
        settings: its limits.
        intake: where frames and faults go.
        timer: clock and deadlines.
        notices: for log records a peer can cause.
        opened: asked when the connection is there; False refuses it.
        closed: told when its task has ended, once, if it was opened.
    """

    def __init__(
        self,
        source: Source,
        *,
        settings: ConnectionLimits,
        intake: Intake,
        timer: Timer,
        notices: Notices,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
    ) -> None:
        self.source = source
        self.address = ""
        self.task: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        self._settings = settings
        self._intake = intake
        self._timer = timer
        self._notices = notices
        self._opened = opened
        self._closed = closed
        self._framer = Framer(settings.max_frame)
        self._buffer = bytearray()
        self._readable = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._written = asyncio.Event()
        self._flowing = asyncio.Event()
        self._began: float | None = None  # when the message now coming in began
        self._active = timer.now()
        self._ended = False  # nothing more is read: end of stream, or a deadline
        self._parting = False  # nothing more is written
        self._peer_ended = False
        self._handed = 0
        self._owed = 0  # answers the peer may still wait for, as far as can be told from outside
        self._framed = True
        self._who: Speaker | None = None
        self._transport: asyncio.Transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("unknown",)
        self.address = str(peer[0])
        if not self._opened(self):
            self.over.set()
            transport.close()
            return
        transport.set_write_buffer_limits(high=0)  # so that "flushed" means handed to the kernel
        set_options(transport.get_extra_info("socket"), self._settings.keepalive)
        self.task = asyncio.create_task(self._serve(), name=f"serve {self.source.connection}")
        self.task.add_done_callback(lambda _: self._closed(self))

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """As much as the framer has room for: allocated per read, so that idle connections hold nothing."""
        self._buffer = bytearray(max(1, min(self._framer.room, _READ)))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._framer.receive_data(memoryview(self._buffer)[:nbytes])
        self._buffer = bytearray()
        self._active = self._timer.now()
        self._transport.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        self._peer_ended = True
        self._end_reading()
        return True  # keep the writing half

    def pause_writing(self) -> None:
        self._flushed.clear()

    def resume_writing(self) -> None:
        self._flushed.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.over.is_set():
            return
        self.over.set()
        self._readable.set()
        self._flushed.set()
        self._written.set()
        self._flowing.set()
        self._intake.gone(self.source)

    # What the listener calls.

    @property
    def is_open(self) -> bool:
        """Whether an answer can be written."""
        return not (self.over.is_set() or self._parting or self._transport.is_closing())

    async def write(self, data: bytes) -> bool:
        """Send one message the way the peer frames its own; True once the kernel has all of it."""
        if not self.is_open:
            return False
        message = frame(data, self._framed)
        unread = self._transport.get_write_buffer_size() + len(message)
        if self._transport.get_write_buffer_size() and unread > self._settings.max_unread:
            self._drop("answers_not_read", unread=unread)
            return False
        self._active = self._timer.now()
        self._transport.write(message)
        try:
            async with self._timer.until(self._active + self._settings.write_timeout):
                await self._flushed.wait()
        except TimeoutError:
            self._drop("answers_not_read", unread=unread)
            return False
        if _is_answer(data):
            self._owed = max(0, self._owed - 1)
        self._written.set()
        self._flowing.set()
        return self.is_open

    async def close(self, patience: float) -> None:
        """End the connection: what was written goes out if that takes no longer than ``patience``."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self._close(patience)

    # The one task.

    async def _serve(self) -> None:
        try:
            patience = await self._read()
            await self._last_answers(patience)
            await self._part()
        except Exception:  # noqa: BLE001 - a fault of the intake must not end the listener
            _log.exception("connection_failed", connection=self.source.connection)
            self._transport.abort()

    async def _read(self) -> float:
        """Hand on what comes, until nothing more will; how long a first answer may take from then on."""
        while not self.over.is_set():
            event = self._framer.next_event()
            if isinstance(event, Frame):
                self._began = None
                self._handed += 1
                self._framed = event.framed
                self._owed += _wants_answer(event.data)
                source = replace(self.source, form=event.form)
                refused = self._refused(event.form)
                await self._intake.frame(source, event.data, speaker=self._speaker(), refused=refused)
                await self._not_ahead()
            elif isinstance(event, FrameFault):
                self._began = None
                await self._fault(event)
                if not event.survives and not self._peer_ended:
                    return _FAULT_PATIENCE if event.answerable and not self._written.is_set() else 0.0
                await self._not_ahead()
            elif self._ended:
                break
            else:
                await self._more()
        if not self._handed:
            return 0.0
        return self._settings.half_closed_timeout if self._peer_ended and self._owed > 0 else _LAST_WORDS

    def _refused(self, form: Form) -> Refusal | None:
        """Why a message in ``form`` is not taken here (H24)."""
        if form == "xml" or self._settings.json_form:
            return None
        refusal = NotXml("JSON is not enabled on this listener")
        self._notices.warn(
            "bad_frame",
            connection=self.source.connection,
            peer=self.address,
            code=refusal.code,
            reason=refusal.text,
            protocol="JSON",
        )
        return refusal

    async def _not_ahead(self) -> None:
        """Let others have their turn; who is far ahead of its answers is read on as these go out, or slowly (H25, H27).

        An answer goes out when the peer's kernel has room for it. One that reads nothing has had some hundred of them
        by then, so what it still gets from us is next to nothing; an Abort of its would be heard all the same.
        """
        await asyncio.sleep(0)
        pause = _DEAF if not self._flushed.is_set() else _SLOWLY if self._owed > _AHEAD else 0.0
        if pause and self.is_open:
            self._flowing.clear()
            with contextlib.suppress(TimeoutError):
                async with self._timer.until(self._timer.now() + pause):
                    await self._flowing.wait()

    def _speaker(self) -> Speaker:
        """Who speaks, as far as TLS has proved it. It cannot change under a connection: nothing is negotiated anew."""
        if self._who is None:
            certificate = client_fingerprint(self._transport.get_extra_info("ssl_object"))
            self._who = Speaker(certificate=certificate) if certificate else ANYBODY
        return self._who

    async def _more(self) -> None:
        """Wait for bytes, the end, or the deadline of what is going on, which ends reading."""
        now = self._timer.now()
        if not self._framer.unfinished:
            self._began = None
            deadline = self._active + self._settings.idle_timeout
        else:
            self._began = now if self._began is None else self._began
            deadline = self._began + self._settings.frame_timeout
            if self._framer.failing:
                deadline = min(deadline, now + _QUOTE_PATIENCE)
        self._transport.resume_reading()
        try:
            async with self._timer.until(deadline):
                await self._readable.wait()
            self._readable.clear()
        except TimeoutError:
            if self._framer.unfinished or self._timer.now() >= self._active + self._settings.idle_timeout:
                self._transport.pause_reading()
                self._end_reading()

    def _end_reading(self) -> None:
        self._ended = True
        self._framer.receive_end()
        self._readable.set()

    async def _fault(self, fault: FrameFault) -> None:
        self._notices.warn(
            "bad_frame" if fault.answerable else "wrong_protocol",
            connection=self.source.connection,
            peer=self.address,
            code=fault.refusal.code,
            reason=fault.refusal.text,
            **({"protocol": fault.protocol} if fault.protocol else {}),
            **({} if fault.answerable else {"start": _shown(fault.start)}),
        )
        self._written.clear()
        if fault.answerable:
            self._framed = fault.framed
            self._handed += 1
            self._owed += _wants_answer(fault.start)
            source = replace(self.source, form=fault.form)
            await self._intake.fault(source, fault.refusal, fault.start)
        elif fault.protocol == "HTTP" and self.is_open:
            body = fault.refusal.text.encode() + b".\n"
            self._transport.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )

    async def _last_answers(self, patience: float) -> None:
        """Nothing more is read, but the peer may still read: wait for answers until none came for ``patience``."""
        while patience and self.is_open:
            self._written.clear()
            try:
                async with self._timer.until(self._timer.now() + patience):
                    await self._written.wait()
            except TimeoutError:
                return
            half_closed = self._peer_ended and self._owed > 0
            patience = self._settings.half_closed_timeout if half_closed else 0.0

    async def _part(self) -> None:
        """Close so that the peer can read our last words: a close with bytes unread resets the connection."""
        polite = self.is_open and not self._peer_ended and self._transport.can_write_eof()
        self._parting = True
        if polite:
            self._transport.write_eof()
            try:
                async with self._timer.until(self._timer.now() + _LAST_WORDS):
                    await self.over.wait()
            except TimeoutError:
                pass
        await self._close(self._settings.write_timeout)

    async def _close(self, patience: float) -> None:
        self._parting = True
        self._transport.close()
        try:
            async with self._timer.until(self._timer.now() + patience):
                await self.over.wait()
        except TimeoutError:
            self._transport.abort()

    def _drop(self, event: str, **fields: Any) -> None:
        if self.is_open:
            self._notices.warn(event, connection=self.source.connection, peer=self.address, **fields)
        self._transport.abort()


_REQUEST = re.compile(rb'<SaleToPOIRequest|"SaleToPOIRequest"|"MessageType"\s*:\s*"Request"')
_RESPONSE = re.compile(rb'<SaleToPOIResponse|"SaleToPOIResponse"|"MessageType"\s*:\s*"Response"')
_REJECTED = re.compile(rb'(?:<RejectedMessage>|"RejectedMessage"\s*:\s*")([A-Za-z0-9+/=]*)')
_UNANSWERED = re.compile(rb'[<"](?:AbortRequest|EventNotification)\b')


def _wants_answer(data: bytes) -> bool:
    """Whether the sender of ``data`` waits for a response: requests do, except Abort and events.

    A guess from the first bytes, and no rule rests on it: it only says how long a half-closed connection is kept.
    """
    start = data[:2048]
    return bool(_REQUEST.search(start)) and not _UNANSWERED.search(start)


def _is_answer(data: bytes) -> bool:
    """Whether somebody stops waiting for ``data``: a response, or the ``Reject`` of a request. A guess too."""
    if _RESPONSE.search(data[:2048]):
        return True
    rejected = _REJECTED.search(data)
    return rejected is not None and _wants_answer(b64decode(rejected[1]))


def set_options(connection: socket.socket, idle: int) -> None:
    """Have the kernel tell us early of a peer that does not read, and find those that vanished without a word.

    What the peer's kernel has not taken stays with us but for ``_UNSENT`` bytes. That slows nobody who reads: what is
    on its way does not count.

    Nagle's algorithm is off already: asyncio sets TCP_NODELAY on every connection.

    Args:
        connection: of a POS.
        idle: seconds of silence after which a sign of life is asked for, four times, 15 s apart; 0 never does.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    if not idle:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def _shown(start: bytes) -> str:
    """The first line of a stranger's first bytes, without what may follow a question mark or say who it is."""
    line = start[:48].split(b"\r", 1)[0].split(b"\n", 1)[0].split(b"?", 1)[0]
    return mask_free_text(printable(line.decode("ascii", "replace")))
