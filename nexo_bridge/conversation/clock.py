"""One time for a whole play: it stands still until the script, or waiting for an answer, lets it pass."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

_AWAITED = frozenset({"pause.<locals>.end", "Event.set"})
"""Actions that only let a task go on: while they are not due, that task is not busy, it waits for time."""


class Alarm:
    """Something that is due at a moment."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action
        self.awaited = getattr(action, "__qualname__", "") in _AWAITED

    def cancel(self) -> None:
        """It will not happen."""
        self.action = None


class StageClock:
    """The clock port of the bridge, and the clock of the sandbox; each has its own, turned together.

    Args:
        start: wall time at the beginning of the script, seconds since the epoch.
        passed: seconds since then.
        changed: called whenever something is asked of the clock.
    """

    def __init__(self, start: float, passed: float = 0.0, changed: Callable[[], None] = lambda: None) -> None:
        self._start = start
        self.passed = passed
        self._changed = changed
        self._order = itertools.count()
        self._alarms: list[tuple[float, int, Alarm]] = []

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._start + self.passed

    def mono(self) -> float:
        """Seconds of a clock that never jumps."""
        return 1000.0 + self.passed

    def now(self) -> datetime:
        """The wall time, with zone, as the sandbox wants it."""
        return datetime.fromtimestamp(self.wall(), UTC)

    def call_later(self, delay: float, action: Callable[[], None]) -> Alarm:
        """Do ``action`` once ``delay`` seconds have passed; never before this call has returned."""
        alarm = Alarm(action)
        heapq.heappush(self._alarms, (self.passed + max(0.0, delay), next(self._order), alarm))
        self._changed()
        return alarm

    @property
    def awaited(self) -> int:
        """How many tasks can go on only when time does."""
        return sum(alarm.action is not None and alarm.awaited for _, _, alarm in self._alarms)

    @property
    def due(self) -> float | None:
        """When the next alarm is due, in seconds passed; None if none is set."""
        while self._alarms and self._alarms[0][2].action is None:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def abandon(self) -> None:
        """Whoever waited has gone: what is still due lets nobody go on."""
        for _, _, alarm in self._alarms:
            alarm.awaited = False

    def turn(self, to: float) -> None:
        """Let time reach ``to`` and do the one thing that is due by then, if there is one."""
        due = self.due
        self.passed = max(self.passed, to)
        if due is None or due > to:
            return
        alarm = heapq.heappop(self._alarms)[2]
        action, alarm.action = alarm.action, None
        assert action is not None, "cancelled alarms were taken away"
        action()
