from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.adapters import journal_chain
from nexo_bridge.adapters.journal_chain import (
    GENESIS,
    Anchor,
    JournalDamaged,
    Link,
    Walked,
    read_anchor,
    walk,
    write_anchor,
)
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.errors import JournalFailure
from tests.adapters.journal_rig import KEYS, opened, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of eleven rows: its opening and two entries of each of five exchanges."""

    async def write() -> None:
        async with opened(tmp_path / "journal") as journal:
            for index in range(5):
                put(
                    journal,
                    exchange=f"X{index}",
                    body={"request": "r", "answer": "a"},
                    refs=(("key", str(index)),),
                )
                put(journal, "Settled", f"X{index}", settles=True, public={"result": "Success"})

    asyncio.run(write())
    return tmp_path / "journal"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_untouched_journal_walks(connection: sqlite3.Connection) -> None:
    assert walk(connection) == Walked(rows=11, first=1, last=11)
    assert walk(connection, last=3) == Walked(rows=3, first=9, last=11)
    assert walk(connection, last=50) == Walked(rows=11, first=1, last=11)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET wall = wall + 1 WHERE number = 4",
        "UPDATE entries SET mono = mono + 1 WHERE number = 4",
        "UPDATE entries SET kind = 'input' WHERE number = 4",
        "UPDATE entries SET name = 'Other' WHERE number = 4",
        "UPDATE entries SET name = 4.5 WHERE number = 4",
        "UPDATE entries SET name = x'ff' WHERE number = 4",
        "UPDATE entries SET wall = 'soon' WHERE number = 4",
        "UPDATE entries SET settles = 1 - settles WHERE number = 4",
        "UPDATE entries SET format = format + 1 WHERE number = 4",
        "UPDATE entries SET exchange = NULL WHERE number = 4",
        "UPDATE entries SET exchange = 2 WHERE number = 4",
        "UPDATE entries SET exchange = 77 WHERE number = 4",
        "UPDATE entries SET public = x'7b7d20' WHERE number = 4",
        "UPDATE entries SET public = 'text' WHERE number = 4",
        "UPDATE entries SET body = substr(body, 1, 20) WHERE number = 4",
        "UPDATE entries SET raw = x'00' WHERE number = 4",
        "UPDATE entries SET answer = zeroblob(length(answer)) WHERE number = 4",
        "UPDATE entries SET digests = zeroblob(128) WHERE number = 4",
        "UPDATE entries SET digests = 'x' WHERE number = 4",
        "UPDATE entries SET checksum = zeroblob(32) WHERE number = 4",
        "UPDATE exchanges SET name = 'X9' WHERE id = 4",
    ],
)
def test_f67_any_change_of_a_row_is_named(connection: sqlite3.Connection, change: str) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(change)
    with pytest.raises(JournalDamaged, match="damaged at row 4: ") as caught:
        walk(connection)
    assert caught.value.number == 4


def test_a_row_taken_from_the_middle_is_noticed_at_the_next(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM entries WHERE number = 4")
    with pytest.raises(JournalDamaged, match="row 5: its checksum does not follow from row 3"):
        walk(connection)


def test_first_rows_may_only_go_behind_an_anchor(connection: sqlite3.Connection) -> None:
    (checksum,) = connection.execute("SELECT checksum FROM entries WHERE number = 4").fetchone()
    connection.execute("DELETE FROM entries WHERE number <= 4")
    with pytest.raises(JournalDamaged, match="row 5"):
        walk(connection)
    write_anchor(connection, Anchor(4, checksum))
    assert read_anchor(connection) == Anchor(4, checksum)
    assert walk(connection) == Walked(rows=7, first=5, last=11)


def test_parts_may_go_digests_not(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE entries SET public = NULL, body = NULL, raw = NULL, answer = NULL")
    assert walk(connection).rows == 11


def test_retention_may_go_by_while_the_chain_is_walked(
    connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_chain, "PAGE", 2)

    @dataclass
    class Meanwhile:
        """Takes rows 1 to 6 after the first page was read."""

        pages: int = 0

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "BEGIN":
                self.pages += 1
                if self.pages == 2:
                    with closing(sqlite3.connect(path, isolation_level=None)) as other:
                        (checksum,) = other.execute(
                            "SELECT checksum FROM entries WHERE number = 6"
                        ).fetchone()
                        other.execute("DELETE FROM entries WHERE number <= 6")
                        write_anchor(other, Anchor(6, checksum))
            return connection.execute(sql, *values)

    assert walk(Meanwhile()) == Walked(rows=7, first=1, last=11)  # type: ignore[arg-type]  # a connection's one method


def test_empty_journal_has_a_beginning() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE state (name, value)")
        assert read_anchor(connection) == Anchor(0, GENESIS)


def test_no_exchange_and_an_empty_one_are_told_apart() -> None:
    link = Link(1, 1.0, 1.0, "meta", "Opened", None, 0, 1, bytes(128))
    sums = {link._replace(exchange=exchange).checksum(GENESIS) for exchange in (None, "", "-", "+")}
    assert len(sums) == 4
    assert link._replace(mono=-0.0).checksum(GENESIS) == link._replace(mono=0.0).checksum(GENESIS)


def test_checksum_never_changes() -> None:
    """Journals of every version are verified with the checksum computed here."""
    link = Link(7, 1.5, 2.5, "decision", "Settled", "X1", 1, 1, bytes(range(128)))
    assert link.checksum(GENESIS).hex() == "e7574bb559bfe8b9aef6039c362c4ab67c2a44ed0111d0cccf7520b41d797575"


async def test_damage_is_named_when_the_journal_is_opened(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE entries SET wall = 0 WHERE number = 6")
        connection.commit()
    with pytest.raises(JournalFailure, match="damaged at row 6"):
        await SqliteJournal.open(path, KEYS, configuration={})
