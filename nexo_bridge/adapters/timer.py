"""The adapters' clock and deadlines, in one place so that time can be moved by hand."""

from __future__ import annotations

import asyncio


class Timer:
    """Time of the running event loop. Monotonic seconds; they mean nothing outside this process."""

    def now(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time()

    def until(self, when: float) -> asyncio.Timeout:
        """A block that ends with TimeoutError at ``when``, on the scale of ``now``; enter it at once."""
        return asyncio.timeout_at(when)


class HandTimer(Timer):
    """A clock that stands still until it is told to go on: for tests and simulations.

    Only deadlines obey it. What a block waits for happens in real time.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        self._blocks: list[tuple[float, asyncio.Timeout]] = []
        self._changed = asyncio.Event()

    def now(self) -> float:
        return self._now

    def until(self, when: float) -> asyncio.Timeout:
        if when <= self._now:
            return asyncio.timeout(0)
        block = asyncio.timeout(None)
        self._blocks.append((when, block))
        self._changed.set()
        return block

    def advance(self, seconds: float) -> None:
        """Move time; what is due by then ends once the event loop runs."""
        self._now += seconds
        due = [block for when, block in self._blocks if when <= self._now]
        self._blocks = [(when, block) for when, block in self._blocks if when > self._now]
        for block in due:
            try:
                block.reschedule(asyncio.get_running_loop().time())
            except RuntimeError:
                continue  # that block was left in good time

    async def waits(self, seconds: float) -> None:
        """Return once something waits for a deadline so far from now: the moment to ``advance``."""
        while all(abs(when - self._now - seconds) > 1e-6 for when, _ in self._blocks):
            self._changed.clear()
            await self._changed.wait()
