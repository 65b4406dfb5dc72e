"""TCP, plain or in TLS: every message behind its length, both ways on one connection."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from nexo_bridge.errors import BridgeError
from nexo_bridge.nexo.framing import Frame, Framer, frame
from nexo_bridge.pos.links.link import CONNECT, AnswerLost, Ended, Heard, Lost, NothingSent, cannot_connect


class TcpLink:
    """See ``Link``.

    Args:
        host: of the POI.
        port: of the POI.
        tls: speak TLS under this context; the POI must prove to be ``host``.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """See ``Link``."""
        return self._writer is not None and not self._writer.is_closing()

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Link``."""
        await self.close()
        try:
            async with asyncio.timeout(CONNECT):
                reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as error:
            raise cannot_connect(self._host, self._port, error) from None
        self._writer = writer
        self._task = asyncio.create_task(self._read(reader, writer, heard, ended), name="pos reader")

    async def send(self, data: bytes, lost: Lost | None) -> None:  # noqa: ARG002 - all is lost with the connection, never one
        """See ``Link``."""
        writer = self._writer
        if writer is None or writer.is_closing():
            raise NothingSent("the connection has ended")
        try:
            writer.write(frame(data))
            await writer.drain()
        except OSError:
            raise AnswerLost("the connection broke while the request was sent") from None

    async def close(self) -> None:
        """See ``Link``."""
        task, writer = self._task, self._writer
        self._task = self._writer = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard, ended: Ended
    ) -> None:
        try:
            await self._hear(reader, heard)
        except (OSError, BridgeError):
            pass
        finally:
            writer.close()
        ended()

    async def _hear(self, reader: asyncio.StreamReader, heard: Heard) -> None:
        """Hand on what comes, until nothing more will."""
        framer = Framer()
        while chunk := await reader.read(65536):
            framer.receive_data(chunk)
            while event := framer.next_event():
                if isinstance(event, Frame):
                    answer = await heard(event.data)
                    if answer is not None:
                        await self.send(answer, None)
                elif not event.survives:
                    return
