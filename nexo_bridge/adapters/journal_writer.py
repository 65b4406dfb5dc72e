"""The journal's one thread: takes what was queued, writes it in one transaction, tells the loop.

Everything queued while an fsync ran becomes the next transaction (group commit). A question is answered in its place
in the queue, from inside the transaction, and its answer is told after the commit: it sees what was appended before
it, and nothing it says can be lost.
"""

from __future__ import annotations

import fcntl
import math
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from nexo_bridge.adapters.journal_rows import Draft
from nexo_bridge.adapters.journal_space import Space
from nexo_bridge.adapters.journal_store import Store, why
from nexo_bridge.errors import BridgeError, ConfigurationError, JournalFailure

Result = TypeVar("Result")

BATCH = 1_000
"""Entries and questions in one transaction, at most."""

_COMMITS, _ROWS = 1_000, 10_000  # after so many the WAL is folded even when there is no quiet moment
_QUIET = 1.0  # seconds without work after which it is folded, and the disk looked at


class JournalLocked(JournalFailure):
    """Another process holds this journal (exit code 75)."""


@dataclass(slots=True, eq=False)
class Ask(Generic[Result]):
    """Something to do between appends; ``tell`` is called, in the loop, with its result or its failure."""

    work: Callable[[Store], Result]
    tell: Callable[[Result | None, BaseException | None], None]
    writes: bool = False


@dataclass(slots=True, eq=False)
class Reopen:
    """Let go of the broken file, open and check it, and prove with ``probe`` that it can be written.

    ``tell`` hears which numbers above ``after`` are on disk, the probe's last; None if it is still broken.
    """

    probe: Draft
    after: int
    tell: Callable[[tuple[int, ...] | None, BaseException | None], None]


@dataclass(slots=True, eq=False)
class Stop:
    tell: Callable[[None, BaseException | None], None]


Job: TypeAlias = Draft | Ask[Any] | Reopen | Stop
Told: TypeAlias = tuple[Callable[[Any, BaseException | None], None], Any, BaseException | None]


@dataclass(frozen=True, slots=True)
class News:
    """What one transaction changed.

    Attributes:
        durable: the highest number on disk, None if nothing was written.
        broken: why nothing can be written any more, None while it can.
        room: whether there is room for new money work.
        told: answers to give.
    """

    durable: int | None
    broken: str | None
    room: bool
    told: Sequence[Told]


class Writer:
    """The thread. ``put`` is the only thing others call; ``publish`` is called in this thread, in order.

    Nothing that goes wrong ends the thread or the process: the journal is broken then, and says why.
    """

    def __init__(self, store: Store, space: Space, publish: Callable[[News], None]) -> None:
        self._store = store
        self._space = space
        self._publish = publish
        self._queue: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock: int | None = None
        self._broken: str | None = None
        self._room = True
        self._looked = -math.inf
        self._commits = self._written = 0
        # A daemon thread: a journal nobody closed must not keep the process from ending; what was committed is safe.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self, opened: Ask[Any]) -> None:
        """Lock and open the journal, and do ``opened`` as the first thing."""
        self._queue.put(opened)
        self._thread.start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    # --- everything below runs in the thread

    def _run(self) -> None:
        opened = self._queue.get()
        assert isinstance(opened, Ask)
        try:
            self._lock = _locked(self._store.path)
            self._look()
            self._open()
            durable, told = self._written_down([opened])
        except Exception as problem:  # noqa: BLE001  # told to the opener, whatever it is
            self._close()
            if not isinstance(problem, BridgeError):
                problem = JournalFailure(f"the journal {self._store.path} cannot be opened: {why(problem)}")
            self._publish(News(None, None, False, [(opened.tell, None, problem)]))
            return
        self._publish(News(durable, None, self._room, told))
        stop: Stop | None = None
        while stop is None:
            batch = self._gather()
            try:
                self._serve(batch)
            except Exception as problem:  # noqa: BLE001  # a fault of ours: whoever waits must hear of it
                self._broken = why(problem)
                self._publish(News(None, self._broken, self._room, self._refused(batch)))
            if batch and isinstance(batch[-1], Stop):
                stop = batch[-1]
        self._close()
        self._publish(News(None, self._broken, self._room, [(stop.tell, None, None)]))

    def _serve(self, batch: Sequence[Job]) -> None:
        self._work([job for job in batch if isinstance(job, Draft | Ask)])
        if batch and isinstance(batch[-1], Reopen):
            self._reopen(batch[-1])
        if not batch:
            self._rest()

    def _refused(self, batch: Sequence[Job]) -> list[Told]:
        failure = JournalFailure(self._broken)
        return [(job.tell, None, failure) for job in batch if isinstance(job, Ask | Reopen)]

    def _open(self) -> None:
        try:
            self._store.open()
        except JournalFailure as failure:
            if not (_no_room(failure.__cause__) and self._space.release()):
                raise
            self._room = False
            self._store.open()

    def _gather(self) -> list[Job]:
        """What is queued; a job that needs the thread for itself comes last."""
        batch: list[Job] = []
        with suppress(queue.Empty):
            batch.append(self._queue.get(timeout=_QUIET))
            while len(batch) < BATCH and isinstance(batch[-1], Draft | Ask):
                batch.append(self._queue.get_nowait())
        return batch

    def _work(self, batch: Sequence[Draft | Ask[Any]]) -> None:
        if not batch:
            return
        durable: int | None = None
        self._look()
        if self._broken is None:
            try:
                durable, told = self._written_down(batch)
            except Exception as problem:  # noqa: BLE001  # whatever it is, these entries are not on disk
                self._store.rollback()
                self._broken = why(problem)
        if self._broken is not None:
            told = self._answer(batch)
        self._publish(News(durable, self._broken, self._room, told))
        if self._commits >= _COMMITS or self._written >= _ROWS:
            self._fold()

    def _written_down(self, batch: Sequence[Draft | Ask[Any]]) -> tuple[int | None, list[Told]]:
        """One transaction; when the disk is full, once more with the reserve given back."""
        try:
            return self._attempt(batch)
        except sqlite3.OperationalError as problem:
            self._store.rollback()
            if not (_no_room(problem) and self._space.release()):
                raise
        self._room = False
        return self._attempt(batch)

    def _attempt(self, batch: Sequence[Draft | Ask[Any]]) -> tuple[int | None, list[Told]]:
        store, told, rows = self._store, list[Told](), 0
        writes = any(isinstance(job, Draft) or job.writes for job in batch)
        if writes:
            store.begin()
        for job in batch:
            if isinstance(job, Draft):
                store.insert(job)
                rows += 1
            elif job.writes:
                told.append((job.tell, job.work(store), None))
            else:
                told.append(self._asked(job))
        if not writes:
            return None, told
        store.commit()
        self._commits += 1
        self._written += rows
        return store.highest, told

    def _answer(self, batch: Sequence[Draft | Ask[Any]]) -> list[Told]:
        """A broken journal drops what was appended and still reads, if the disk does."""
        failure = JournalFailure(self._broken)
        return [
            (job.tell, None, failure) if job.writes else self._asked(job)
            for job in batch
            if isinstance(job, Ask)
        ]

    def _asked(self, job: Ask[Any]) -> Told:
        try:
            return (job.tell, job.work(self._store), None)
        except JournalFailure as problem:
            return (job.tell, None, problem)
        except Exception as problem:  # noqa: BLE001  # the question failed; the batch has its own fate
            return (job.tell, None, JournalFailure(why(problem)))

    def _reopen(self, job: Reopen) -> None:
        present: tuple[int, ...] | None = None
        if self._broken is not None:
            self._store.abandon()
            try:
                self._look()
                self._open()
                self._store.begin()
                self._store.insert(job.probe)
                self._store.commit()
                present = self._store.numbers(job.after)
                self._broken = None
            except Exception as problem:  # noqa: BLE001  # still broken, for this reason
                self._store.rollback()
                self._store.peek()
                self._broken = why(problem)
        self._publish(News(None, self._broken, self._room, [(job.tell, present, None)]))

    def _rest(self) -> None:
        """A quiet moment: fold the WAL and look at the disk, which others fill too."""
        if self._broken is None and self._written:
            self._fold()
        before = self._room
        self._look()
        if self._room != before:
            self._publish(News(None, self._broken, self._room, ()))

    def _look(self) -> None:
        if time.monotonic() - self._looked >= _QUIET:
            self._looked = time.monotonic()
            self._room = self._space.look()

    def _fold(self) -> None:
        self._commits = self._written = 0
        try:
            self._store.checkpoint()
        except sqlite3.Error as problem:
            if not _no_room(problem):  # a full disk keeps the WAL as it is; a failed fsync is another matter
                self._broken = why(problem)
                self._publish(News(None, self._broken, self._room, ()))

    def _close(self) -> None:
        try:
            if self._broken is None:
                self._store.close()
            else:
                self._store.abandon()
        except sqlite3.Error as problem:
            self._broken = why(problem)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(journal: Path) -> int:
    """Take the journal's lock, which ends with the process whatever happens to it."""
    path = journal.with_name(f"{journal.name}.lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise ConfigurationError(
            f"[journal] path: {path} cannot be made ({problem.strerror}); name a file in an existing folder that the "
            f"bridge's user may write to"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(OSError):  # who holds it, for people; a full disk does not matter here
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise JournalLocked(f"the journal {journal} is in use by process {holder}") from None
    except OSError as problem:
        os.close(handle)
        raise JournalFailure(f"the journal {journal} cannot be locked: {problem.strerror}") from None
    return handle


def _no_room(problem: BaseException | None) -> bool:
    # SQLITE_FULL is ENOSPC; a quota or a size limit comes as a failed write, before any fsync
    return getattr(problem, "sqlite_errorcode", None) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
