"""One time for bridge and sandbox, which passes when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime


class Alarm:
    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action
        name = getattr(action, "__qualname__", "")
        self.somebody_waits = name in {"pause.<locals>.end", "Event.set"}

    def cancel(self) -> None:
        self.action = None


class Clockwork:
    """The clock port of the bridge and the clock of the sandbox.

    Attributes:
        stepped: seconds by which the bridge's wall clock is wrong (F39); the sandbox keeps the right time.
        changed: set whenever something was asked of the clock.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._passed = 0.0
        self.stepped = 0.0
        self.changed = asyncio.Event()
        self._order = itertools.count()
        self._alarms: list[tuple[float, int, Alarm]] = []

    def wall(self) -> float:
        return self._start + self._passed + self.stepped

    def mono(self) -> float:
        return 1000.0 + self._passed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._start + self._passed, UTC)

    def call_later(self, delay: float, action: Callable[[], None]) -> Alarm:
        alarm = Alarm(action)
        heapq.heappush(self._alarms, (self._passed + max(0.0, delay), next(self._order), alarm))
        self.changed.set()
        return alarm

    @property
    def passed(self) -> float:
        return self._passed

    @property
    def waiting(self) -> int:
        """How many tasks can go on only when time does: an answer held back, a journal to be tried again."""
        return sum(alarm.action is not None and alarm.somebody_waits for _, _, alarm in self._alarms)

    def next(self) -> float | None:
        """When the next alarm is due, in seconds passed; None if none is."""
        while self._alarms and self._alarms[0][2].action is None:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def turn(self, until: float) -> None:
        """Go on to ``until`` and do the one thing that is due then, if there is one."""
        due = self.next()
        if due is None or due > until:
            self._passed = until
            return
        self._passed = max(self._passed, due)
        alarm = heapq.heappop(self._alarms)[2]
        action, alarm.action = alarm.action, None
        assert action is not None
        action()
