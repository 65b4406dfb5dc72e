"""The bridge's ports as a script needs them: a journal whose disk can be made to wait, a listener that counts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.mqtt_listener import MqttListener
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_connection import Connection
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.adapters.tls import TlsListener
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.core.source import Source
from nexo_bridge.errors import JournalFailure, Refusal
from nexo_bridge.nexo.framing import frame
from nexo_bridge.runtime.app import Listener, MakeListener
from nexo_bridge.runtime.settings import Listen


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


@dataclass(slots=True)
class Counts:
    """What listeners took and wrote, all together.

    Attributes:
        accepted: connections in the order in which they came.
        gone: those of them that are over, as the core knows.
        written: messages written, by connection or place.
        open: requests that hold their connection open and are not answered yet.
        ending: those that were answered, until the listener says that they are over.
        acknowledged: publications that were acknowledged to a broker.
    """

    accepted: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)
    acknowledged: int = 0


class _Lines(TcpListener):
    """A listener of connections which counts, and can be made to write half an answer."""

    counts: Counts
    changed: Callable[[], None]
    half: Callable[[], bool]
    halved: Callable[[], None]

    async def write(self, source: Source, data: bytes) -> bool:
        """See ``TcpListener``."""
        if self.half():
            whole = frame(data)
            transport = self._connections[source.connection]._transport  # noqa: SLF001 - only a crash writes half an answer
            transport.write(whole[: len(whole) // 2])
        self.halved()
        written = await super().write(source, data)
        if written:
            self.counts.written[source.connection] += 1
        return written

    def _opened(self, connection: Connection) -> bool:
        good = super()._opened(connection)
        self.counts.accepted.append(connection.source.connection)
        self.changed()
        return good


class _TlsLines(_Lines, TlsListener):
    """The same inside TLS."""


class _LinesIntake:
    """An intake before the real one, which learns what connections are over."""

    def __init__(self, intake: Intake, counts: Counts, changed: Callable[[], None]) -> None:
        self._intake, self._counts, self._changed = intake, counts, changed

    async def frame(self, source: Source, data: bytes, **rest: Any) -> Any:
        """See ``Intake``."""
        return await self._intake.frame(source, data, **rest)

    async def fault(self, source: Source, refusal: Refusal, start: bytes, **rest: Any) -> Any:
        """See ``Intake``."""
        return await self._intake.fault(source, refusal, start, **rest)

    def gone(self, source: Source) -> None:
        """See ``Intake``."""
        self._intake.gone(source)
        self._counts.gone.append(source.connection)
        self._changed()


class _RequestsIntake(_LinesIntake):
    """One that learns what requests are open, of a listener whose every request is a connection."""

    async def frame(self, source: Source, data: bytes, **rest: Any) -> Any:
        """See ``Intake``."""
        self._counts.open.add(source.connection)
        return await super().frame(source, data, **rest)

    async def fault(self, source: Source, refusal: Refusal, start: bytes, **rest: Any) -> Any:
        """See ``Intake``."""
        self._counts.open.add(source.connection)
        return await super().fault(source, refusal, start, **rest)

    def gone(self, source: Source) -> None:
        """See ``Intake``."""
        self._counts.open.discard(source.connection)
        self._counts.ending.discard(source.connection)
        self._intake.gone(source)
        self._changed()


class _Told:
    """A listener before the real one, which counts what it writes to a place."""

    def __init__(self, listener: Listener, counts: Counts, halved: Callable[[], None]) -> None:
        self._listener, self._counts, self._halved = listener, counts, halved
        self.start = listener.start
        self.is_open = listener.is_open
        self.stop_accepting = listener.stop_accepting
        self.close = listener.close

    async def write(self, source: Source, data: bytes) -> bool:
        """See ``Listener``."""
        self._halved()
        written = await self._listener.write(source, data)
        if written:
            self._counts.written[source.connection] += 1
        self._look(source)
        return written

    async def acknowledge(self, source: Source, ack: int) -> None:
        """See ``Listener``."""
        if source.transport == "mqtt":
            self._counts.acknowledged += 1
        await self._listener.acknowledge(source, ack)
        self._look(source)

    def _look(self, source: Source) -> None:
        """An answer that is out is on its way to the POS, though nobody here waits for anything."""
        if not isinstance(self._listener, HttpListener) or source.connection not in self._counts.open:
            return
        request = self._listener._open.get(source.connection)  # noqa: SLF001 - nobody else asks when it was answered
        if request is None or request.over.is_set():
            self._counts.open.discard(source.connection)
            self._counts.ending.add(source.connection)


async def there(listener: Listener) -> None:
    """Wait until POS can be heard: a listener at a broker starts without it."""
    inner = listener._listener if isinstance(listener, _Told) else listener  # noqa: SLF001 - our own
    if isinstance(inner, MqttListener):
        while not inner.state().up:
            await inner.turned.wait()


def watched(
    make: MakeListener,
    settings: Listen,
    intake: Intake,
    *,
    counts: Counts,
    changed: Callable[[], None],
    half: Callable[[], bool],
    halved: Callable[[], None],
) -> Listener:
    """The listener of ``settings``, which counts in ``counts``.

    Args:
        make: makes the one that does not count.
        settings, intake: its section, and where messages go.
        counts: of all listeners.
        changed: called when a connection comes, or a request is over.
        half: asked before each answer whether half of it shall be written first.
        halved: told then.
    """
    if not isinstance(settings, TcpListen | TlsListen):
        if isinstance(settings, MqttListen):
            return _Told(make(intake), counts, halved)
        return _Told(make(_RequestsIntake(intake, counts, changed)), counts, halved)
    told = _LinesIntake(intake, counts, changed)
    lines = _TlsLines(settings, told) if isinstance(settings, TlsListen) else _Lines(settings, told)
    lines.counts, lines.changed, lines.half, lines.halved = counts, changed, half, halved
    return lines
