"""Ports in memory: a disk that waits or fails when told to, a platform that answers when told to, POS that listen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.core.source import Source
from nexo_bridge.errors import JournalFailure
from nexo_bridge.ppaas.models import Outcome
from nexo_bridge.ppaas.operations import Call
from tests.core.memory_journal import MemoryJournal


class HandClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.timers: list[HandTimer] = []

    def wall(self) -> float:
        return self.time

    def mono(self) -> float:
        return self.time - 1_699_999_000.0

    def call_later(self, delay: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(self.time + delay, callback)
        self.timers.append(timer)
        return timer

    def move(self, seconds: float) -> None:
        self.time += seconds
        due = [timer for timer in self.timers if timer.at <= self.time]
        self.timers = [timer for timer in self.timers if timer.at > self.time]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


class HandTimer:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class HandJournal(MemoryJournal):
    """A memory journal whose disk can be held back or broken; as the real one, what was lost stays told."""

    def __init__(self) -> None:
        super().__init__()
        self.has_room = True
        self.held = False
        self.broken = False
        self.unreadable = False
        self.stays_broken = 0
        self.queued: list[Entry] = []
        self.lost: set[int] = set()
        self._synced = asyncio.Event()

    def append(self, entry: Entry) -> None:
        if self.broken:
            self.lost.add(entry.stamp.number)
        elif self.held:
            self.queued.append(entry)
        else:
            super().append(entry)

    def sync(self) -> None:
        """The disk has it."""
        self.held = False
        self.entries += self.queued
        self.queued = []
        self._wake()

    def fail(self) -> None:
        """The disk has nothing of it."""
        self.held, self.broken = False, True
        self.lost |= {entry.stamp.number for entry in self.queued}
        self.queued = []
        self._wake()

    def _wake(self) -> None:
        self._synced.set()
        self._synced = asyncio.Event()

    async def committed(self, number: int) -> None:
        while any(entry.stamp.number <= number for entry in self.queued):
            await self._synced.wait()
        if number in self.lost:
            raise JournalFailure("lost")

    async def find(self, query: Query) -> tuple[History, ...]:  # type: ignore[override]  # the port's is a coroutine
        if self.unreadable:
            raise JournalFailure("cannot be read")
        return super().find(query)

    async def open_exchanges(self) -> tuple[History, ...]:  # type: ignore[override]  # as above
        if self.unreadable:
            raise JournalFailure("cannot be read")
        return super().open_exchanges()

    async def newest(self, exchange: str) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.exchange == exchange), None)

    async def reopen(self) -> bool:
        self.stays_broken -= 1
        self.broken = self.stays_broken >= 0
        return not self.broken


class HandPlatform:
    """Keeps calls until a test answers them."""

    def __init__(self) -> None:
        self.calls: list[tuple[Call, asyncio.Future[Outcome]]] = []

    async def perform(self, call: Call) -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.calls.append((call, answer))
        return await answer

    @property
    def asked(self) -> list[str]:
        """Operations that wait for an answer."""
        return [call.operation for call, answer in self.calls if not answer.done()]

    def answer(self, operation: str, outcome: Outcome | Exception) -> None:
        for call, answer in self.calls:
            if call.operation == operation and not answer.done():
                if isinstance(outcome, Exception):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)
                return
        raise AssertionError(f"{operation} was not called")

    def key(self) -> str:
        return next(call.key for call, _ in self.calls if call.operation.startswith("create"))


class HandWriter:
    """POS that are there until they are gone."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes]] = []
        self.acknowledged: list[int] = []
        self.gone: set[str] = set()

    async def write(self, source: Source, data: bytes) -> bool:
        if source.connection in self.gone:
            return False
        self.written.append((source.connection, data))
        return True

    async def acknowledge(self, source: Source, ack: int) -> None:
        assert source.connection not in self.gone
        self.acknowledged.append(ack)

    def is_open(self, source: Source) -> bool:
        return source.connection not in self.gone


async def settle_down() -> None:
    """Let everything that can happen now happen."""
    for _ in range(50):
        await asyncio.sleep(0)
