"""The other way round: a POS that listens, and a bridge that calls it and keeps calling.

Once it stands, the connection is one like those that POS open themselves. A POS that is not there stops nothing: it
is called again, ever more rarely, and the status says so.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog

from nexo_bridge.adapters import certificates
from nexo_bridge.adapters.accepting import spoken
from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.tcp_connection import Connection
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.adapters.tls_transport import TlsTransport, Turns
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError

_NUMBERS: Final = count(1)  # for the process: a connection's name is never used again
_CLOSING: Final = 2.0
_STEADY: Final = 30.0  # seconds after which a connection counts as one that worked

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DialTls:
    """What a call is made with: the context, and our certificate if the POS is shown one."""

    context: ssl.SSLContext
    identity: certificates.Identity | None


def dial_tls(settings: DialListen, setting: str) -> DialTls | None:
    """Read the files of a section, named ``setting`` in errors; None without TLS. Blocks.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    if not settings.tls:
        return None
    files = settings.files(setting)
    if files is None:
        return DialTls(certificates.trusting(settings.ca, f"{setting}.ca"), None)
    identity = certificates.load(files)
    return DialTls(identity.context, identity)


class DialListener:
    """Keeps one connection to one POS.

    Its constructor reads files and blocks: call it before the loop runs, or in a thread.

    Args:
        settings: the ``[[listen]]`` section.
        intake: gets every whole message and every framing fault.
        setting: names the section in errors.
        timer: clock and deadlines; tests move it by hand.
        chance: 0 to 1; how much of a pause between two calls is waited.
        wall: seconds since the epoch.

    Raises:
        ConfigurationError: certificate, key or authorities cannot be used.
    """

    def __init__(
        self,
        settings: DialListen,
        intake: Intake,
        *,
        setting: str = "listen",
        timer: Timer | None = None,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._setting = setting
        self._timer = timer or Timer()
        self._chance = chance
        self._wall = wall
        self._notices = Notices(self._timer)
        self._turns = Turns()
        self._tls = dial_tls(settings, setting)
        self._address = spoken(settings.host, settings.port)
        self._connection: Connection | None = None
        self._up = False
        self._problem: str | None = "not called yet"
        self._unusable = ""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin to call, without waiting for an answer; there is no address a POS could connect to."""
        self._task = asyncio.create_task(self._keep_calling(), name=f"dial {self._address}")
        return ""

    def is_open(self, source: Source) -> bool:
        """Whether an answer can be written to this connection now."""
        return self._of(source) is not None

    async def write(self, source: Source, data: bytes) -> bool:
        """Send one message; see ``TcpListener.write``."""
        connection = self._of(source)
        return connection is not None and await connection.write(data)

    async def acknowledge(self, source: Source, ack: int) -> None:
        """Nothing: TCP has no acknowledgement a program could give."""

    def stop_accepting(self) -> None:
        """Call no more; a connection that stands goes on."""
        self._stopping = True
        if self._task is not None and not self._up:
            self._task.cancel()

    async def close(self) -> None:
        """Call no more and end the connection; answers on their way have two seconds to go out."""
        self.stop_accepting()
        if self._connection is not None:
            await self._connection.close(_CLOSING)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def state(self) -> ListenerState:
        """Whether the POS is there, and what should be known of our certificate."""
        identity = None if self._tls is None else self._tls.identity
        now = self._wall()
        said = [self._problem or "", self._unusable]
        if identity is not None:
            said += [identity.problem(now) or "", *identity.warnings(now)]
        return ListenerState(
            kind="dial",
            address=self._address,
            up=self._up,
            connections=int(self._up),
            certificate_days=None if identity is None else identity.days_left(now),
            problem="; ".join(filter(None, said)) or None,
        )

    # -- the one task ----------------------------------------------------------------------------------------------

    async def _keep_calling(self) -> None:
        failures = 0
        while not self._stopping:
            began = self._timer.now()
            await self._call()
            steady = self._problem is None and self._timer.now() - began >= _STEADY
            failures = 0 if steady else failures + 1
            longest = self._settings.retry_longest
            pause = min(longest, self._settings.retry_first * 2.0 ** min(max(0, failures - 1), 16))
            with suppress(TimeoutError):
                async with self._timer.until(self._timer.now() + self._chance() * pause):
                    await asyncio.Event().wait()

    async def _call(self) -> None:
        """One connection, from the call to its end, or to the sentence why there is none."""
        await asyncio.to_thread(self._look)
        number = next(_NUMBERS)
        connection = Connection(
            Source("dial", f"dial-{number}"),
            settings=self._settings,
            intake=self._intake,
            timer=self._timer,
            notices=self._notices,
            opened=self._opened,
            closed=self._closed,
        )
        secure = self._secure(connection)
        protocol = connection if secure is None else secure
        settings = self._settings
        try:
            async with self._timer.until(self._timer.now() + settings.connect_timeout):
                await asyncio.get_running_loop().create_connection(
                    lambda: protocol, settings.host, settings.port
                )
        except TimeoutError:
            self._tell(f"the POS did not answer within {settings.connect_timeout:g} s")
            return
        except OSError as error:
            self._tell(f"the POS is not reached: {_reason(error)}")
            return
        if secure is not None:
            await secure.secured.wait()
        if secure is not None and secure.failure:
            self._tell(secure.failure)
        else:
            self._up = True
            self._tell(None)
        await connection.over.wait()
        if self._up:
            self._up = False
            log.info("pos connection ended", listener=self._address)

    def _secure(self, connection: Connection) -> TlsTransport | None:
        if self._tls is None:
            return None
        return TlsTransport(
            connection,
            self._tls.context,
            turns=self._turns,
            timer=self._timer,
            notices=self._notices,
            name=connection.source.connection,
            handshake_timeout=self._settings.connect_timeout,
            server_name=self._settings.server_name or self._settings.host,
        )

    def _look(self) -> None:
        """Each call is made with the files as they are then; unusable ones leave the old in use."""
        try:
            self._tls = dial_tls(self._settings, self._setting)
        except ConfigurationError as mistake:
            unusable = f"{mistake}; the old files stay in use"
            if unusable != self._unusable:
                log.warning("certificate of a listener", listener=self._setting, problem=unusable)
            self._unusable = unusable
        else:
            self._unusable = ""

    def _tell(self, problem: str | None) -> None:
        """Say how it is when that changes: a till that is switched off over night is one line."""
        if problem is None:
            log.info("pos connected", listener=self._address)
        elif problem != self._problem:
            log.warning("pos not connected", listener=self._address, problem=problem)
        self._problem = problem

    def _opened(self, connection: Connection) -> bool:
        self._connection = connection
        return not self._stopping

    def _closed(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None

    def _of(self, source: Source) -> Connection | None:
        connection = self._connection
        if connection is None or connection.source != source or not connection.is_open:
            return None
        return connection


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
