"""HTTP: one POST for each message, its answer in the response; many at a time, so that an Abort overtakes a payment.

What the terminal wants besides (a display, an event) comes as a POST to an address of ours, if there is one.

A new connection carries each request: one that stood idle could be closed by the other side just when a payment is
written to it, and then nobody would know.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from nexo_bridge.errors import BridgeError
from nexo_bridge.nexo.framing import MAX_FRAME
from nexo_bridge.pos.links.link import (
    CONNECT,
    AnswerLost,
    Ended,
    Heard,
    Lost,
    NothingSent,
    cannot_connect,
    content_type,
)

_NEXO = frozenset({"application/xml", "text/xml", "application/json"})
"""Content types of nexo messages; whatever else a response holds is for people."""
_TELL = 10.0
"""Seconds that a message which nothing answers may take to be taken."""


class HttpLink:
    """See ``Link``. It holds no connection between messages, so it never ends by itself.

    Args:
        url: where messages are posted.
        tls: for https, whom to trust and who we are.
        listen: host and port where the terminal may speak to us; None: nowhere.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        listen: tuple[str, int] | None = None,
    ) -> None:
        self._url, self._tls = url, tls
        self._listen = listen
        self._ear: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._posts: set[asyncio.Task[None]] = set()
        self._heard: Heard

    @property
    def connected(self) -> bool:
        """See ``Link``."""
        return self._session is not None

    @property
    def outstanding(self) -> int:
        """Requests whose response has not come."""
        return len(self._posts)

    async def connect(self, heard: Heard, ended: Ended) -> None:  # noqa: ARG002 - nothing stands that could end
        """See ``Link``; whether somebody answers there shows with each message.

        Raises:
            NothingSent: we cannot listen where we should.
        """
        await self.close()
        self._heard = heard
        if self._listen is not None:
            await self._open_ear(*self._listen)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=True if self._tls is None else self._tls, force_close=True, limit=0
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT),
            auto_decompress=False,
        )

    async def send(self, data: bytes, lost: Lost | None) -> None:
        """See ``Link``."""
        session = self._session
        if session is None:
            raise NothingSent("the connection has ended")
        if lost is None:
            try:
                async with asyncio.timeout(_TELL):
                    await self._post(session, data)
            except TimeoutError:
                raise AnswerLost(f"not taken within {_TELL:g} seconds") from None
            return
        task = asyncio.create_task(self._ask(session, data, lost), name="pos post")
        self._posts.add(task)

    async def close(self) -> None:
        """See ``Link``."""
        session, self._session = self._session, None
        posts = tuple(self._posts)
        for task in posts:
            task.cancel()
        await asyncio.gather(*posts, return_exceptions=True)
        if session is not None:
            await session.close()
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.cleanup()

    async def _open_ear(self, host: str, port: int) -> None:
        app = web.Application(client_max_size=MAX_FRAME)
        app.router.add_post("/{path:.*}", self._spoken_to)
        self._ear = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._ear.setup()
        try:
            await web.TCPSite(self._ear, host, port).start()
        except OSError as error:
            await self.close()
            raise NothingSent(
                f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}"
            ) from None

    async def _spoken_to(self, request: web.Request) -> web.Response:
        answer = await self._heard(await request.read())
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=answer, headers={"Content-Type": content_type(answer)})

    async def _ask(self, session: aiohttp.ClientSession, data: bytes, lost: Lost) -> None:
        why: BridgeError = AnswerLost("the answer held no response to it")  # of no effect if it did
        try:
            await self._post(session, data)
        except BridgeError as problem:
            why = problem
        finally:
            self._posts.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        lost(why)

    async def _post(self, session: aiohttp.ClientSession, data: bytes) -> None:
        """Post one message and hand on what comes back, whatever its status: refusals say why in nexo, too."""
        try:
            headers = {"Content-Type": content_type(data)}
            async with session.post(self._url, data=data, headers=headers, allow_redirects=False) as response:
                status, body = response.status, await _body(response)
                nexo = response.content_type in _NEXO
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
            parts = urlsplit(self._url)
            raise cannot_connect(parts.hostname or "", parts.port or 0, cause) from None
        except (aiohttp.ClientError, OSError):
            raise AnswerLost("the connection broke before the answer came") from None
        if body and nexo:
            with suppress(
                BridgeError
            ):  # our answer to a device request that cannot be sent: the payment goes on
                answer = await self._heard(body)
                if answer is not None:
                    await self.send(answer, None)
        if status not in {200, 204}:
            raise AnswerLost(f"the answer has HTTP status {status}")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of it, within the cap of a message."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_FRAME:
            raise AnswerLost(f"the answer is longer than {MAX_FRAME} bytes")
    return bytes(body)
