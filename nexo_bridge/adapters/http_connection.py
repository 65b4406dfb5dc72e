"""One HTTP connection of a POS: aiohttp's protocol, with the limits it lacks. HTTP itself is aiohttp's business.

Time limits, each from ``HttpListen``: the head of a request that began must be whole after ``frame_timeout``, and a
connection on which no request runs is closed after ``idle_timeout``. The body's limit is its reader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.server_tls import client_fingerprint
from nexo_bridge.adapters.tcp_connection import set_options
from nexo_bridge.adapters.timer import Timer

_log = structlog.get_logger(__name__)

_LINGER: Final = 2.0  # what a refused peer still sends is read so long, so that it reads our answer
_LONGEST_LINE: Final = 8190
_MOST_HEADERS: Final = 64
_READ: Final = 16384

HEADERS: Final = {
    "Server": "nexo-bridge",  # not which library in which version
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Of every response."""


class Connection(web.RequestHandler):
    """The asyncio protocol of one accepted connection.

    Args:
        server: aiohttp's, which holds the request handler.
        settings: the listener's limits.
        timer: clock and deadlines.
        notices: for log records a peer can cause.
        opened: asked when the connection is there; False refuses it.
        closed: told when it is over, once, if it was opened.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        settings: HttpListen,
        timer: Timer,
        notices: Notices,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=2 * settings.idle_timeout,  # ours comes first, on the clock of the others
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's word for none
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
            lingering_time=_LINGER,
            auto_decompress=False,
        )
        self.address = ""
        self._settings = settings
        self._timer = timer
        self._notices = notices
        self._opened = opened
        self._closed = closed
        self._accepted = False
        self._idle = True  # nothing of a request has come
        self._serving = False
        self._watch: asyncio.Task[None] | None = None
        self._pipe: asyncio.Transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername") or ("unknown",)
        self.address = str(peer[0])
        if not self._opened(self):
            transport.abort()
            return
        self._accepted = True
        self._pipe = transport  # aiohttp forgets its own before everything is written
        transport.set_write_buffer_limits(high=0)  # so that "drained" means handed to the kernel
        set_options(transport.get_extra_info("socket"), self._settings.keepalive)
        super().connection_made(transport)
        self._close_in(self._settings.idle_timeout)

    def data_received(self, data: bytes) -> None:
        if not self._accepted:
            return
        if self._idle and not self._serving and data:
            self._idle = False
            self._close_in(self._settings.frame_timeout, "request_too_slow")
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self._accepted:
            return
        self._accepted = False
        self._stop_watching()
        super().connection_lost(exc)
        self._closed(self)

    # What the listener calls.

    @property
    def certificate(self) -> str:
        """The fingerprint of the client's certificate, once a request has come; empty without one."""
        return client_fingerprint(self._pipe.get_extra_info("ssl_object"))

    def begins(self) -> None:
        """The head of a request is whole: from here on its handler keeps the time."""
        self._serving = True
        self._stop_watching()

    def ends(self) -> None:
        """Its answer is out."""
        self._serving, self._idle = False, True
        if self._accepted:
            self._close_in(self._settings.idle_timeout)

    def drop(self) -> None:
        """End it at once; whatever was not written is lost."""
        self._pipe.abort()

    # What aiohttp calls.

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature, as the next two
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the peer
    ) -> web.StreamResponse:
        """What is no HTTP, and what failed in us: a short answer that quotes nobody."""
        if status == 400:
            self._notices.warn("wrong_protocol", peer=self.address, reason="not HTTP")
            text = "This is not HTTP as RFC 9112 has it.\n"
        else:
            _log.error("http_request_failed", peer=self.address, error=exc)
            text = "The bridge could not serve this request; its log says why.\n"
        response = web.Response(status=status, text=text, headers=HEADERS)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Told by ``handle_error``."""

    # The limits.

    def _close_in(self, seconds: float, notice: str = "") -> None:
        self._stop_watching()
        self._watch = asyncio.get_running_loop().create_task(
            self._close_after(seconds, notice), name="watch http connection"
        )

    async def _close_after(self, seconds: float, notice: str) -> None:
        try:
            async with self._timer.until(self._timer.now() + seconds):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            if notice:
                self._notices.warn(notice, peer=self.address)
            self._watch = None
            self.force_close()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class ClearBytes(asyncio.BufferedProtocol):
    """Stands between TLS, which fills buffers, and a protocol that takes bytes."""

    def __init__(self, app: Connection) -> None:
        self._app = app
        self._buffer = bytearray()
        self._pipe: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._pipe = transport
        self._app.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        self._buffer = bytearray(_READ)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._app.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        """A client that ends its sending side is gone, as without TLS."""
        self._pipe.close()

    def pause_writing(self) -> None:
        self._app.pause_writing()

    def resume_writing(self) -> None:
        self._app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._app.connection_lost(exc)
