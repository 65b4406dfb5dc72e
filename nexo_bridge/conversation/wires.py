"""The links of a scripted POS, which can also do what a real one never should: end without a word, say half."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import Protocol

from nexo_bridge.conversation.transports import Transport
from nexo_bridge.nexo.form import Form
from nexo_bridge.pos.links.address import Access
from nexo_bridge.pos.links.http import HttpLink
from nexo_bridge.pos.links.link import Ended, Heard
from nexo_bridge.pos.links.tcp import TcpLink

_RESET = struct.pack("ii", 1, 0)

Pair = tuple[str, str]
"""SaleID and POIID."""


class Wire(Protocol):
    """What a till speaks through.

    Attributes:
        transport: which.
        shared: what comes may be for another POS of the same SaleID, too.
    """

    transport: Transport
    shared: bool

    @property
    def connected(self) -> bool:
        """See ``Link``."""

    @property
    def outstanding(self) -> int:
        """Requests that the other side still holds open; 0 where it holds none."""

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Link``."""

    async def send(self, data: bytes, pair: Pair) -> None:
        """One message of that pair."""

    def half_close(self) -> None:
        """Say nothing more, and still hear (FIN)."""

    async def drop(self) -> None:
        """The cable is pulled."""

    async def close(self) -> None:
        """See ``Link``."""

    def begin_anew(self) -> None:
        """The bridge is another process now, and counts from nothing."""

    def behind(self, written: Mapping[str, int], connection: str) -> bool:
        """Whether something the bridge has written is still on its way to this POS.

        Args:
            written: how many messages, by what the bridge calls the place it wrote to.
            connection: what it calls the connection of this POS, if it has one.
        """


class _Line(TcpLink):
    """A connection that can end in other ways than by a goodbye."""

    def half_close(self) -> None:
        assert self._writer is not None, "connected before"
        self._writer.write_eof()

    def reset(self) -> None:
        if self._writer is not None and not self._writer.is_closing():
            plain: socket.socket = self._writer.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._writer.transport.abort()


class LineWire:
    """TCP, or TLS: one connection, on which the bridge counts what it writes."""

    outstanding = 0
    shared = False

    def __init__(
        self, transport: Transport, address: tuple[str, int], tls: ssl.SSLContext | None = None
    ) -> None:
        self.transport = transport
        self._line = _Line(*address, tls=tls)
        self._received = 0

    @property
    def connected(self) -> bool:
        """See ``Wire``."""
        return self._line.connected

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Wire``."""
        self._received = 0

        async def counted(data: bytes) -> bytes | None:
            self._received += 1
            return await heard(data)

        await self._line.connect(counted, ended)

    async def send(self, data: bytes, pair: Pair) -> None:  # noqa: ARG002 - only the message says whose it is
        """See ``Wire``."""
        await self._line.send(data, None)

    def half_close(self) -> None:
        """See ``Wire``."""
        self._line.half_close()

    async def drop(self) -> None:
        """See ``Wire``."""
        self._line.reset()
        await self._line.close()

    async def close(self) -> None:
        """See ``Wire``; nobody waits for a goodbye."""
        self._line.reset()
        await self._line.close()

    def begin_anew(self) -> None:
        """See ``Wire``: the connection has ended with the bridge."""

    def behind(self, written: Mapping[str, int], connection: str) -> bool:
        """See ``Wire``."""
        return self._received < written.get(connection, 0)


class HttpWire:
    """HTTP: a connection for each request, and an address where the bridge may speak."""

    shared = False

    def __init__(
        self, address: tuple[str, int], form: Form, listen: tuple[str, int], changed: Callable[[], None]
    ) -> None:
        self.transport: Transport = "http"
        self._changed = changed
        host, port = address
        self._link = HttpLink(
            f"http://{host}:{port}/EPASSaleToPOI/3.1",
            content_type=Access(form=form).content_type,
            listen=listen,
        )

    @property
    def connected(self) -> bool:
        """See ``Wire``."""
        return self._link.connected

    @property
    def outstanding(self) -> int:
        """See ``Wire``."""
        return self._link.outstanding

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Wire``."""
        await self._link.connect(heard, ended)

    async def send(self, data: bytes, pair: Pair) -> None:  # noqa: ARG002 - only the message says whose it is
        """See ``Wire``."""
        await self._link.send(data, lambda _: self._changed())

    def half_close(self) -> None:
        """See ``Wire``."""
        raise NotImplementedError("HTTP has no half of a connection")

    async def drop(self) -> None:
        """See ``Wire``."""
        await self._link.close()

    async def close(self) -> None:
        """See ``Wire``."""
        await self._link.close()

    def begin_anew(self) -> None:
        """See ``Wire``."""

    def behind(self, written: Mapping[str, int], connection: str) -> bool:  # noqa: ARG002 - see ``outstanding``
        """See ``Wire``."""
        return False
