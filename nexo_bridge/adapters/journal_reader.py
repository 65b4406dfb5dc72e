"""Reading a journal beside the daemon that writes it: for list, show, verify, replay and export. Takes no lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from nexo_bridge.adapters.journal_chain import ABSENT, PAGE, Walked, walk
from nexo_bridge.adapters.journal_retention import Pruning, begin
from nexo_bridge.adapters.journal_rows import COLUMNS, Retention, Row, Rows
from nexo_bridge.adapters.journal_store import schema_of, why
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core.journal import Entry
from nexo_bridge.errors import JournalFailure


class JournalReader(AbstractContextManager["JournalReader"]):
    """One journal, read page by page, so that a long reading never holds the daemon up.

    Without ``keys`` entries have their public projection only: their body and references are empty.

    Raises:
        JournalFailure: from every method too: no journal, written by a newer version, damaged, unreadable.
    """

    def __init__(self, path: Path, keys: Keys | None = None) -> None:
        self._path = path
        self._rows = Rows(keys)
        self._connection = _connect(path)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def entries(self, after: int = 0, exchange: str | None = None) -> Iterator[Entry]:
        """Every entry above number ``after``, in order; of one exchange if named.

        What retention took is missing: rows, or fields of bodies.
        """
        condition = "" if exchange is None else "AND x.name = :exchange"
        join = "LEFT JOIN" if exchange is None else "JOIN"
        query = f"""SELECT {COLUMNS} FROM entries e {join} exchanges x ON x.id = e.exchange
                    WHERE e.number > :after {condition} ORDER BY e.number LIMIT {PAGE}"""  # noqa: S608  # our words
        while True:
            rows = self._ask(query, {"after": after, "exchange": exchange})
            if not rows:
                return
            for row in rows:
                yield self._rows.entry(row)
            after = rows[-1][0]

    def exchanges(self, limit: int) -> tuple[str, ...]:
        """Ids of the ``limit`` newest exchanges that were decided upon, newest first."""
        query = "SELECT name FROM exchanges WHERE decided ORDER BY id DESC LIMIT :limit"
        return tuple(row[0] for row in self._ask(query, {"limit": limit}))

    def inputs_from(self) -> int:
        """Number of the first entry from which on every input still has its body: replay can begin there."""
        query = """SELECT coalesce(max(number), 0) FROM entries
                   WHERE kind = 'input' AND raw IS NULL AND substr(digests, 65, 32) <> :absent"""
        number: int = self._ask(query, {"absent": ABSENT})[0][0]
        return number + 1

    def verify(self) -> Walked:
        """Walk the whole chain.

        Raises:
            JournalDamaged: naming the first row that is not what was written.
        """
        try:
            return walk(self._connection)
        except sqlite3.Error as problem:
            raise self._failure(problem) from None

    def pruning(self, retention: Retention, now: float) -> Pruning:
        """Where a run of retention at ``now`` would begin."""
        try:
            return begin(self._connection, retention, now)
        except sqlite3.Error as problem:
            raise self._failure(problem) from None

    def _ask(self, query: str, values: dict[str, object]) -> list[Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise self._failure(problem) from None

    def _failure(self, problem: sqlite3.Error) -> JournalFailure:
        return JournalFailure(f"the journal {self._path} cannot be read: {why(problem)}")


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalFailure(f"there is no journal {path}")
    uri = path.absolute().as_uri()
    try:
        try:
            return _checked(path, f"{uri}?mode=ro")
        except sqlite3.OperationalError:
            return _checked(path, f"{uri}?mode=ro&immutable=1")  # a folder nobody may write, so nobody does
    except sqlite3.Error as problem:
        raise JournalFailure(f"the journal {path} cannot be read: {why(problem)}") from None


def _checked(path: Path, uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0)
    try:
        if schema_of(connection, path) == 0:
            raise JournalFailure(f"the journal {path} is empty")
    except BaseException:
        connection.close()
        raise
    return connection
