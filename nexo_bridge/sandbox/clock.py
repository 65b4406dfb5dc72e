"""Time for the sandbox, injected so that no test sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """Something that will happen unless it is cancelled before."""

    def cancel(self) -> None:
        """Make it never happen; harmless when it has."""


class Clock(Protocol):
    """What the sandbox knows of time."""

    def now(self) -> datetime:
        """The wall time, with zone."""
        ...

    def call_later(self, delay: float, action: Callable[[], None]) -> Timer:
        """Run ``action`` after ``delay`` seconds; nothing runs before this call has returned."""
        ...


async def pause(clock: Clock, delay: float) -> None:
    """Wait ``delay`` seconds of ``clock``."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_later(delay, end)
    try:
        await over
    finally:
        timer.cancel()


class LoopClock:
    """Real time, on the running event loop."""

    def now(self) -> datetime:
        """The wall time in UTC."""
        return datetime.now(UTC)

    def call_later(self, delay: float, action: Callable[[], None]) -> Timer:
        """As ``Clock.call_later``."""
        return asyncio.get_running_loop().call_later(delay, action)


class _Entry:
    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class VirtualClock:
    """Time that passes when a test says so."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._order = itertools.count()
        self._entries: list[tuple[datetime, int, _Entry]] = []

    def now(self) -> datetime:
        """The time reached so far."""
        return self._now

    def call_later(self, delay: float, action: Callable[[], None]) -> Timer:
        """As ``Clock.call_later``; runs inside a later ``advance``."""
        entry = _Entry(action)
        heapq.heappush(self._entries, (self._now + timedelta(seconds=delay), next(self._order), entry))
        return entry

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass; what falls due runs in order, each at its own time."""
        until = self._now + timedelta(seconds=seconds)
        while self._entries and self._entries[0][0] <= until:
            due, _, entry = heapq.heappop(self._entries)
            self._now = due
            if entry.action is not None:
                entry.action()
        self._now = until
