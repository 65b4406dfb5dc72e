from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_chain import JournalDamaged
from nexo_bridge.adapters.journal_rows import SCHEMA, Drafting, Retention
from nexo_bridge.adapters.journal_store import Store, why
from nexo_bridge.core.journal import FORMAT, Entry, Query
from nexo_bridge.errors import ConfigurationError, JournalFailure
from tests.adapters.journal_rig import KEYS, FaultyDisk, entry, files, listed

SECTOR = 512


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@contextmanager
def store(path: Path) -> Iterator[Store]:
    opened = Store(path, KEYS, Retention())
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def write(opened: Store, *entries: Entry) -> None:
    opened.begin()
    for made in entries:
        opened.insert(Drafting().draft(made))
    opened.commit()


def changed(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


# --- a power loss


class Snapshots:
    """Files before and after the last commit, and the entries each state must give back."""

    def __init__(self, path: Path) -> None:
        self.earlier = [entry(1), entry(2, "Asking"), entry(3, exchange="X2", refs=(("key", "7"),))]
        self.batch = [entry(4, "Acknowledged"), entry(5, "Settled", settles=True)]
        with store(path) as opened:
            write(opened, self.earlier[0])
            write(opened, *self.earlier[1:])
            self.before = files(path)
            write(opened, *self.batch)
            self.after = files(path)

    def recovered(self, folder: Path, left: dict[str, bytes]) -> list[Entry]:
        """What the journal holds after a start on these files; it must be usable too."""
        folder.mkdir()
        for name, content in left.items():
            (folder / name).write_bytes(content)
        with store(folder / "journal") as opened:
            found = list(opened.entries(0, 100))
            write(opened, entry(opened.highest + 1))
        return found


def test_f65_wal_cut_anywhere_loses_only_what_was_not_synced(path: Path, tmp_path: Path) -> None:
    """``make test`` cuts at steps; the kept length of the WAL never falls below what an fsync had confirmed."""
    shots = Snapshots(path)
    wal, synced = shots.after["journal-wal"], len(shots.before["journal-wal"])
    assert shots.before["journal"] == shots.after["journal"]  # a commit writes the WAL alone
    assert len(wal) > synced
    cuts = {synced, synced + 1, len(wal) - 1, len(wal), *range(synced, len(wal), 401)}
    for cut in sorted(cuts):
        found = shots.recovered(tmp_path / f"cut{cut}", {**shots.after, "journal-wal": wal[:cut]})
        whole = shots.earlier + shots.batch
        assert found == (whole if cut == len(wal) else shots.earlier), cut


def test_f65_any_subset_of_unsynced_sectors_leaves_the_batch_whole_or_absent(
    path: Path, tmp_path: Path
) -> None:
    shots = Snapshots(path)
    before, after = shots.before["journal-wal"], shots.after["journal-wal"]
    starts = range(0, len(after), SECTOR)
    dirty = [at for at in starts if before[at : at + SECTOR] != after[at : at + SECTOR]]
    lottery = random.Random(7)
    for turn in range(40):
        reached = set(lottery.sample(dirty, lottery.randrange(len(dirty))))
        image = bytearray(before.ljust(len(after), b"\0"))
        for at in reached:
            image[at : at + SECTOR] = after[at : at + SECTOR]
        found = shots.recovered(tmp_path / f"subset{turn}", {**shots.after, "journal-wal": bytes(image)})
        assert found in (shots.earlier, shots.earlier + shots.batch), reached


def test_f65_zeroed_sectors_in_the_last_records(path: Path, tmp_path: Path) -> None:
    shots = Snapshots(path)
    wal, synced = shots.after["journal-wal"], len(shots.before["journal-wal"])
    for at in range(synced + SECTOR - synced % SECTOR, len(wal) - SECTOR, 4 * SECTOR):
        torn = wal[:at] + bytes(SECTOR) + wal[at + SECTOR :]
        found = shots.recovered(tmp_path / f"zero{at}", {**shots.after, "journal-wal": torn})
        assert found in (shots.earlier, shots.earlier + shots.batch)


def test_f65_a_file_that_was_cut_says_so(path: Path) -> None:
    with store(path) as opened:
        write(opened, *(entry(number, body={"x": "y" * 500}) for number in range(1, 200)))
    whole = path.read_bytes()
    for left in (10, 100, 4096, len(whole) // 2, len(whole) - 4096):
        path.write_bytes(whole[:left])
        with pytest.raises(JournalFailure, match="journal"), store(path):
            pass
    path.write_bytes(whole)
    with store(path) as opened:
        assert opened.highest == 199


def test_what_can_be_read_is_made_certain_before_it_is_believed(path: Path, tmp_path: Path) -> None:
    """A killed process may leave a commit in the system's memory alone: the start folds it into the file."""
    shots = Snapshots(path)
    copy = tmp_path / "copy" / "journal"
    copy.parent.mkdir()
    for name, content in shots.after.items():
        copy.with_name(name).write_bytes(content)
    with store(copy):
        left = files(copy)
    assert left["journal-wal"] == b""
    assert shots.recovered(tmp_path / "certain", left) == shots.earlier + shots.batch


def test_a_reader_in_the_way_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store(path) as first:
        write(first, entry(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM entries").fetchall()
            write(first, entry(2))
            impatient = Store(
                path, KEYS, Retention(), lambda *a, **k: sqlite3.connect(*a, **{**k, "timeout": 0.01})
            )
            with pytest.raises(JournalFailure, match="being read by another program"):
                impatient.open()


# --- what is no journal of ours


def test_f67_newer_schema_is_refused_untouched(path: Path) -> None:
    with store(path):
        pass
    changed(path, f"PRAGMA user_version = {SCHEMA + 1}")
    before = path.read_bytes()
    with (
        pytest.raises(JournalFailure, match=rf"newer version .* \(schema {SCHEMA + 1}.*upgrade nexo-bridge"),
        store(path),
    ):
        pass
    assert path.read_bytes() == before


def test_f71_newer_entry_format_is_refused(path: Path) -> None:
    with store(path):
        pass
    changed(path, "UPDATE state SET value = value + 1 WHERE name = 'format'")
    with pytest.raises(JournalFailure, match=r"newer version .* \(entry format"), store(path):
        pass


def test_older_entry_format_is_raised(path: Path) -> None:
    with store(path):
        pass
    changed(path, "UPDATE state SET value = '0' WHERE name = 'format'")
    with store(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM state WHERE name = 'format'").fetchone() == (
            str(FORMAT),
        )


def test_other_files_are_refused(path: Path) -> None:
    changed(path, "CREATE TABLE t (x)")
    with pytest.raises(JournalFailure, match="no journal of nexo-bridge"), store(path):
        pass
    path.write_bytes(b"not a database at all, but long enough to look like a file of some kind" * 20)
    with pytest.raises(JournalFailure, match=r"cannot be opened: file is not a database"), store(path):
        pass


def test_journal_without_its_installation_is_another_machines(path: Path) -> None:
    with store(path):
        pass
    changed(path, "DELETE FROM state WHERE name = 'installation'")
    with pytest.raises(ConfigurationError, match="does not belong"), store(path):
        pass


def test_read_only_journal_names_the_fix(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store(path):
        pass
    monkeypatch.setattr("os.access", lambda *_: False)  # the suite may run as root, whom no mode stops
    with pytest.raises(ConfigurationError, match="cannot be written by the bridge's user"), store(path):
        pass


def test_a_place_without_wal_is_named(path: Path) -> None:
    memory = Store(path, KEYS, Retention(), lambda _, **k: sqlite3.connect(":memory:", **k))
    with pytest.raises(JournalFailure, match="no WAL"):
        memory.open()


# --- reading


def test_open_exchange_with_something_missing_is_not_resumed(path: Path) -> None:
    with store(path) as opened:
        write(opened, entry(1), entry(2, "Asking", body={"request": "r"}))
    changed(path, "UPDATE entries SET raw = NULL WHERE number = 2")
    with store(path) as opened, pytest.raises(JournalDamaged, match="row 2: its raw is missing"):
        opened.open_exchanges()


def test_many_exchanges_are_remembered_in_bounds(path: Path) -> None:
    with store(path) as opened:
        write(opened, *(entry(number, exchange=f"X{number}") for number in range(1, 10_010)))
        write(opened, entry(20_000, "Settled", "X3", settles=True))
        assert len(opened._ids) < 10_010
        assert len(opened.open_exchanges()) == 10_008


def test_common_references_do_not_slow_a_rare_one(path: Path) -> None:
    """Seeks, not scans: counted by SQLite's own progress steps."""
    with store(path) as opened:
        write(
            opened,
            *(
                entry(number, exchange=f"X{number}", refs=(("pair", "p"), ("key", str(number))))
                for number in range(1, 2_001)
            ),
        )

        def steps(query: Query) -> int:
            taken = 0

            def count() -> int:
                nonlocal taken
                taken += 1
                return 0

            opened.connection.set_progress_handler(count, 1)
            opened.find(query)
            opened.connection.set_progress_handler(None, 1)
            return taken

        rare = steps(Query((("pair", "p"), ("key", "9")), limit=1))
        newest = steps(Query((("pair", "p"),), limit=1))
    assert rare < 1_000
    assert newest < 1_000


# --- odds and ends


def test_numbers_rise(path: Path) -> None:
    with store(path) as opened:
        write(opened, entry(5))
        opened.begin()
        with pytest.raises(JournalFailure, match="numbers rise"):
            opened.insert(Drafting().draft(entry(5)))
        opened.rollback()
        assert opened.numbers(0) == (5,)


def test_rollback_forgets_everything(path: Path) -> None:
    with store(path) as opened:
        opened.begin()
        opened.insert(Drafting().draft(entry(1)))
        opened.rollback()
        opened.rollback()
        write(opened, entry(1, "Other"))
        assert [found.name for found in opened.entries(0, 9)] == ["Other"]
    with store(path):
        pass  # and the chain follows


def test_a_transaction_sqlite_gave_up_is_not_committed(path: Path) -> None:
    with store(path) as opened, pytest.raises(sqlite3.OperationalError, match="gave the transaction up"):
        opened.commit()


def test_a_closed_store_says_so(path: Path) -> None:
    opened = Store(path, KEYS, Retention())
    opened.close()
    opened.abandon()
    opened.rollback()
    with pytest.raises(JournalFailure, match="not open"):
        opened.begin()
    opened.peek()  # there is no file yet
    with pytest.raises(JournalFailure, match="not open"):
        opened.find(Query(()))


def test_peeking_answers_questions_and_writes_nothing(path: Path) -> None:
    with store(path) as opened:
        write(opened, entry(1, refs=(("key", "7"),)))
    opened.peek()
    opened.peek()
    assert len(opened.find(Query((("key", "7"),)))) == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        write(opened, entry(2))
    opened.abandon()


def test_abandoning_leaves_every_byte(path: Path) -> None:
    opened = Store(path, KEYS, Retention())
    opened.open()
    write(opened, entry(1))
    before = files(path)
    opened.abandon()
    assert files(path) == before
    assert before["journal-wal"] != b""
    with store(path) as again:
        assert again.highest == 1
    assert listed(path.parent) == ["journal"]


def test_why_says_what_failed_and_no_value() -> None:
    assert why(FaultyDisk().problem()) == "disk I/O error (SQLITE_IOERR_FSYNC)"
    assert why(sqlite3.ProgrammingError("closed")) == "closed (ProgrammingError)"
    assert why(OSError(28, "No space left on device")) == "No space left on device"
    assert why(OSError("odd")) == "OSError"
    assert why(JournalFailure("told")) == "told"
    assert why(ValueError("4242424242424242")) == "ValueError"
