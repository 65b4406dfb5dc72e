"""What the application is built from. A test, the simulation and the daemon are one object with other ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.core.source import Source
from nexo_bridge.ppaas.models import Outcome
from nexo_bridge.ppaas.operations import Call


class Timer(Protocol):
    """Something that will happen, until it is cancelled."""

    def cancel(self) -> None:
        """It will not happen."""


class Clock(Protocol):
    """The only source of time above the line."""

    def wall(self) -> float:
        """Seconds since the epoch, UTC; may jump."""

    def mono(self) -> float:
        """Seconds of a clock that never jumps."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` in the event loop after ``delay`` seconds of the monotonic clock."""


class SystemClock:
    """The machine's clocks and the running loop's timers."""

    def wall(self) -> float:
        """See ``Clock``."""
        return time.time()

    def mono(self) -> float:
        """See ``Clock``."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """See ``Clock``."""
        return asyncio.get_running_loop().call_later(delay, callback)


class JournalPort(Protocol):
    """Append, wait for the disk, ask. See ``adapters.journal_sqlite``."""

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for new money work beside what runs."""

    def next_number(self) -> int:
        """A journal number above all given before."""

    def append(self, entry: Entry) -> None:
        """Queue an entry; order is kept."""

    async def committed(self, number: int) -> None:
        """Return once everything up to ``number`` is on disk. Raises ``JournalFailure``."""

    async def find(self, query: Query) -> tuple[History, ...]:
        """Exchanges by reference, newest first. Raises ``JournalFailure``."""

    async def open_exchanges(self) -> tuple[History, ...]:
        """Every exchange and session begun and not ended. Raises ``JournalFailure``."""

    async def newest(self, exchange: str) -> Entry | None:
        """The newest entry that belongs to ``exchange``. Raises ``JournalFailure``."""

    async def reopen(self) -> bool:
        """Check the file again after a failure; True once it can be written."""


class PlatformPort(Protocol):
    """Performs rows of the table of operations. See ``adapters.ppaas_http``."""

    async def perform(self, call: Call) -> Outcome:
        """One call; every failure is an outcome."""


class WriterPort(Protocol):
    """Writes to POS connections. A listener, or several behind one door."""

    async def write(self, source: Source, data: bytes) -> bool:
        """True once the bytes were handed to the connection."""

    async def acknowledge(self, source: Source, ack: int) -> None:
        """The journal has what ``source`` delivered under ``ack``; transports without acknowledgement do nothing."""

    def is_open(self, source: Source) -> bool:
        """Whether an answer can still be written there."""


Checkpoint = Callable[[str], None]
"""Called with the name of each point at which a crash is worth testing; does nothing outside such tests."""


def no_checkpoint(name: str) -> None:
    """What the daemon uses."""


def no_one_to_tell(request: int, done: bool, text: str) -> None:
    """Where no person can ask for anything."""
