"""The disk is full, broken, or holds a journal that is not ours to read (F66, F67)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.journal_rig import FaultyDisk
from tests.faults import words
from tests.faults.daemon import begin, daemon, site
from tests.faults.stage import POIID, Stage, Till, stage

MEBI = 1024 * 1024
WRITES = ("BEGIN IMMEDIATE", "INSERT INTO entries", "COMMIT")


class SmallDisk(FaultyDisk):
    """A disk without room for what SQLite writes, for so long as nobody gives the reserve back."""

    def __init__(self, reserve: Path) -> None:
        super().__init__()
        self.code = sqlite3.SQLITE_FULL
        self._reserve = reserve
        self.full = False

    def fill(self) -> None:
        self.full = True
        self.while_there = self._reserve
        self.fails = {"INSERT INTO entries": "before"}


async def questions_are_answered(till: Till, paid: str) -> None:
    """TransactionStatus, Diagnosis and Abort need nothing written."""
    told = await till.status("51", paid)
    assert told.inner == ("Success", None), str(told)
    assert (await till.ask(words.diagnosis("52", till.sale, till.poi))).result == "Success"
    assert (await till.ask(words.abort("53", till.sale, till.poi, paid))).event == "Completed"


async def refused(till: Till, service: str) -> None:
    answer = await till.pay(service, "20.00")
    assert (answer.result, answer.condition, answer.code, answer.retry) == (
        "Failure",
        "Busy",
        "NB-341",
        "yes",
    )


async def test_f66_disk_full_settles_what_runs_from_the_reserve_and_takes_nothing_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on by itself when there is space again (I9)."""
    disk = SmallDisk(tmp_path / "journal.sqlite.reserve")
    async with stage(tmp_path, terminals=2, connect=disk.connect, reserve=MEBI, low=0) as it:
        till, other = await it.logged_in(), await it.logged_in("KASSE2", "POI00002")
        first = await till.pay("11", "5.00")
        await till.send(till.payment("12", "12.50"))
        free = Room(monkeypatch)
        disk.fill()
        free.bytes = 0
        answer = await till.hear()
        assert (answer.service, answer.result, answer.amount) == ("12", "Success", "12.50")
        assert not (tmp_path / "journal.sqlite.reserve").exists()
        rows = it.sandbox.ledger()
        await refused(till, "21")
        await refused(other, "21")
        assert (await till.pay("11", "5.00")).data == first.data
        assert (await till.pay("12", "12.50")).data == answer.data
        await questions_are_answered(till, "12")
        assert it.sandbox.ledger() == rows
        disk.fails.clear()
        free.bytes = 10 * MEBI
        await room_is_seen(it)
        assert (await other.pay("21", "20.00")).result == "Success"
        await it.usable(till)


class Room:
    """What statvfs tells of the disk."""

    f_frsize = 1

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 10 * MEBI
        monkeypatch.setattr("nexo_bridge.adapters.journal_space.os.statvfs", lambda _: self)

    @property
    def f_bavail(self) -> int:
        return self.bytes


async def room_is_seen(it: Stage) -> None:
    """The journal looks at the disk in its quiet moments, one second long."""
    heard = it.journal._publish

    def publish(news: object) -> None:
        heard(news)  # type: ignore[arg-type]  # handed on as it came
        it.journal._loop.call_soon_threadsafe(it.news.set)

    it.journal._writer._publish = publish
    await it.until(lambda: it.journal.has_room)


@pytest.mark.parametrize("word", WRITES)
async def test_f66_a_write_that_fails_breaks_the_journal_until_it_is_mended(
    word: str, tmp_path: Path
) -> None:
    """An I/O error is never tried blindly again: no new money, questions go on, and it opens anew by itself."""
    disk = FaultyDisk()
    async with stage(tmp_path, connect=disk.connect) as it:
        till = await it.logged_in()
        first = await till.pay("11", "5.00")
        await till.send(till.payment("12", "12.50"))
        disk.fails = {word: "before"}
        await it.advance(3)
        assert "JOURNAL" in it.alarms
        rows = it.sandbox.ledger()
        await refused(till, "21")
        assert (await till.pay("11", "5.00")).data == first.data
        await questions_are_answered(till, "11")
        assert (await till.status("54", "12")).condition == "InProgress"
        await it.advance(30)
        assert till.answers.empty()
        assert len(it.sandbox.ledger()) == len(rows)
        disk.fails.clear()
        answer = await till.hear()
        assert (answer.service, answer.result, answer.amount) == ("12", "Success", "12.50")
        await it.usable(till)


@pytest.mark.parametrize("word", WRITES)
@pytest.mark.parametrize("how", ["before", "after"])
async def test_f66_the_write_before_the_create_fails_so_nothing_is_sent(
    word: str, how: str, tmp_path: Path
) -> None:
    """Nothing leaves us that is not on disk: the create may go out later, or never, but once."""
    disk = FaultyDisk()
    async with stage(tmp_path, connect=disk.connect) as it:
        till = await it.logged_in()
        disk.fails = {word: "before" if how == "before" else "after"}
        await till.send(till.payment("11", "12.50"))
        assert it.sandbox.ledger() == []
        disk.fails.clear()
        await it.advance(5)
        told = await till.status("12", "11")
        while not till.answers.empty():
            told = till.answers.get_nowait() or told
        again = await till.pay("13", "12.50", transaction="B-11")
        assert again.result in {"Success", "Failure"}
        await it.advance(120)
        assert sum(row["charges"] for row in it.sandbox.ledger()) <= 1
        while not till.answers.empty():
            till.answers.get_nowait()
        await it.usable(till)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE state SET value = '999' WHERE name = 'format'")
        database.commit()


def newer_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
        database.commit()


def damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "UPDATE entries SET public = '{}' WHERE number = (SELECT min(number) + 2 FROM entries)"
        )
        database.commit()


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def not_a_journal(path: Path) -> None:
    path.write_bytes(b"hello, this is a letter to my aunt" * 1000)


def another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.commit()


REFUSED = {
    newer: (75, "newer version"),
    newer_schema: (75, "newer version"),
    damaged: (75, "damaged at row"),
    torn: (75, ""),
    not_a_journal: (75, ""),
    another_program: (75, ""),
}


async def sold(folder: Path) -> Path:
    """A configuration whose bridge has sold once and was stopped."""
    async with site(folder) as here, daemon(here.config) as bridge:
        till = await bridge.logged_in()
        assert (await till.pay("11", "12.50")).result == "Success"
        assert await bridge.stop() == 0
        return here.config


async def sells_again(folder: Path) -> None:
    async with site(folder) as here, daemon(here.config) as bridge:
        till = await bridge.line()
        told = await till.ask(words.status("12", till.sale, POIID, "11"))
        assert told.inner == ("Success", None)
        await till.usable()


def test_f67_a_journal_that_cannot_be_trusted_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = asyncio.run(sold(tmp_path))
    journal = tmp_path / "journal.sqlite"
    good = journal.read_bytes()
    capfd.readouterr()
    for spoil, (code, text) in REFUSED.items():
        spoil(journal)
        spoilt = journal.read_bytes()
        assert begin(config) == code, spoil
        out, errors = capfd.readouterr()
        assert out == ""
        assert text in errors
        assert "journal" in errors
        assert errors.count("\n") == 1
        assert journal.read_bytes() == spoilt
        for suffix in ("-wal", "-shm"):
            journal.with_name(journal.name + suffix).unlink(missing_ok=True)
        journal.write_bytes(good)
    key = tmp_path / "journal.key"
    right = key.read_bytes()
    key.write_bytes(b"x" * 32)  # another installation's
    assert begin(config) == 78
    errors = capfd.readouterr().err
    assert errors.count("\n") == 1
    assert "[journal] key" in errors
    key.write_bytes(right)
    asyncio.run(sells_again(tmp_path))
