"""The journal's file, seen from the one thread that owns the connection. No asyncio, no policy.

SQLite in WAL mode with ``synchronous=FULL``: a commit returns when the rows are on disk. Checkpoints are asked for
(``checkpoint``) and not left to SQLite, which would hide a failed fsync in them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from nexo_bridge.adapters.journal_chain import Link, digest, read_anchor, walk
from nexo_bridge.adapters.journal_rows import APPLICATION, COLUMNS, SCHEMA, TABLES, Draft, Retention, Rows
from nexo_bridge.adapters.sealing import Keys, sync_folder
from nexo_bridge.core.journal import FORMAT, Entry, History, Query
from nexo_bridge.errors import ConfigurationError, JournalFailure

Connect = Callable[..., sqlite3.Connection]

CHECKED_AT_OPEN = 10_000
"""Rows whose chain is walked at each opening; ``nexo-bridge journal verify`` walks them all."""

_SETTING = "[journal] path"


class Store:
    """One open journal file.

    Opened by ``open``; then ``begin`` … ``insert`` … ``commit`` write, the rest reads.

    Attributes:
        highest: number of the newest row written or, before a commit, being written.
    """

    def __init__(
        self, path: Path, keys: Keys, retention: Retention, connect: Connect = sqlite3.connect
    ) -> None:
        self.path = path
        self.retention = retention
        self.highest = 0
        self._keys = keys
        self._rows = Rows(keys)
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._head = b""
        self._begun = 0.0
        self._ids: dict[str, int] = {}

    # --- opening and closing

    def open(self) -> None:
        """Open the file, making it at the first start, and check that it can be trusted.

        Raises:
            ConfigurationError: the path cannot be used, or the key belongs to another journal.
            JournalFailure: written by a newer version, damaged, or not a journal.
        """
        self._create()
        try:
            self._connection = self._connect(self.path, isolation_level=None, timeout=5.0)
            self._prepare(self._connection)
            self._harden(self._connection)
            walk(self._connection, last=CHECKED_AT_OPEN)
            self._reload()
        except sqlite3.Error as problem:
            self.abandon()
            raise JournalFailure(f"the journal {self.path} cannot be opened: {why(problem)}") from problem
        except BaseException:
            self.abandon()
            raise

    def close(self) -> None:
        """Close the file; SQLite folds the WAL into it."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def abandon(self) -> None:
        """Let go of the file without writing to it again: after a failed fsync nothing may be assumed of it.

        The last writer to close would fold the WAL into the file. So it is not the last: a read-only one is.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        witness = None
        with suppress(sqlite3.Error):
            witness = self._reading()
        with suppress(sqlite3.Error):
            connection.close()
        if witness is not None:
            witness.close()

    def peek(self) -> None:
        """Open the file for questions alone, as far as it can be read: what ``open`` refused may still answer."""
        if self._connection is None:
            with suppress(sqlite3.Error):
                self._connection = self._reading()

    def _reading(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        try:
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                sync_folder(self.path.parent)
            elif not self.path.is_file():
                raise ConfigurationError(f"{_SETTING}: {self.path} is not a file; name one")
            elif not os.access(self.path, os.R_OK | os.W_OK):
                raise ConfigurationError(
                    f"{_SETTING}: {self.path} cannot be written by the bridge's user; let it"
                )
        except OSError as problem:
            raise ConfigurationError(
                f"{_SETTING}: {self.path} cannot be made ({problem.strerror}); name a file in an existing folder that "
                f"the bridge's user may write to"
            ) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        schema = schema_of(connection, self.path)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalFailure(f"the journal {self.path} lies where SQLite has no WAL (a network folder?)")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
        if schema == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {TABLES}")
            connection.execute("INSERT INTO state VALUES ('installation', ?)", (self._keys.installation_id,))
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("COMMIT")
        state = dict(connection.execute("SELECT name, value FROM state"))
        if state.get("installation") != self._keys.installation_id:
            raise ConfigurationError(
                f"[journal] key: it does not belong to the journal {self.path}; put back the key that journal was "
                f"made with, or move the journal away to begin anew"
            )
        if int(state.get("format", 0)) > FORMAT:
            raise JournalFailure(
                f"the journal {self.path} was written by a newer version of nexo-bridge (entry format "
                f"{state['format']}, this one knows {FORMAT}); upgrade nexo-bridge"
            )
        if int(state.get("format", 0)) < FORMAT:
            connection.execute("INSERT OR REPLACE INTO state VALUES ('format', ?)", (str(FORMAT),))

    def _harden(self, connection: sqlite3.Connection) -> None:
        """Put on disk whatever can be read.

        What a killed process wrote, or what a failed fsync left, is seen in the WAL though it may be in the system's
        memory alone; acting on it, or writing behind it, would be a guess. Folded into the file it is certain.
        """
        busy, frames, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or frames > 0:
            raise JournalFailure(f"the journal {self.path} is being read by another program; try again")

    def _reload(self) -> None:
        row = self._db.execute("SELECT number, checksum FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        self.highest, self._head = row or read_anchor(self._db)
        row = self._db.execute("SELECT begun FROM exchanges ORDER BY id DESC LIMIT 1").fetchone()
        self._begun = 0.0 if row is None else row[0]
        self._ids.clear()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalFailure("the journal is not open")
        return self._connection

    @property
    def connection(self) -> sqlite3.Connection:
        """For what works on the tables themselves: retention."""
        return self._db

    # --- writing

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Returns when everything since ``begin`` is on disk."""
        if not self._db.in_transaction:
            raise sqlite3.OperationalError("SQLite gave the transaction up")
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything since ``begin``."""
        if self._connection is None:
            return
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self._reload()

    def insert(self, draft: Draft) -> None:
        """Add one row, chained to the newest."""
        stamp = draft.stamp
        if stamp.number <= self.highest:
            raise JournalFailure(f"entry {stamp.number} comes after {self.highest}; numbers rise")
        exchange = None if draft.exchange is None else self._exchange(draft)
        parts = self._rows.sealed(draft)
        digests = b"".join((digest(draft.public), *map(digest, parts)))
        link = Link(
            number=stamp.number,
            wall=stamp.wall,
            mono=stamp.mono,
            kind=draft.kind,
            name=draft.name,
            exchange=draft.exchange,
            settles=draft.settles,
            format=draft.format,
            digests=digests,
        )
        head = link.checksum(self._head)
        row = (*link[:5], exchange, *link[6:8], draft.public, *parts, digests, head)
        self._db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._head, self.highest = head, stamp.number

    def _exchange(self, draft: Draft) -> int:
        name, number = draft.exchange, draft.stamp.number
        assert name is not None
        exchange = self._ids.get(name)
        if exchange is None:
            row = self._db.execute("SELECT id FROM exchanges WHERE name = ?", (name,)).fetchone()
            if row is None:
                self._begun = max(self._begun, draft.stamp.wall)
                self._db.execute(
                    "INSERT INTO exchanges VALUES (?, ?, ?, 0, NULL, 0)", (number, name, self._begun)
                )
                row = (number,)
            if len(self._ids) > 10_000:
                self._ids.clear()
            exchange = self._ids[name] = row[0]
        if draft.kind == "decision":
            self._decided(draft, exchange)
        return exchange

    def _decided(self, draft: Draft, exchange: int) -> None:
        execute = self._db.execute
        keyed = any(name in self.retention.key_refs for name, _ in draft.refs)
        if draft.settles:
            execute(
                "UPDATE exchanges SET decided = 1, settled = coalesce(settled, ?), keyed = max(keyed, ?) WHERE id = ?",
                (draft.stamp.number, keyed, exchange),
            )
        else:
            execute(
                "UPDATE exchanges SET decided = 1, keyed = max(keyed, ?) WHERE id = ? AND (keyed < ? OR NOT decided)",
                (keyed, exchange, keyed),
            )
        for name, value in draft.refs:
            execute(
                "INSERT OR IGNORE INTO refs VALUES (?, ?, ?)", (name, self._rows.token(name, value), exchange)
            )

    def checkpoint(self) -> None:
        """Fold what can be folded of the WAL into the file, without waiting for readers.

        Raises:
            sqlite3.Error: a write or fsync failed; the WAL still holds everything.
        """
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    # --- reading

    def find(self, query: Query) -> tuple[History, ...]:
        """The histories ``query`` asks for, newest first."""
        return tuple(self._history(exchange) for exchange in self._matching(query))

    def open_exchanges(self) -> tuple[History, ...]:
        """Every exchange that was decided upon and not settled, oldest first.

        Raises:
            JournalDamaged: something of one of them is missing or does not open.
        """
        query = "SELECT id FROM exchanges WHERE decided AND settled IS NULL ORDER BY id"
        return tuple(self._history(row[0], whole=True) for row in self._db.execute(query).fetchall())

    def newest(self, exchange: str) -> Entry | None:
        """The newest entry that belongs to ``exchange`` and still says something; None without one."""
        query = f"""SELECT {COLUMNS} FROM entries e JOIN exchanges x ON x.id = e.exchange
                    WHERE e.exchange = (SELECT id FROM exchanges WHERE name = ?) AND e.public IS NOT NULL
                    ORDER BY e.number DESC LIMIT 1"""  # noqa: S608  # our own column names
        row = self._db.execute(query, (exchange,)).fetchone()
        return None if row is None else self._rows.entry(row)

    def numbers(self, after: int) -> tuple[int, ...]:
        """The numbers above ``after``, in order."""
        query = "SELECT number FROM entries WHERE number > ? ORDER BY number"
        return tuple(row[0] for row in self._db.execute(query, (after,)).fetchall())

    def entries(self, after: int, limit: int) -> tuple[Entry, ...]:
        """Up to ``limit`` entries with numbers above ``after``, in order."""
        query = f"""SELECT {COLUMNS} FROM entries e LEFT JOIN exchanges x ON x.id = e.exchange
                    WHERE e.number > ? ORDER BY e.number LIMIT ?"""  # noqa: S608  # our own column names
        return tuple(self._rows.entry(row) for row in self._db.execute(query, (after, limit)).fetchall())

    def _history(self, exchange: int, *, whole: bool = False) -> History:
        query = f"""SELECT {COLUMNS} FROM entries e JOIN exchanges x ON x.id = e.exchange
                    WHERE e.exchange = ? AND e.kind = 'decision' ORDER BY e.number"""  # noqa: S608  # as above
        rows = self._db.execute(query, (exchange,)).fetchall()
        return History(rows[0][5], tuple(self._rows.entry(row, whole=whole) for row in rows))

    def _matching(self, query: Query) -> Iterator[int]:
        """Ids of the exchanges that carry all references, newest first.

        Each reference has its exchanges in order, so the lists are intersected by leaping: whoever is behind seeks
        forward. One rare reference makes the whole search short, however common the others are. ``begun`` never
        falls, so the first exchange that is too old ends the search.
        """
        tokens = [(name, self._rows.token(name, value.encode())) for name, value in query.refs]
        left, bound = query.limit, 2**63 - 1
        while left > 0:
            candidate = self._agreed(tokens, bound)
            if candidate is None:
                return
            begun, decided = self._db.execute(
                "SELECT begun, decided FROM exchanges WHERE id = ?", (candidate,)
            ).fetchone()
            if begun < query.since:
                return
            if decided:
                left -= 1
                yield candidate
            bound = candidate - 1

    def _agreed(self, tokens: list[tuple[str, bytes]], bound: int) -> int | None:
        if not tokens:
            row = self._db.execute("SELECT max(id) FROM exchanges WHERE id <= ?", (bound,)).fetchone()
            return row[0]  # type: ignore[no-any-return]  # sqlite3 rows are untyped
        agreeing = turn = 0
        while agreeing < len(tokens):
            row = self._db.execute(
                "SELECT max(exchange) FROM refs WHERE name = ? AND value = ? AND exchange <= ?",
                (*tokens[turn % len(tokens)], bound),
            ).fetchone()
            if row[0] is None:
                return None
            agreeing = agreeing + 1 if row[0] == bound else 1
            bound = row[0]
            turn += 1
        return bound


def why(problem: BaseException) -> str:
    """A failed write or read in few words, fit for a log: they name no value of an entry."""
    match problem:
        case JournalFailure():
            return str(problem)
        case sqlite3.Error():
            return f"{problem} ({getattr(problem, 'sqlite_errorname', type(problem).__name__)})"
        case OSError():
            return problem.strerror or type(problem).__name__
        case _:
            return type(problem).__name__


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """Version of the tables in ``path``; 0 for an empty file.

    Raises:
        JournalFailure: newer than this program, or not a journal.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if (version, application, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION:
        raise JournalFailure(
            f"{path} is a database, but no journal of nexo-bridge; name another file in {_SETTING}"
        )
    if version > SCHEMA:
        raise JournalFailure(
            f"the journal {path} was written by a newer version of nexo-bridge (schema {version}, this one knows "
            f"{SCHEMA}); upgrade nexo-bridge"
        )
    return version
