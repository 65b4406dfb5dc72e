"""The TCP listener: many POS, many connections of each, requests in both directions."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import ClassVar, Final, TypeAlias

from nexo_bridge.adapters.accepting import listen
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.listener_state import ListenerState
from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.tcp_connection import Connection
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.core.source import Source

_NUMBERS: Final = count(1)  # for the process, not the listener: a connection's name is never used again
_CLOSING: Final = 2.0
_Settings: TypeAlias = TcpListen | TlsListen


class TcpListener:
    """Accepts POS connections on one address and port, within the limits of its settings.

    Args:
        settings: the ``[[listen]]`` section.
        intake: gets every whole message and every framing fault.
        timer: clock and deadlines; tests move it by hand.
    """

    transport: ClassVar[str] = "tcp"

    def __init__(self, settings: _Settings, intake: Intake, *, timer: Timer | None = None) -> None:
        self._settings = settings
        self._intake = intake
        self._timer = timer or Timer()
        self._notices = Notices(self._timer)
        self.address = ""
        """``HOST:PORT`` really bound; empty before ``start``."""
        self._server: asyncio.Server | None = None
        self._connections: dict[str, Connection] = {}
        self._addresses: Counter[str] = Counter()

    async def start(self) -> str:
        """Bind and accept.

        Returns:
            ``HOST:PORT`` as really bound (``[::1]:PORT`` for IPv6); of several addresses, the first.

        Raises:
            ConfigurationError: the address cannot be bound.
        """
        self._server, self.address = await listen(self._protocol, self._settings.host, self._settings.port)
        return self.address

    def state(self) -> ListenerState:
        """What people should know of this listener."""
        up = self._server is not None and self._server.is_serving()
        return ListenerState(self.transport, self.address, up, len(self._connections))

    def is_open(self, source: Source) -> bool:
        """Whether an answer can be written to this connection now."""
        connection = self._connections.get(source.connection)
        return connection is not None and connection.is_open

    async def write(self, source: Source, data: bytes) -> bool:
        """Send one message, behind its length or bare as the peer sends its own.

        Returns:
            True once the kernel has all of it. False when the connection is gone, or was dropped because its peer
            did not read in time.
        """
        connection = self._connections.get(source.connection)
        return connection is not None and await connection.write(data)

    async def acknowledge(self, source: Source, ack: int) -> None:
        """Nothing: TCP has no acknowledgement a program could give."""

    def stop_accepting(self) -> None:
        """Take no new connections; those that stand go on."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Stop accepting and end every connection; answers on their way have two seconds to go out."""
        self.stop_accepting()
        await asyncio.gather(
            *(connection.close(_CLOSING) for connection in tuple(self._connections.values()))
        )

    def _protocol(self) -> asyncio.BaseProtocol:
        """What the socket of a new connection speaks to."""
        return self._connection()

    def _connection(self) -> Connection:
        source = Source(self.transport, f"{self.transport}-{next(_NUMBERS)}")
        return Connection(
            source,
            settings=self._settings,
            intake=self._intake,
            timer=self._timer,
            notices=self._notices,
            opened=self._opened,
            closed=self._closed,
        )

    def _opened(self, connection: Connection) -> bool:
        address = connection.address
        if len(self._connections) >= self._settings.max_connections:
            self._notices.warn("too_many_connections", peer=address, limit=self._settings.max_connections)
            return False
        if self._addresses[address] >= self._settings.max_connections_per_address:
            limit = self._settings.max_connections_per_address
            self._notices.warn("too_many_connections_of_one_address", peer=address, limit=limit)
            return False
        self._connections[connection.source.connection] = connection
        self._addresses[address] += 1
        return True

    def _closed(self, connection: Connection) -> None:
        del self._connections[connection.source.connection]
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
