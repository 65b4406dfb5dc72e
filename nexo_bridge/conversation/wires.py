"""The links of a scripted POS, which can also do what a real one never should: end without a word, say half."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import Protocol

from nexo_bridge.conversation.transports import Transport
from nexo_bridge.pos.links.http import HttpLink
from nexo_bridge.pos.links.link import Ended, Heard, Mqtt
from nexo_bridge.pos.links.mqtt import MqttLink, topics
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
        self, address: tuple[str, int], listen: tuple[str, int], changed: Callable[[], None]
    ) -> None:
        self.transport: Transport = "http"
        self._changed = changed
        host, port = address
        self._link = HttpLink(
            f"http://{host}:{port}/EPASSaleToPOI/3.1",
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


class _Topic:
    """The link of one pair, and how much of what the bridge published to it has come."""

    def __init__(self, link: MqttLink, place: str) -> None:
        self.link, self.place = link, place
        self.received = self.before = 0


class MqttWire:
    """MQTT: a link for each pair of SaleID and POIID this POS has spoken as, since each has topics of its own.

    Args:
        transport: which version.
        broker: where.
        prefix: of all topics of this play.
        written: what the bridge has written until now, see ``Wire.behind``.
        pair: the POS's own.
    """

    outstanding = 0
    shared = True

    def __init__(
        self,
        transport: Transport,
        broker: tuple[str, int],
        *,
        prefix: str,
        written: Callable[[], Mapping[str, int]],
        pair: Pair,
    ) -> None:
        self.transport = transport
        self._broker, self._prefix = broker, prefix
        self._written, self._pair = written, pair
        self._topics: dict[Pair, _Topic] = {}

    @property
    def connected(self) -> bool:
        """See ``Wire``."""
        return bool(self._topics)

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Wire``."""
        await self.close()
        self._heard, self._ended = heard, ended
        await self._open(self._pair)

    async def _open(self, pair: Pair) -> _Topic:
        version: Mqtt = "3.1.1" if self.transport == "mqtt3" else "5"
        link = MqttLink(
            *self._broker,
            pair,
            version=version,
            prefix=self._prefix,
        )
        topic = _Topic(link, f"mqtt:{topics(self._prefix, *pair)[1]}")
        topic.before = self._written().get(topic.place, 0)

        async def counted(data: bytes) -> bytes | None:
            topic.received += 1
            return await self._heard(data)

        await link.connect(counted, self._ended)
        self._topics[pair] = topic
        return topic

    async def send(self, data: bytes, pair: Pair) -> None:
        """See ``Wire``."""
        topic = self._topics.get(pair) or await self._open(pair)
        await topic.link.send(data, None)

    def half_close(self) -> None:
        """See ``Wire``."""
        raise NotImplementedError("a session at a broker has no halves")

    async def drop(self) -> None:
        """See ``Wire``; the bridge hears nothing of it."""
        await self.close()

    async def close(self) -> None:
        """See ``Wire``."""
        gone, self._topics = self._topics, {}
        for topic in gone.values():
            await topic.link.close()

    def begin_anew(self) -> None:
        """See ``Wire``."""
        for topic in self._topics.values():
            topic.received = topic.before = 0

    def behind(self, written: Mapping[str, int], connection: str) -> bool:  # noqa: ARG002 - a place has no connection
        """See ``Wire``."""
        return any(one.received < written.get(one.place, 0) - one.before for one in self._topics.values())
