"""What the bridge tells a POS that speaks HTTP beside the answers to its requests: displays, and events.

It goes to the POS's own listener, and only to an address that the configuration names: one that a request could name
would let any client make the bridge call any host. A POS without one is "client only", and what it cannot be told is
dropped. Nothing here ever disturbs a payment: no repeats, no waiting beyond a deadline, and one at a time for each POS.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from nexo_bridge import __version__
from nexo_bridge.adapters.http_checks import form_by_type
from nexo_bridge.adapters.intake import Intake, Speaker
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.form import form_of
from nexo_bridge.redaction import printable

TOLD_WITHIN: Final = 30.0
"""Seconds for one message, from connecting to the end of the POS's answer."""
MOST_WAITING: Final = 16
"""Messages that may wait for one POS; more are dropped."""
MOST_NAMES: Final = 1000
"""POS without an address that are told of once; SaleIDs are made up by whoever calls."""


@dataclass(frozen=True, slots=True)
class PosAddress:
    """Where one POS listens.

    Attributes:
        url: http or https.
        ca: PEM bundle its certificate is checked with; None: the operating system's.
    """

    url: str
    ca: Path | None = None


class Outgoing:
    """Tells POS things at their own addresses. Its constructor reads files and blocks.

    Args:
        addresses: by SaleID.
        intake: gets what POS answer.
        timer: clock and deadlines.
        notices: for log records a peer can cause.
        max_answer: bytes that are read of an answer.
        new_source: names the source of an answer.

    Raises:
        ConfigurationError: a CA file cannot be used.
    """

    def __init__(
        self,
        addresses: Mapping[str, PosAddress],
        intake: Intake,
        *,
        timer: Timer,
        notices: Notices,
        max_answer: int,
        new_source: Callable[[], Source],
    ) -> None:
        self._addresses = dict(addresses)
        self._tls = {sale_id: pos_tls(sale_id, address) for sale_id, address in addresses.items()}
        self._intake = intake
        self._timer = timer
        self._notices = notices
        self._max_answer = max_answer
        self._new_source = new_source
        self._session: aiohttp.ClientSession | None = None
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: Counter[str] = Counter()
        self._told: set[str] = set()

    async def tell(self, sale_id: str, poi_id: str, data: bytes, content_type: str) -> bool:
        """Send one message; True once the POS took it. What it answers goes to the intake."""
        address = self._addresses.get(sale_id)
        if address is None:
            if sale_id not in self._told and len(self._told) < MOST_NAMES:
                self._told.add(sale_id)
                self._notices.warn(
                    "pos_cannot_be_told", sale_id=sale_id, reason="no http address in its [pos] section"
                )
            return False
        if self._waiting[sale_id] >= MOST_WAITING:
            self._notices.warn("pos_cannot_be_told", sale_id=sale_id, reason="too much waits for it already")
            return False
        self._waiting[sale_id] += 1
        try:
            async with self._turns[sale_id], self._timer.until(self._timer.now() + TOLD_WITHIN):
                return await self._exchange(sale_id, poi_id, address, data, content_type)
        except TimeoutError:
            reason = "no answer in time"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = f"not reached ({type(error).__name__})"
        finally:
            self._waiting[sale_id] -= 1
        self._notices.warn("pos_cannot_be_told", sale_id=sale_id, reason=reason)
        return False

    async def close(self) -> None:
        """End what is under way."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(
        self, sale_id: str, poi_id: str, address: PosAddress, data: bytes, content_type: str
    ) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # A connection for each message: one that the POS closes just as we write would lose it.
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": f"nexo-bridge/{__version__}", "Accept-Encoding": "identity"},
            )
        async with self._session.post(
            address.url,
            data=data,
            headers={"Content-Type": content_type},
            ssl=self._tls[sale_id] or True,
            allow_redirects=False,
        ) as response:
            if response.status not in (200, 202, 204):
                self._notices.warn(
                    "pos_cannot_be_told", sale_id=sale_id, reason=f"it answered HTTP {response.status}"
                )
                return False
            body = await self._body(response)
            form = form_by_type(response.headers.get("Content-Type", ""))
        if body and form is None:
            self._notices.warn("pos_answer_ignored", sale_id=sale_id, reason="neither XML nor JSON")
        elif body:
            source = self._new_source()
            answered = Source(
                source.transport, source.connection, form=form_of(body) if form != "xml" else "xml"
            )
            try:  # nobody waits there, so that whatever is wrong with it, no answer goes out
                await self._intake.frame(answered, body, speaker=Speaker(pair=(sale_id, poi_id)))
            finally:
                self._intake.gone(answered)
        return True

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > self._max_answer:
                raise ValueError("the answer is too long")
        return bytes(body)


def pos_tls(sale_id: str, address: PosAddress) -> ssl.SSLContext | None:
    """How the certificate of that POS is checked; None for plain HTTP. Reads files and blocks.

    Raises:
        ConfigurationError: the CA file cannot be used.
    """
    if not address.url.startswith("https://"):
        return None
    try:  # with a file, the operating system's authorities do not count
        context = ssl.create_default_context(cafile=address.ca)
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f'pos."{printable(sale_id, 60)}".http_ca: {printable(str(address.ca))} holds no PEM certificates; '
            "give the bundle"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
