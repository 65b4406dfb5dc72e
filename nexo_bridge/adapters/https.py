"""One HTTPS exchange with the platform, and the one place where the library's exceptions get a meaning.

Two ways to fail, never more: ``NotSentError`` (no byte of the request left us) and ``LostError`` (it may have arrived).
This is the only module that imports httpx. Nothing is repeated here, no redirect followed (F42), no cookie kept, no
proxy or other environment variable obeyed, nothing decompressed (F41), and no more read than an answer may be long.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

import httpx

from nexo_bridge import __version__
from nexo_bridge.ppaas.answers import MAX_BODY
from nexo_bridge.redaction import printable

for _name in ("httpx", "httpcore"):
    # They log URLs, and with debug on also headers: payment references and tokens.
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
    logging.getLogger(_name).propagate = False

if importlib.util.find_spec("sniffio") is None:
    # httpcore asks for it several times in each exchange; searching the disk in vain was a tenth of a payment's time.
    sys.modules["sniffio"] = None  # type: ignore[assignment] # the documented way to say that there is no such module


class NotSentError(Exception):
    """No byte of the request left us. ``code`` is ``DNS``, ``CONNECT``, ``PROXY``, ``TLS``, ``POOL`` or ``CALL``."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class LostError(Exception):
    """The request may have arrived; its answer did not, or not whole. The text is ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for each phase. ``connect`` counts for TCP and for TLS, ``read`` for the wait between two pieces,
    ``total`` for the exchange as a whole (F43); it is larger than all that comes before the first byte.
    """

    pool: float = 5.0
    connect: float = 5.0
    write: float = 5.0
    read: float = 15.0
    total: float = 25.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy through which TLS is tunnelled (CONNECT); it sees host names and nothing else (F45).

    Attributes:
        url: ``http://HOST:PORT``.
        username, password: what it asks for; empty when it asks for nothing.
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)

    def whole(self) -> str:
        """The URL with user and password in it; it must not be kept or printed."""
        scheme, _, place = self.url.partition("://")
        asked = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.username else ""
        return f"{scheme}://{asked}{place}"


class HttpsClient:
    """A few connections to the platform under one client certificate: one terminal's, since a shared pool is slow."""

    def __init__(self, context: ssl.SSLContext, timeouts: Timeouts, proxy: Proxy | None = None) -> None:
        self._total = timeouts.total
        auth = None if proxy is None or not proxy.username else (proxy.username, proxy.password)
        self._client = httpx.AsyncClient(
            verify=context,
            proxy=None if proxy is None else httpx.Proxy(proxy.url, auth=auth),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"nexo-bridge/{__version__}",
            },
            timeout=httpx.Timeout(
                connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
            ),
            # A connection that the platform closes just as we send costs a payment its certainty (F44), so idle ones
            # are dropped before a server's usual five seconds.
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2, keepalive_expiry=4.0),
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send one request and read its whole answer.

        Raises:
            NotSentError: certain that nothing arrived.
            LostError: it may have arrived.
        """
        try:
            async with asyncio.timeout(self._total):
                return await self._exchange(method, url, headers, body)
        except httpx.ConnectTimeout:
            raise NotSentError("CONNECT", "the platform cannot be reached in time") from None
        except httpx.ConnectError as error:
            raise _not_connected(error) from None
        except httpx.ProxyError as error:  # its answer to CONNECT, before which nothing of ours goes out
            raise NotSentError("PROXY", f"the proxy refuses: {printable(str(error), 60)}") from None
        except httpx.PoolTimeout:
            raise NotSentError("POOL", "no free connection") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise NotSentError("CALL", "not a usable URL") from None
        except (TimeoutError, httpx.TimeoutException):
            raise LostError("no complete answer in time") from None
        except LostError:
            raise
        except Exception as error:  # noqa: BLE001 -- after the first byte everything means the same
            raise LostError(f"the connection failed ({type(error).__name__})") from None

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        async with self._client.stream(method, url, headers=headers, content=body) as response:
            pieces: list[bytes] = []
            length = 0
            async for piece in response.aiter_raw():
                pieces.append(piece)
                length += len(piece)
                if length > MAX_BODY:
                    raise LostError("the answer is too long")
            return Answer(response.status_code, dict(response.headers), b"".join(pieces))

    async def close(self) -> None:
        """Close the connections; what is under way on them is lost."""
        await self._client.aclose()


def _not_connected(error: httpx.ConnectError) -> NotSentError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return NotSentError("DNS", "the platform's name does not resolve")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NotSentError("TLS", f"the platform's certificate is not accepted: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return NotSentError("TLS", f"no TLS with the platform: {cause.reason or 'handshake failed'}")
        cause = cause.__cause__ or cause.__context__
    return NotSentError("CONNECT", "the platform cannot be reached")
