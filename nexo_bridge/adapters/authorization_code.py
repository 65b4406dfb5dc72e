"""Authorization code with PKCE: a person says yes in a browser, and the answer comes back to a port of this machine.

Only what ``nexo-bridge login`` needs: one request, one answer, and then the port is closed (RFC 8252 section 7.3).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from nexo_bridge.adapters.grants import token
from nexo_bridge.adapters.https import HttpsClient
from nexo_bridge.ppaas import token_requests as ask
from nexo_bridge.ppaas.grants import NoSessionError, Token

HEAD = 16384
PATIENCE = 10.0
"""Seconds in which a browser that connected must have asked."""
_PAGE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>nexo-bridge</title>'
    b"<p>%s You may close this window.</p></html>"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A login that was begun; ``url`` is for a person's browser.

    Attributes:
        state, verifier: what proves that an answer belongs to it.
    """

    url: str
    client_id: str
    redirect_uri: str
    token_url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


def begin(auth: str, realm: str, client_id: str, scope: str, redirect_uri: str) -> Request:
    """A new login at the ``realm`` of base ``auth``."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    query = ask.authorization_query(client_id, redirect_uri, state, challenge, scope)
    url = f"{auth}{ask.realm_path(realm, 'auth')}?{query}"
    return Request(url, client_id, redirect_uri, auth + ask.realm_path(realm, "token"), state, verifier)


async def finish(client: HttpsClient, request: Request, redirect: str, client_secret: str = "") -> Token:
    """The token for the address ``redirect`` that the browser was sent to.

    Raises:
        NoSessionError: the person said no, the answer is another login's, or the platform gives no token.
    """
    code = ask.code_of(redirect, request.state)
    form = ask.code_form(request.client_id, code, request.redirect_uri, request.verifier, client_secret)
    return await token(client, request.token_url, form)


class Loopback:
    """A port of this machine that waits for one redirect.

    Attributes:
        redirect_uri: where the browser must be sent.
    """

    redirect_uri: str

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._state = ""
        self._found: asyncio.Future[str]
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._found = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=HEAD)
        self.redirect_uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def redirect(self, state: str, patience: float) -> str:
        """The address that a browser was redirected to, once one comes that belongs to ``state``.

        Raises:
            NoSessionError: nobody came within ``patience`` seconds.
        """
        self._state = state
        try:
            async with asyncio.timeout(patience):
                return await self._found
        except TimeoutError:
            raise NoSessionError("nobody has logged in in time", person=True) from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")))
                await writer.drain()
        writer.close()

    def _answer(self, line: list[str]) -> bytes:
        if len(line) == 3 and line[0] == "GET" and line[1].startswith("/?"):
            address = self.redirect_uri.rstrip("/") + line[1]
            try:
                ask.code_of(address, self._state)
            except NoSessionError as problem:
                if "does not belong" in str(problem):  # another page of this machine, or an old tab
                    return _page(400, b"This is not the login that is waited for.")
                self._take(address)
                return _page(200, b"The login was refused.")
            self._take(address)
            return _page(200, b"The login is done.")
        return _page(404, b"There is nothing here.")

    def _take(self, address: str) -> None:
        if not self._found.done():
            self._found.set_result(address)


def _page(status: int, text: bytes) -> bytes:
    body = _PAGE % text
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Refused'}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
