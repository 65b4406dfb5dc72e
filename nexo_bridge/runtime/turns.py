"""Whose message is taken next, when peers send faster than the bridge works (I8).

Only so many messages are in work at one time, over all connections: from the moment one is looked at until the journal
has it. The others wait outside, one for each connection, since a listener hands on one after the other; and the
connection whose last turn is the longest ago comes first. So a POS that asks now and then is not behind peers that ask
without end, however many these are, and nothing of it depends on a clock.

A disk that hangs keeps the places taken, so that memory stays bounded then too; a disk that has failed frees them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from nexo_bridge.core.source import Source

MOST: Final = 4
"""Messages in work at one time: as few as keep the journal's thread busy, for whoever comes next is behind them."""


class Turns:
    """Gives turns, ``MOST`` at one time.

    Args:
        when_on_disk: calls what it is given once all that was handed to the journal is on disk, or the disk has failed.
    """

    def __init__(self, when_on_disk: Callable[[Callable[[], None]], None]) -> None:
        self._when_on_disk = when_on_disk
        self._free = MOST
        self._numbers = itertools.count()
        self._last: dict[Source, int] = {}
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def of(self, source: Source) -> AsyncIterator[None]:
        """A block that reads one message of ``source`` and feeds it to the core; entered when it is its turn."""
        await self._come(source)
        if source in self._last:  # else it is gone meanwhile
            self._last[source] = next(self._numbers)
        try:
            yield
        finally:  # without a pause: what follows a message is known before anything comes of it (``Intake.frame``)
            self._when_on_disk(self._give)

    def gone(self, source: Source) -> None:
        """Nothing more comes from ``source``."""
        self._last.pop(source, None)

    async def _come(self, source: Source) -> None:
        number = next(self._numbers)
        last = self._last.setdefault(source, number)  # a new one goes behind all: they may come in a storm
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (last, number, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given in the same moment
                self._give()
            raise

    def _give(self) -> None:
        """To whoever has had none the longest."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
