"""The bridge's ports as a script needs them: a journal whose disk can be made to wait, a listener that counts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable

from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_connection import Connection
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.core.source import Source
from nexo_bridge.errors import JournalFailure
from nexo_bridge.nexo.framing import frame


class GatedJournal:
    """A ``JournalPort`` before a real journal: its answers can be held back, as a slow disk does.

    Attributes:
        appended: number of the newest entry.
        durable: number of the newest entry that is known to be on disk.
    """

    def __init__(self, journal: SqliteJournal, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._changed = changed
        self._open = asyncio.Event()
        self._open.set()
        self._waiting = 0
        self._fresh = asyncio.Event()
        self.appended = self.durable = 0

    @property
    def held(self) -> int:
        """How many wait for the disk, and for nothing else."""
        return 0 if self._open.is_set() else self._waiting

    def wait(self, waits: bool) -> None:
        """Hold answers back, or let them all go."""
        if waits:
            self._open.clear()
        else:
            self._open.set()

    @property
    def has_room(self) -> bool:
        """See ``JournalPort``."""
        return self._journal.has_room

    def next_number(self) -> int:
        """See ``JournalPort``."""
        return self._journal.next_number()

    def append(self, entry: Entry) -> None:
        """See ``JournalPort``."""
        self._journal.append(entry)
        self.appended = entry.stamp.number
        self._fresh.set()

    async def committed(self, number: int) -> None:
        """See ``JournalPort``."""
        await self._journal.committed(number)
        await self._pass()

    async def find(self, query: Query) -> tuple[History, ...]:
        """See ``JournalPort``."""
        await self._pass()
        return await self._journal.find(query)

    async def open_exchanges(self) -> tuple[History, ...]:
        """See ``JournalPort``."""
        return await self._journal.open_exchanges()

    async def newest(self, exchange: str) -> Entry | None:
        """See ``JournalPort``."""
        return await self._journal.newest(exchange)

    async def reopen(self) -> bool:
        """See ``JournalPort``."""
        return await self._journal.reopen()

    async def follow(self) -> None:
        """Learn what is on disk, until cancelled; of a broken journal nothing is waited for."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            number = self.appended
            with contextlib.suppress(JournalFailure):
                await self._journal.committed(number)
            self.durable = number
            self._changed()

    def flush(self) -> None:
        """Block until all that was appended is on disk; for a process that has nothing left to do but die."""
        keys = self._journal.keys
        for _ in range(1000):
            with JournalReader(self._journal.path, keys) as reader:
                if any(entry.stamp.number >= self.appended for entry in reader.entries(self.appended - 1)):
                    return
            time.sleep(0.005)

    async def _pass(self) -> None:
        if self._open.is_set():
            return
        self._waiting += 1
        self._changed()
        try:
            await self._open.wait()
        finally:
            self._waiting -= 1


class WatchedListener(TcpListener):
    """The TCP listener, which counts what it writes to whom, and can be made to write half an answer.

    Args:
        settings, intake: as for ``TcpListener``.
        changed: called when a connection comes.
        half: asked before each answer whether half of it shall be written first.
        halved: told then.

    Attributes:
        accepted: connections in the order in which they came.
        written: messages written to each.
    """

    def __init__(
        self,
        settings: TcpListen,
        intake: Intake,
        *,
        changed: Callable[[], None],
        half: Callable[[], bool],
        halved: Callable[[], None],
    ) -> None:
        super().__init__(settings, intake)
        self.accepted: list[str] = []
        self.written: Counter[str] = Counter()
        self._changed = changed
        self._half = half
        self._halved = halved
        self._by_name: dict[str, Connection] = {}

    async def write(self, source: Source, data: bytes) -> bool:
        """See ``TcpListener``."""
        if self._half():
            whole = frame(data)
            transport = self._by_name[source.connection]._transport  # noqa: SLF001 - only a crash writes half an answer
            transport.write(whole[: len(whole) // 2])
        self._halved()
        written = await super().write(source, data)
        if written:
            self.written[source.connection] += 1
        return written

    def _opened(self, connection: Connection) -> bool:
        good = super()._opened(connection)
        self._by_name[connection.source.connection] = connection
        self.accepted.append(connection.source.connection)
        self._changed()
        return good
