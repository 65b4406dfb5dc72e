"""The TLS listener: the TCP listener's connections and limits, inside TLS."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from nexo_bridge.adapters.certificates import load_server
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.live_certificate import LiveCertificate
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.adapters.tls_transport import TlsTransport, Turns


class TlsListener(TcpListener):
    """Accepts POS connections on one address and port, TLS 1.2 or 1.3.

    Its constructor reads files and blocks: call it before the loop runs, or in a thread.

    Args:
        settings: the ``[[listen]]`` section.
        intake: gets every whole message and every framing fault.
        setting: names the section in errors.
        timer: clock and deadlines; tests move it by hand.
        wall: seconds since the epoch.

    Raises:
        ConfigurationError: certificate, key or authorities cannot be used.
    """

    transport: ClassVar[str] = "tls"

    def __init__(
        self,
        settings: TlsListen,
        intake: Intake,
        *,
        setting: str = "listen",
        timer: Timer | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, intake, timer=timer)
        self._tls = settings
        self._certificate = LiveCertificate(
            settings.files(setting),
            functools.partial(load_server, asked=settings.client_certificate),
            setting,
            timer=self._timer,
            wall=wall,
        )
        self._turns = Turns()
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """See ``TcpListener``; from then on the certificate's files are looked at, too."""
        address = await super().start()
        self._watch = asyncio.create_task(self._certificate.watch(), name="certificate of a listener")
        return address

    async def refresh(self) -> None:
        """Look at the certificate's files now: a person has asked for it."""
        await self._certificate.look()

    def state(self) -> ListenerState:
        """What people should know of this listener."""
        return replace(
            super().state(),
            certificate_days=self._certificate.days_left,
            problem="; ".join(self._certificate.warnings) or None,
        )

    async def close(self) -> None:
        """See ``TcpListener``."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await super().close()

    def _protocol(self) -> asyncio.BaseProtocol:
        connection = self._connection()
        return TlsTransport(
            connection,
            self._certificate.context,
            turns=self._turns,
            timer=self._timer,
            notices=self._notices,
            name=connection.source.connection,
            handshake_timeout=self._tls.handshake_timeout,
        )
