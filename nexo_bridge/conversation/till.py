"""One POS of a script: its ids, its connection, what it said and what it heard."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.framing import Frame, Framer, frame


class Till:
    """A Sale System on one connection at a time.

    Attributes:
        sale_id, poi_id: what its requests carry unless they say another.
        version: protocol version it speaks since its last Login.
        inbox: what it heard and no line of the script has asked for yet.
        received: messages on this connection.
        connection: what the bridge calls the connection; empty without one.
    """

    def __init__(self, name: str, poi_id: str, changed: Callable[[], None]) -> None:
        self.name = name
        self.sale_id = f"S{name.removeprefix('POS') or '1'}"
        self.poi_id = poi_id
        self.version: Version = "3.1"
        self.inbox: deque[Heard] = deque()
        self.received = 0
        self.connection = ""
        self.ended = False
        self.cut = False
        self._changed = changed
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether it has a connection that nobody ended."""
        return self._writer is not None and not self.ended

    async def connect(self, address: tuple[str, int]) -> None:
        """A new connection; what was heard on the old one stays."""
        await self.leave()
        reader, self._writer = await asyncio.open_connection(*address)
        self.received, self.ended, self.cut = 0, False, False
        self._task = asyncio.create_task(self._read(reader), name=self.name)

    def send(self, message: bytes) -> None:
        """One message behind its length."""
        assert self._writer is not None, "connected before"
        self._writer.write(frame(message))

    def half_close(self) -> None:
        """Nothing more is said; answers are still heard (FIN)."""
        assert self._writer is not None, "connected before"
        self._writer.write_eof()

    def drop(self) -> None:
        """The cable is pulled (RST)."""
        assert self._writer is not None, "connected before"
        plain: socket.socket = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._writer.transport.abort()
        self.cut = True
        self._end()

    async def leave(self) -> None:
        """Let the connection go."""
        if self._writer is not None:
            self._writer.transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer, self._task = None, None
        self.ended = True

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = Framer()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                framer.receive_data(data)
                while isinstance(event := framer.next_event(), Frame):
                    self.received += 1
                    self.inbox.append(Heard(event.data))
                    self._changed()
        self._end()

    def _end(self) -> None:
        self.ended = True
        self._changed()
