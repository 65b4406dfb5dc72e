from __future__ import annotations

import asyncio
import fcntl
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nexo_bridge.adapters import journal_writer
from nexo_bridge.adapters.journal_sqlite import JournalLocked, SqliteJournal
from nexo_bridge.core.journal import Entry, Query
from nexo_bridge.errors import ConfigurationError, JournalFailure
from tests.adapters.journal_rig import (
    KEYS,
    FaultyDisk,
    Told,
    entry,
    kept,
    listed,
    opened,
    put,
    verified,
    written,
)

KIBI = 1024
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# --- group commit


async def test_what_is_queued_is_one_transaction(path: Path) -> None:
    commits = 0

    class Counting(sqlite3.Connection):
        def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
            nonlocal commits
            commits += sql == "COMMIT"
            return super().execute(sql, parameters)  # type: ignore[arg-type]  # as given

    async with opened(
        path, connect=lambda *args, **more: sqlite3.connect(*args, factory=Counting, **more)
    ) as journal:
        before = commits
        made = [put(journal) for _ in range(500)]
        asked = [journal.find(Query(())) for _ in range(3)]
        await journal.committed(made[-1].stamp.number)
        await asyncio.gather(*asked)
        assert commits - before <= 3  # the first may leave with what came before the thread looked again


async def test_wal_is_folded_under_load_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "_COMMITS", 5)
    async with opened(path) as journal:
        for _ in range(60):
            await kept(journal, body={"x": "y" * 500})
        wal = path.with_name(f"{path.name}-wal")
        assert await asyncio.to_thread(lambda: wal.stat().st_size) < 400 * KIBI


# --- the lock


async def test_f64_lock_of_another_process_is_named(path: Path) -> None:
    with path.with_name("journal.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(JournalLocked, match="in use by process unknown"):
            await SqliteJournal.open(path, KEYS, configuration={})
        lock.write("123\n")
        lock.flush()
        with pytest.raises(JournalLocked, match="in use by process 123"):
            await SqliteJournal.open(path, KEYS, configuration={})
    assert listed(path.parent) == ["journal.lock"]
    async with opened(path):
        pass


async def test_lock_that_cannot_be_taken_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(JournalFailure, match="cannot be locked: No locks available"):
        await SqliteJournal.open(path, KEYS, configuration={})
    path.with_name("journal.lock").unlink()
    path.with_name("journal.lock").mkdir()
    with pytest.raises(ConfigurationError, match=r"\[journal\] path: .*journal\.lock cannot be made"):
        await SqliteJournal.open(path, KEYS, configuration={})


# --- a thread that goes on


async def test_a_fault_of_the_thread_itself_is_told_and_survived(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as journal:
        made = put(journal)
        await journal.committed(made.stamp.number)
        with monkeypatch.context() as patch:
            patch.setattr(journal._writer, "_serve", lambda _: 1 / 0)
            with pytest.raises(JournalFailure, match="ZeroDivisionError"):
                await journal.find(Query(()))
            with pytest.raises(JournalFailure, match="ZeroDivisionError"):
                await journal.committed(put(journal).stamp.number)
        assert await journal.reopen()
        assert await written(journal) == [made]


async def test_opening_that_fails_unexpectedly_is_a_journal_failure(path: Path) -> None:
    def broken(*_: object, **__: object) -> sqlite3.Connection:
        raise RuntimeError("secret words")

    with pytest.raises(JournalFailure, match=r"cannot be opened: RuntimeError$"):
        await SqliteJournal.open(path, KEYS, configuration={}, connect=broken)
    async with opened(path):
        pass


async def test_file_that_cannot_be_closed_is_left_and_the_lock_released(path: Path) -> None:
    class Stuck(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            raise sqlite3.OperationalError("disk I/O error")

    async with opened(
        path, connect=lambda *args, **more: sqlite3.connect(*args, factory=Stuck, **more)
    ) as journal:
        made = await kept(journal)
    async with opened(path) as journal:
        assert await written(journal) == [made]


# --- a full disk (F66)


async def test_reserve_lets_what_runs_be_settled(path: Path) -> None:
    disk, told = FaultyDisk(), Told()
    disk.code = sqlite3.SQLITE_FULL
    async with opened(path, connect=disk.connect, on_broken=told, reserve=64 * KIBI) as journal:
        assert journal.has_room
        disk.fails["COMMIT"] = "before"
        disk.while_there = path.with_name("journal.reserve")
        made = [await kept(journal), await kept(journal, "Settled", settles=True)]
        assert journal.healthy
        assert not journal.has_room
        assert told.reasons == []

        disk.while_there = None  # full again, and nothing left to give
        lost = put(journal)
        with pytest.raises(JournalFailure):
            await journal.committed(lost.stamp.number)
        assert await written(journal) == made
        assert not await journal.reopen()
        disk.fails.clear()
        assert await journal.reopen()
        assert await written(journal) == made


async def test_start_on_a_full_disk_uses_the_reserve(path: Path) -> None:
    async with opened(path, reserve=64 * KIBI) as journal:
        made = await kept(journal)
    for word in ("PRAGMA wal_checkpoint(TRUNCATE)", "COMMIT"):
        disk = FaultyDisk()
        disk.code, disk.fails = sqlite3.SQLITE_FULL, {word: "before"}
        disk.while_there = path.with_name("journal.reserve")
        async with opened(path, connect=disk.connect, reserve=64 * KIBI) as journal:
            assert await written(journal) == [made]
        async with opened(path, reserve=64 * KIBI) as journal:
            assert journal.has_room


async def test_full_disk_at_a_checkpoint_leaves_the_journal_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_writer, "_COMMITS", 1)
    disk = FaultyDisk()
    disk.code = sqlite3.SQLITE_FULL
    async with opened(path, connect=disk.connect) as journal:
        disk.fails["PRAGMA wal_checkpoint(PASSIVE)"] = "before"
        made = [await kept(journal) for _ in range(3)]
        assert journal.healthy
        assert await written(journal) == made


def _can_mount() -> bool:
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )


def _python(script: str, *prefix: str) -> None:
    words = [*prefix, sys.executable, "-c", f"from tests.adapters import test_journal_writer as t\n{script}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr


def test_f66_file_size_limit(tmp_path: Path) -> None:
    """A quota, as every system can play it: writes fail with EFBIG beyond a size, for real."""
    _python(f"t.asyncio.run(t.beyond_the_limit(t.Path({str(tmp_path / 'journal')!r})))")


async def beyond_the_limit(path: Path) -> None:
    told = Told()
    async with opened(path, on_broken=told) as journal:
        made = [await kept(journal, refs=(("key", "1"),))]
        limit = 600 * KIBI
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        with pytest.raises(JournalFailure, match="SQLITE_IOERR_WRITE"):
            await _write_until_it_fails(journal, made)
        await told.one.wait()
        assert len(made) > 20
        assert len(await journal.find(Query((("key", "1"),)))) == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert await journal.reopen()
        made.append(await kept(journal))
        assert await written(journal) == made
    await asyncio.to_thread(verified, path)


if _can_mount():  # the tests above play the same where none may be mounted

    def test_f66_real_full_disk(tmp_path: Path) -> None:
        shell = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"'
        folder = str(tmp_path)
        _python(f"t.asyncio.run(t.fill(t.Path({folder!r})))", "unshare", "-rm", "sh", "-c", shell, folder)


async def fill(folder: Path) -> None:
    journal_writer._QUIET = 0.001
    told, filler = Told(), folder / "filler"
    async with opened(folder / "journal", reserve=512 * KIBI, low=512 * KIBI, on_broken=told) as journal:
        made = [await kept(journal, exchange="X1", refs=(("key", "1"),))]
        assert journal.has_room
        while journal.has_room:
            made.append(await kept(journal, exchange="X2", body={"x": "y" * 5000}))
        assert journal.healthy  # told before the disk is full
        _to_the_last_byte(filler)
        while "journal.reserve" in listed(folder):  # the WAL has room of its own, which goes first
            made.append(await kept(journal, exchange="X2", body={"x": "y" * 5000}))
        made.append(await kept(journal, "Settled", "X1", settles=True))
        assert journal.healthy  # what runs is settled from the reserve
        assert told.reasons == []
        _to_the_last_byte(filler)
        with pytest.raises(JournalFailure, match="full"):
            await _write_until_it_fails(journal, made)
        await told.one.wait()
        (history,) = await journal.find(Query((("key", "1"),)))
        assert history.entries[-1].name == "Settled"
        assert not journal.has_room
        assert not await journal.reopen()
        assert len(await journal.find(Query((("key", "1"),)))) == 1

        filler.unlink()
        assert await journal.reopen()
        assert await written(journal) == made
        journal.append(entry(journal.next_number()))
        while not journal.has_room:
            await kept(journal)
        assert "journal.reserve" in listed(folder)
    await asyncio.to_thread(verified, folder / "journal")


async def _write_until_it_fails(journal: SqliteJournal, made: list[Entry]) -> None:
    while True:
        made.append(await kept(journal, exchange="X2", body={"x": "y" * 3000}))


def _to_the_last_byte(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file:
        size = 64 * KIBI
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
