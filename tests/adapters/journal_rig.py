"""Journals to write into, entries to write, and the ways a disk fails."""

from __future__ import annotations

import asyncio
import functools
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import Entry, Json, Stamp

KEYS = Keys.derive(b"k" * 32)
WALL = 1_700_000_000.0
DAY = 86_400.0


def clock() -> tuple[float, float]:
    return WALL, 1.0


def stamped(number: int, wall: float = WALL) -> Stamp:
    return Stamp(number, wall, number / 8)


def entry(
    number: int,
    name: str = "Received",
    exchange: str | None = "X1",
    *,
    kind: Literal["input", "decision", "meta"] = "decision",
    body: Json | None = None,
    public: Json | None = None,
    refs: tuple[tuple[str, str], ...] = (),
    settles: bool = False,
    wall: float = WALL,
) -> Entry:
    body = {"number": number} if body is None else body
    return Entry(stamped(number, wall), kind, name, exchange, body, public or {}, refs, settles)


@asynccontextmanager
async def opened(path: Path, **settings: Any) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(
        path, KEYS, **{"configuration": {}, "reserve": 0, "low": 0, "clock": clock, **settings}
    )
    try:
        yield journal
    finally:
        await journal.close()


def put(journal: SqliteJournal, name: str = "Received", exchange: str | None = "X1", **more: Any) -> Entry:
    made = entry(journal.next_number(), name, exchange, **more)
    journal.append(made)
    return made


async def kept(
    journal: SqliteJournal, name: str = "Received", exchange: str | None = "X1", **more: Any
) -> Entry:
    made = put(journal, name, exchange, **more)
    await journal.committed(made.stamp.number)
    return made


async def written(journal: SqliteJournal) -> list[Entry]:
    """What stands in the journal, without the journal's own entries."""
    return [found for found in await journal.entries() if found.kind != "meta"]


def verified(path: Path) -> list[Entry]:
    """Everything in the journal, read as a tool reads it, its chain walked."""
    with JournalReader(path, KEYS) as reader:
        reader.verify()
        return list(reader.entries())


def files(path: Path) -> dict[str, bytes]:
    """What the journal's file and its WAL hold."""
    parts = (path.with_name(path.name + suffix) for suffix in ("", "-wal"))
    return {part.name: part.read_bytes() for part in parts if part.exists()}


def listed(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def copied(path: Path, to: Path) -> Path:
    """The journal's files as a power loss or a kill at this moment leaves them."""
    to.mkdir()
    for suffix in ("", "-wal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.copyfile(part, to / part.name)
    return to / path.name


class FaultyDisk:
    """Makes SQLite connections that fail when told to; ``connect`` is what ``SqliteJournal.open`` takes.

    Attributes:
        fails: SQL word → how: before it has any effect, or after it has had all of it.
        while_there: it fails only as long as this file exists.
    """

    def __init__(self) -> None:
        self.fails: dict[str, Literal["before", "after"]] = {}
        self.code = sqlite3.SQLITE_IOERR_FSYNC
        self.while_there: Path | None = None
        self.connect: Callable[..., sqlite3.Connection] = functools.partial(
            sqlite3.connect, factory=self._make
        )

    def _make(self, *args: Any, **settings: Any) -> sqlite3.Connection:
        connection = _Faulty(*args, **settings)
        connection.disk = self
        return connection

    def how(self, sql: str) -> Literal["before", "after"] | None:
        if self.while_there is not None and not self.while_there.exists():
            return None
        return next((how for word, how in self.fails.items() if sql.startswith(word)), None)

    def problem(self) -> sqlite3.OperationalError:
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorcode = self.code
        problem.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        return problem


class _Faulty(sqlite3.Connection):
    disk: FaultyDisk

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        how = self.disk.how(sql)
        if how == "before":
            raise self.disk.problem()
        cursor = super().execute(sql, parameters)
        if how == "after":
            raise self.disk.problem()
        return cursor


class Told:
    """Collects what ``on_broken`` is told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.one = asyncio.Event()

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.one.set()
