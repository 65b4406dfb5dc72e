"""TLS between a socket and the protocol of a connection, as an asyncio transport.

The cryptography is the standard library's; only the pipes are ours, for four things that asyncio's own TLS transport
does not give: a connection counts from its first packet on, not from the end of its handshake; a peer that ended its
sending side (close_notify, or FIN) still gets its answers; "flushed" means that the kernel has the bytes, not that
they lie in one more buffer; and a peer that speaks no TLS is told apart and named (H24).

What a peer sends is read on only while the protocol wants more, so that at most 16 KiB of it are kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import Timer

_READ: Final = 16384
_HANDSHAKE: Final = 0x16  # the first byte of every ClientHello
_UNREAD: Final = 64 << 10  # bytes unread by a peer that asks for new keys all the same
_HTTP: Final = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PRI ")


class Turns:
    """One handshake step in each turn of the loop: a storm of them costs other connections a turn, not a second."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def ask(self, step: Callable[[], None]) -> None:
        """Have ``step`` called, behind those that asked before."""
        self._waiting.append(step)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        step = self._waiting[0]
        try:
            step()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._next)


class TlsTransport(asyncio.Transport, asyncio.BufferedProtocol):
    """Protocol of the socket below, transport of the protocol above.

    ``app.connection_made`` is called at once; bytes come and may be written once the handshake is done, and its
    extra information ``ssl_object`` is there from then on.

    Args:
        app: gets the clear bytes.
        context: with our certificate, and what is asked of the peer's.
        turns: shared by all connections of a listener.
        timer: for the handshake's time limit.
        notices: for log records a peer can cause.
        name: of the connection, for these.
        handshake_timeout: seconds from the connection to the end of its handshake.
        server_name: whose certificate is expected, when we are the one who connected; None: we accepted.
    """

    def __init__(
        self,
        app: asyncio.BufferedProtocol,
        context: ssl.SSLContext,
        *,
        turns: Turns,
        timer: Timer,
        notices: Notices,
        name: str,
        handshake_timeout: float,
        server_name: str | None = None,
    ) -> None:
        super().__init__()
        self.secured = asyncio.Event()
        """Set once the handshake is done, or never will be: then ``failure`` says why."""
        self.failure = ""
        self._app = app
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._accepted = server_name is None
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=self._accepted, server_hostname=server_name
        )
        self._turns = turns
        self._timer = timer
        self._notices = notices
        self._name = name
        self._handshake_timeout = handshake_timeout
        self._limit: asyncio.Task[None] | None = None
        self._buffer = bytearray()
        self._heard = False
        self._secure = False
        self._asked = False  # for a turn
        self._wanted = True  # by the protocol above
        self._gone = False  # nothing more comes from the socket
        self._ended = False  # nothing more comes from the peer, and the protocol above was told
        self._parted = False  # our close_notify is out
        self._raw: asyncio.Transport

    # -- what the socket's transport calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self._app.connection_made(self)
        if not transport.is_closing():
            self._limit = asyncio.create_task(self._limited(), name=f"handshake {self._name}")
            self._ask()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        self._buffer = bytearray(_READ)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        received = memoryview(self._buffer)[:nbytes]
        self._buffer = bytearray()
        if not self._heard and self._accepted and received[0] != _HANDSHAKE:
            self._no_tls(bytes(received[:4]))
            return
        self._heard = True
        self._incoming.write(received)
        if self._secure:
            self._pump()
        else:
            self._raw.pause_reading()  # until its turn
            self._ask()

    def eof_received(self) -> bool:
        self._gone = (
            True  # TLS is not told: it would take a FIN without close_notify for the end of both directions
        )
        if not self._secure:
            self._broke_off()
            self._raw.close()
        elif self._wanted:
            self._pump()
        return True

    def pause_writing(self) -> None:
        self._app.pause_writing()

    def resume_writing(self) -> None:
        self._app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._secure:
            self._broke_off()
        self.failure = self.failure or ("" if self._secure else "the connection was closed in the handshake")
        self.secured.set()
        self._app.connection_lost(exc)

    # -- what the protocol above calls -----------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's; ``ssl_object`` is None before the handshake is done."""
        if name == "ssl_object":
            return self._tls if self._secure else default
        return self._raw.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._wanted = False
        if self._secure:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._wanted = True
        self._pump()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; nothing once this side has ended, or before the handshake is done."""
        if not self._secure or self._parted:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            self._broken(error)
            return
        self._send()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """End our sending side: close_notify, then FIN. The peer may still send."""
        self._part()
        self._raw.write_eof()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def close(self) -> None:
        if not self._raw.is_closing():
            self._part()
            self._raw.close()

    def abort(self) -> None:
        self._raw.abort()

    # -- between the two -------------------------------------------------------------------------------------------

    async def _limited(self) -> None:
        try:
            async with self._timer.until(self._timer.now() + self._handshake_timeout):
                await self.secured.wait()
        except TimeoutError:
            self._fail(f"no TLS handshake within {self._handshake_timeout:g} s")
            self._raw.abort()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._turns.ask(self._handshake)

    def _handshake(self) -> None:
        self._asked = False
        if self._raw.is_closing():
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            self._raw.resume_reading()
            return
        except ssl.SSLError as error:
            self._send()  # the alert: the peer's log says why, too
            self._fail(_sentence(error))
            self._raw.close()
            return
        self._secure = True
        self._send()
        self.secured.set()
        self._pump()

    def _pump(self) -> None:
        """Clear bytes to the protocol above, as long as it wants any; more from the socket when there are none."""
        while self._secure and self._wanted and not self._ended and not self._raw.is_closing():
            buffer = self._app.get_buffer(-1)
            try:
                size = _read_into(self._tls, buffer)
            except ssl.SSLWantReadError:
                if not self._gone:
                    self._send(answer=True)
                    self._raw.resume_reading()
                    return
                size = 0
            except ssl.SSLZeroReturnError:
                size = 0
            except ssl.SSLError as error:
                self._send()
                self._broken(error)
                return
            self._send(answer=True)
            if size:
                self._app.buffer_updated(size)
            else:
                self._ended = True
                self._raw.pause_reading()
                self._app.eof_received()

    def _send(self, *, answer: bool = False) -> None:
        """What TLS has to say; ``answer``: to the peer's own wish for new keys, of which it may have too many."""
        data = self._outgoing.read()
        if not data or self._raw.is_closing():
            return
        if answer and self._raw.get_write_buffer_size() > _UNREAD:
            self._raw.abort()
            return
        self._raw.write(data)

    def _part(self) -> None:
        if not self._secure or self._parted:
            return
        with contextlib.suppress(ssl.SSLError):  # the peer has not parted yet, or never will
            self._tls.unwrap()
        self._send()
        self._parted = True

    def _no_tls(self, start: bytes) -> None:
        if start in _HTTP:
            self._fail("this port speaks TLS; what came looks like HTTP without it", protocol="HTTP")
            self._raw.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                b"Content-Length: 23\r\n\r\nThis port speaks TLS.\r\n"
            )
        else:
            self._fail("this port speaks TLS; what came is not encrypted", protocol="plain TCP")
        self._raw.close()

    def _broke_off(self) -> None:
        """It left in the handshake; who has said nothing only looked whether somebody is here."""
        if self._heard and not self.failure:
            self._fail("the peer broke off the handshake; perhaps it does not trust our certificate")

    def _fail(self, why: str, **more: str) -> None:
        self.failure = why
        self._notices.warn(
            "tls_handshake_failed", connection=self._name, peer=_address(self._raw), reason=why, **more
        )

    def _broken(self, error: ssl.SSLError) -> None:
        self._notices.warn(
            "tls_broken", connection=self._name, peer=_address(self._raw), reason=_sentence(error)
        )
        self._raw.abort()


def _read_into(tls: ssl.SSLObject, buffer: Any) -> int:
    """Clear bytes into ``buffer``; how many, 0 at the end. Typeshed knows only the form that gives bytes."""
    size: Any = tls.read(len(buffer), buffer)
    return int(size)


def _address(raw: asyncio.Transport) -> str:
    return str((raw.get_extra_info("peername") or ("unknown",))[0])


_KNOWN: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer shows no certificate",
    "UNSUPPORTED_PROTOCOL": "the peer is too old for TLS 1.2",
    "NO_SHARED_CIPHER": "the peer knows none of our ciphers",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not accept our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a client certificate",
}


def _sentence(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is refused: {error.verify_message}"
    reason = error.reason or type(error).__name__
    return _KNOWN.get(reason, f"TLS says {reason.lower().replace('_', ' ')}")
