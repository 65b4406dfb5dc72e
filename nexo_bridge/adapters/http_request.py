"""One HTTP request of a POS while it waits for what the core says to it."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

from aiohttp import web

from nexo_bridge.adapters.http_checks import CONTENT_TYPES
from nexo_bridge.adapters.http_connection import HEADERS, Connection
from nexo_bridge.adapters.intake import Reaction
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.core.source import Source

TEXT: Final = "text/plain; charset=utf-8"


class OpenRequest:
    """A request from its head to its answer. It is answered once; who comes second is told so.

    Args:
        source: its name in the core.
        request: aiohttp's.
        timer: clock and deadlines.
        write_timeout: seconds in which the POS must take the answer.

    Attributes:
        reaction: what the intake said of the message; ``unknown`` until then.
        rejected_as: HTTP status for an Event that rejects the message.
        last: whether the connection ends with the answer.
        over: set once there is an answer, or never will be.
    """

    def __init__(
        self, source: Source, request: web.BaseRequest, *, timer: Timer, write_timeout: float
    ) -> None:
        assert isinstance(request.protocol, Connection)
        self.source = source
        self.connection = request.protocol
        self.reaction: Reaction | Literal["unknown"] | None = "unknown"
        self.rejected_as = 400
        self.last = False
        self.over = asyncio.Event()
        self.response: web.StreamResponse | None = None
        self._request = request
        self._timer = timer
        self._write_timeout = write_timeout
        self._answered = False

    async def nexo(self, kind: str, data: bytes) -> bool:
        """Answer with a nexo message of ``kind``; True once the kernel has all of it."""
        status = 200 if kind == "response" else self.rejected_as
        return await self.answer(status, data, CONTENT_TYPES[self.source.form])

    async def say(self, status: int, text: str, **headers: str) -> bool:
        """Answer with a sentence for people."""
        return await self.answer(status, f"{text}.\n".encode(), TEXT, **headers)

    async def answer(self, status: int, body: bytes = b"", content_type: str = "", **headers: str) -> bool:
        """Send the answer; True once the kernel has all of it, False when there is one already or nobody to take it."""
        if self._answered:
            return False
        self._answered = True
        response = web.Response(status=status, body=body or None, headers={**HEADERS, **headers})
        if content_type:
            response.headers["Content-Type"] = content_type
        if self.last:
            response.force_close()
        try:
            async with self._timer.until(self._timer.now() + self._write_timeout):
                await response.prepare(self._request)
                await response.write_eof()
                await self._request.writer.drain()
        except TimeoutError:
            self.connection.drop()
            return False
        except ConnectionError:
            return False
        finally:
            self.response = response
            self.over.set()
        return self.connection.connected
