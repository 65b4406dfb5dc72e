"""The journal port, as the event loop sees it: append, wait for the disk, ask."""

from __future__ import annotations

import asyncio
import heapq
import platform
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from nexo_bridge import __version__
from nexo_bridge.adapters import journal_retention
from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_retention import Pruning
from nexo_bridge.adapters.journal_rows import SCHEMA, Draft, Drafting, Retention
from nexo_bridge.adapters.journal_space import Space
from nexo_bridge.adapters.journal_store import Connect, Store
from nexo_bridge.adapters.journal_writer import Ask, JournalLocked, News, Reopen, Stop, Writer
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import FORMAT, Entry, History, Json, Query, Stamp
from nexo_bridge.errors import JournalFailure

__all__ = ["JournalLocked", "Retention", "SqliteJournal"]

Result = TypeVar("Result")
Clock = Callable[[], tuple[float, float]]
"""Wall and monotonic time."""

MEBI = 1024 * 1024


def _now() -> tuple[float, float]:
    return time.time(), time.monotonic()


class SqliteJournal:
    """One journal file, open for writing, its lock held. Made by ``open``; used from the loop that opened it.

    When a commit fails, the journal is *broken*: nothing is written until ``reopen`` has checked the file; waiting
    and later ``committed`` raise; ``find`` and the other questions go on as long as the disk can be read.
    """

    def __init__(self, path: Path, keys: Keys, retention: Retention, clock: Clock) -> None:
        """Use ``open``."""
        self.path = path
        self.keys = keys
        self._retention = retention
        self._drafting = Drafting(retention)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._writer: Writer
        self._on_broken: Callable[[str], None] | None = None
        self._numbered = self._appended = self._durable = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waits = 0
        self._lost: deque[tuple[int, int]] = deque(maxlen=1_000)
        self._broken: str | None = None
        self._room = True
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        keys: Keys,
        *,
        configuration: Json,
        retention: Retention | None = None,
        reserve: int = 8 * MEBI,
        low: int = 32 * MEBI,
        on_broken: Callable[[str], None] | None = None,
        clock: Clock = _now,
        connect: Connect = sqlite3.connect,
    ) -> SqliteJournal:
        """Lock, open and check the journal, and write down this start.

        Args:
            path: the file; ``.lock``, ``.reserve``, ``-wal`` and ``-shm`` lie beside it.
            keys: the installation's.
            configuration: what is in force, already redacted; stored in clear.
            retention: what ``prune`` takes and when.
            reserve: bytes of disk put aside.
            low: free bytes below which ``has_room`` is False.
            on_broken: called in the loop, once each time the journal breaks, with the reason.
            clock: stamps the journal's own entries.
            connect: opens SQLite connections.

        Raises:
            JournalLocked: another process holds it.
            ConfigurationError: the path cannot be used, or the key is another journal's.
            JournalFailure: written by a newer version, damaged, or it cannot be written.
        """
        journal = cls(path, keys, retention or Retention(), clock)
        store = Store(path, keys, journal._retention, connect)
        journal._writer = Writer(store, Space(path, reserve, low), journal._publish)
        facts: Json = {
            "program": __version__,
            "schema": SCHEMA,
            "format": FORMAT,
            "installation": keys.installation_id,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "configuration": configuration,
        }

        def opened(store: Store) -> int:
            number = store.highest + 1
            store.insert(journal._meta("Opened", facts, number))
            return number

        done: asyncio.Future[int] = journal._loop.create_future()
        journal._writer.start(Ask(opened, _teller(done), writes=True))
        try:
            number = await done
        except asyncio.CancelledError:
            journal._writer.put(Stop(_teller(journal._loop.create_future())))
            raise
        journal._numbered = journal._appended = journal._durable = number
        journal._on_broken = on_broken
        return journal

    # --- writing

    def next_number(self) -> int:
        """A number above all given before, also those of earlier runs that reached the disk."""
        self._numbered += 1
        return self._numbered

    def append(self, entry: Entry) -> None:
        """Queue ``entry``; never blocks. Order is kept: numbers rise, though some may be left out.

        While the journal is broken the entry is dropped, and ``committed`` says so.

        Raises:
            ValueError, TypeError: a fault of the program: its number does not rise, was not given by
                ``next_number``, or it holds something that is not JSON.
        """
        number = entry.stamp.number
        if not self._appended < number <= self._numbered:
            raise ValueError(
                f"entry {number} comes after {self._appended}, of {self._numbered} numbers given"
            )
        draft = self._drafting.draft(entry)
        self._appended = number
        if self._broken is None and self._closing is None:
            self._writer.put(draft)

    async def committed(self, number: int) -> None:
        """Wait until every entry appended so far, up to ``number``, is on disk.

        Raises:
            JournalFailure: one that was not yet there may never be: read again what the disk says.
        """
        number = min(number, self._appended)
        if number > self._durable:
            if self._broken is not None:
                raise JournalFailure(self._broken)
            if self._closing is not None:
                raise JournalFailure("the journal is closed")
            done: asyncio.Future[None] = self._loop.create_future()
            self._waits += 1
            heapq.heappush(self._waiting, (number, self._waits, done))
            await done
        elif any(first <= number <= last for first, last in self._lost):
            raise JournalFailure("lost when the journal broke")

    async def reopen(self) -> bool:
        """After a failure: open the file anew, check it, prove that it can be written. True when it can.

        Numbers go on. Entries of the failed batch are there when their commit had reached the disk after all, and
        absent otherwise; ``committed`` tells which.
        """
        if self._broken is None:
            return True
        probe = self._meta("Reopened", {"after": self._broken}, self.next_number())
        self._appended = probe.stamp.number
        done: asyncio.Future[bool] = self._loop.create_future()

        def tell(present: tuple[int, ...] | None, _: BaseException | None) -> None:
            # at once, before anything more is appended: of all so far, what is not on disk was dropped
            if present is not None:
                edges = (self._durable, *present, self._appended + 1)
                self._lost += ((low + 1, high - 1) for low, high in pairwise(edges) if high - low > 1)
                self._durable = self._appended
            if not done.done():
                done.set_result(present is not None)

        self._put(Reopen(probe, self._durable, tell))
        return await done

    @property
    def healthy(self) -> bool:
        """Whether entries can be written."""
        return self._broken is None and self._closing is None

    @property
    def reason(self) -> str | None:
        """Why not, in words for a log; None while healthy."""
        return self._broken

    @property
    def has_room(self) -> bool:
        """Whether there is disk for new money work; turns False before the disk is full."""
        return self._room

    @property
    def backlog(self) -> int:
        """Numbers between the newest entry appended and the newest on disk: how far the disk is behind."""
        return max(0, self._appended - self._durable)

    # --- reading

    async def find(self, query: Query) -> tuple[History, ...]:
        """Decisions of the exchanges that carry all of ``query.refs``, newest exchange first.

        Sees everything appended before it, and answers when that is on disk.

        Raises:
            JournalFailure: it cannot be read, or is damaged.
        """
        return await self._ask(lambda store: store.find(query))

    async def open_exchanges(self) -> tuple[History, ...]:
        """Every exchange with a decision and none that settles it, oldest first."""
        return await self._ask(lambda store: store.open_exchanges())

    async def newest(self, exchange: str) -> Entry | None:
        """The newest entry, of any kind, that belongs to ``exchange``; None without one.

        Raises:
            JournalFailure: it cannot be read, or is damaged.
        """
        return await self._ask(lambda store: store.newest(exchange))

    async def entries(self, after: int = 0, limit: int = 1_000) -> tuple[Entry, ...]:
        """Up to ``limit`` entries above number ``after``, in order. ``JournalReader`` is the one for tools."""
        return await self._ask(lambda store: store.entries(after, limit))

    # --- housekeeping

    async def prune(self, now: float) -> Pruning:
        """Take what rule R12 does not keep at wall time ``now``, a few rows at a time between other work.

        Raises:
            JournalFailure: broken, or broken meanwhile; what was taken before stays taken.
        """
        await self.committed(self._appended)
        pruning = await asyncio.to_thread(self._pruning, now)
        while pruning.phase != "done":
            pruning = await self._ask(self._step(pruning), writes=True)
        if pruning.public():
            draft = self._meta("Pruned", pruning.public(), self.next_number())
            self._appended = draft.stamp.number
            self._put(draft)
            await self.committed(draft.stamp.number)
        return pruning

    async def close(self) -> None:
        """Write what is queued, close the file, release the lock. May be called again."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            self._writer.put(Stop(_teller(self._closing)))
        await asyncio.shield(self._closing)

    def _pruning(self, now: float) -> Pruning:
        with JournalReader(self.path) as reader:
            return reader.pruning(self._retention, now)

    def _step(self, pruning: Pruning) -> Callable[[Store], Pruning]:
        return lambda store: journal_retention.step(store.connection, pruning, self._retention)

    def _meta(self, name: str, public: Json, number: int) -> Draft:
        wall, mono = self._clock()
        return self._drafting.draft(Entry(Stamp(number, wall, mono), "meta", name, None, {}, public))

    async def _ask(self, work: Callable[[Store], Result], *, writes: bool = False) -> Result:
        done: asyncio.Future[Result] = self._loop.create_future()
        self._put(Ask(work, _teller(done), writes))
        return await done

    def _put(self, job: Draft | Ask[Any] | Reopen) -> None:
        if self._closing is not None:
            raise JournalFailure("the journal is closed")
        self._writer.put(job)

    # --- news from the thread

    def _publish(self, news: News) -> None:
        try:
            self._loop.call_soon_threadsafe(self._heard, news)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _heard(self, news: News) -> None:
        self._room = news.room
        if news.durable is not None and news.durable > self._durable:
            self._durable = news.durable
            while self._waiting and self._waiting[0][0] <= self._durable:
                _settle(heapq.heappop(self._waiting)[2])
        newly = news.broken is not None and self._broken is None
        self._broken = news.broken
        if news.broken is not None:
            failure = JournalFailure(news.broken)
            while self._waiting:
                _settle(heapq.heappop(self._waiting)[2], failure)
        for tell, result, problem in news.told:
            tell(result, problem)
        if newly and self._on_broken is not None:
            self._on_broken(self._broken or "")


def _settle(future: asyncio.Future[None], problem: BaseException | None = None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(None)
    else:
        future.set_exception(problem)


def _teller(future: asyncio.Future[Any]) -> Callable[[Any, BaseException | None], None]:
    def tell(result: Any, problem: BaseException | None) -> None:
        if future.done():  # nobody waits any more
            return
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)

    return tell
