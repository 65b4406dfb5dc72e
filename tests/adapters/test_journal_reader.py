from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nexo_bridge.adapters import journal_reader
from nexo_bridge.adapters.journal_chain import JournalDamaged, Walked
from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_rows import Retention
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import Entry
from nexo_bridge.errors import JournalFailure
from tests.adapters.journal_rig import DAY, KEYS, WALL, files, kept, listed, opened, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def made(path: Path) -> list[Entry]:
    """A journal with two exchanges and an input of neither."""

    async def write() -> list[Entry]:
        async with opened(path) as journal:
            return [
                put(
                    journal,
                    exchange="X1",
                    body={"request": "r"},
                    public={"amount": "1.00"},
                    refs=(("key", "1"),),
                ),
                put(journal, "Arrived", None, kind="input", body={"message": "m"}),
                put(journal, exchange="X2"),
                put(journal, "Settled", "X1", settles=True, public={"result": "Success"}),
            ]

    return asyncio.run(write())


def read(path: Path, keys: Keys | None = None, exchange: str | None = None) -> list[Entry]:
    with JournalReader(path, keys) as reader:
        return [found for found in reader.entries(exchange=exchange) if found.kind != "meta"]


def test_with_the_key_everything_is_read(
    path: Path, made: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(path, KEYS) == made
    assert read(path, KEYS, "X1") == [made[0], made[3]]
    assert read(path, KEYS, "X9") == []
    monkeypatch.setattr(journal_reader, "PAGE", 2)
    assert read(path, KEYS) == made
    assert read(path, KEYS, "X1") == [made[0], made[3]]
    with JournalReader(path, KEYS) as reader:
        assert list(reader.entries(after=made[1].stamp.number)) == made[2:]


def test_without_it_the_projections_are(path: Path, made: list[Entry]) -> None:
    assert read(path) == [dataclasses.replace(entry, body={}, refs=()) for entry in made]


def test_newest_exchanges_first(path: Path, made: list[Entry]) -> None:
    with JournalReader(path) as reader:
        assert reader.exchanges(10) == ("X2", "X1")
        assert reader.exchanges(1) == ("X2",)


async def test_a_running_daemon_is_neither_needed_nor_disturbed(path: Path) -> None:
    async with opened(path) as journal:
        first = await kept(journal)
        reader = await asyncio.to_thread(_open_in_any_thread, path)
        assert (await asyncio.to_thread(lambda: list(reader.entries())))[-1] == first
        second = await kept(journal)
        assert (await asyncio.to_thread(lambda: list(reader.entries())))[-1] == second
        assert await asyncio.to_thread(reader.verify) == Walked(rows=3, first=1, last=3)
        await asyncio.to_thread(reader.close)
        await kept(journal)


def _open_in_any_thread(path: Path) -> JournalReader:
    reader = JournalReader(path, KEYS)
    reader._connection.close()
    reader._connection = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    return reader


def test_reading_leaves_the_files_as_they_are(path: Path, made: list[Entry]) -> None:
    before, names = files(path), listed(path.parent)
    assert read(path, KEYS) == made
    assert {**files(path), "journal-wal": b""} == {**before, "journal-wal": b""}
    assert set(names) <= set(listed(path.parent)) <= {*names, "journal-wal", "journal-shm"}


def test_a_journal_in_a_folder_nobody_may_write(
    path: Path, made: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a copy on a read-only medium: SQLite cannot make its shared memory there."""
    connect = sqlite3.connect

    def refused(name: str, **more: object) -> sqlite3.Connection:
        if "immutable" not in name:
            name = name.replace(str(path), "/nowhere/journal")
        return connect(name, **more)  # type: ignore[call-overload, no-any-return]  # as given

    monkeypatch.setattr(sqlite3, "connect", refused)
    assert read(path, KEYS) == made


def test_replay_begins_where_inputs_are_whole(path: Path) -> None:
    async def write() -> list[Entry]:
        async with opened(path) as journal:
            old = [put(journal, "Arrived", None, kind="input", wall=WALL) for _ in range(3)]
            new = put(journal, "Arrived", None, kind="input", wall=WALL + 31 * DAY)
            await journal.prune(WALL + 31 * DAY)
            return [*old, new]

    made = asyncio.run(write())
    with JournalReader(path, KEYS) as reader:
        assert reader.inputs_from() == made[2].stamp.number + 1
        assert next(reader.entries(after=reader.inputs_from() - 1)) == made[3]


def test_replay_of_a_young_journal_begins_at_its_start(path: Path, made: list[Entry]) -> None:
    with JournalReader(path) as reader:
        assert reader.inputs_from() == 1


def test_what_is_no_journal_is_named(path: Path) -> None:
    with pytest.raises(JournalFailure, match="there is no journal"):
        JournalReader(path)
    path.touch()
    with pytest.raises(JournalFailure, match="is empty"):
        JournalReader(path)
    path.write_bytes(b"some text that is long enough to be taken for a database header, and more" * 10)
    with pytest.raises(JournalFailure, match="cannot be read: file is not a database"):
        JournalReader(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(JournalFailure, match="no journal of nexo-bridge"):
        JournalReader(path)


def test_newer_journal_is_named(path: Path, made: list[Entry]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalFailure, match="newer version"):
        JournalReader(path)


def test_file_that_cannot_be_opened_is_named(
    path: Path, made: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, **more: connect(name.replace(str(path), "/nowhere/journal"), **more)
    )
    with pytest.raises(JournalFailure, match="cannot be read: unable to open"):
        JournalReader(path)


def test_damage_is_named_by_row(path: Path, made: list[Entry]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE entries SET wall = 0 WHERE number = 3")
        connection.commit()
    with JournalReader(path) as reader, pytest.raises(JournalDamaged, match="row 3"):
        reader.verify()


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: list(reader.entries()),
        lambda reader: reader.verify(),
        lambda reader: reader.pruning(Retention(), WALL),
    ],
)
def test_broken_pages_are_a_journal_failure(
    path: Path, made: list[Entry], ask: Callable[[JournalReader], object]
) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    with JournalReader(path) as reader, pytest.raises(JournalFailure, match="cannot be read"):
        ask(reader)


def test_copy_of_a_live_journal_can_be_read(path: Path, tmp_path: Path) -> None:
    async def write() -> Entry:
        async with opened(path) as journal:
            made = await kept(journal)
            await asyncio.to_thread(shutil.copytree, path.parent, tmp_path / "copy")
            return made

    made = asyncio.run(write())
    assert read(tmp_path / "copy" / "journal", KEYS) == [made]
