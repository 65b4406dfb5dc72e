"""The chain over a journal's rows, and the walk that checks it.

Every row carries SHA-256(checksum of the row before · what the row says · digests of its parts). Because the chain
runs over *digests*, retention may take the parts away, and because an anchor keeps the checksum of the last row
taken, it may take the oldest rows too; what is left still verifies. The chain finds damage. It does not stop someone
who may write the file: bodies are safe from him (they are sealed and bound to their row), the rest is not.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from nexo_bridge.errors import JournalFailure

GENESIS = bytes(32)
ABSENT = bytes(32)
"""Digest of a part that a row never had."""

PAGE = 500


class JournalDamaged(JournalFailure):
    """A row is not what was written.

    Attributes:
        number: the row's number.
    """

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"the journal is damaged at row {number}: {what}; put back a copy of it")
        self.number = number


class Anchor(NamedTuple):
    """Where the chain begins: the last row that retention took, and its checksum."""

    number: int
    checksum: bytes


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk has seen: how many rows, the first and the last number (0 if none)."""

    rows: int
    first: int
    last: int


def digest(part: bytes | None) -> bytes:
    """Digest of one part of a row; ``ABSENT`` for none."""
    return ABSENT if part is None else sha256(part).digest()


class Link(NamedTuple):
    """What a row says in clear, and the digests of its parts: public, body, raw, answer."""

    number: int
    wall: float
    mono: float
    kind: str
    name: str
    exchange: str | None
    settles: int
    format: int
    digests: bytes

    def checksum(self, previous: bytes) -> bytes:
        """The row's checksum. References lie in the sealed parts, whose digests cover them."""
        exchange = "-" if self.exchange is None else f"+{self.exchange}"
        words = f"{self.kind}\0{self.name}\0{exchange}".encode()
        wall, mono = self.wall + 0.0, self.mono + 0.0  # SQLite keeps no -0.0
        fixed = struct.pack(">qddqqI", self.number, wall, mono, self.settles, self.format, len(words))
        return sha256(b"".join((previous, fixed, words, self.digests))).digest()


def read_anchor(connection: sqlite3.Connection) -> Anchor:
    """The anchor, at number 0 while nothing has been taken."""
    row = connection.execute("SELECT value FROM state WHERE name = 'anchor'").fetchone()
    if row is None:
        return Anchor(0, GENESIS)
    value = json.loads(row[0])
    return Anchor(value["number"], bytes.fromhex(value["checksum"]))


def write_anchor(connection: sqlite3.Connection, anchor: Anchor) -> None:
    value = json.dumps({"number": anchor.number, "checksum": anchor.checksum.hex()})
    connection.execute("INSERT OR REPLACE INTO state (name, value) VALUES ('anchor', ?)", (value,))


_ROWS = """
SELECT e.number, e.wall, e.mono, e.kind, e.name, x.name, e.settles, e.format, e.digests, e.checksum, e.exchange,
       e.public, e.body, e.raw, e.answer
FROM entries e LEFT JOIN exchanges x ON x.id = e.exchange
WHERE e.number > ? ORDER BY e.number LIMIT ?
"""


def walk(connection: sqlite3.Connection, *, last: int | None = None) -> Walked:
    """Check every row, or the ``last`` rows only; the connection must not be in a transaction.

    Reads page by page, so a daemon that writes meanwhile is not held up.

    Raises:
        JournalDamaged: at the first row that is not what was written.
        sqlite3.DatabaseError: the file itself is broken.
    """
    place = _start(connection, last)
    rows = first = 0
    while True:
        connection.execute("BEGIN")
        try:
            anchor = read_anchor(connection)
            if anchor.number > place.number:  # retention went by since the last page
                place = anchor
            page = connection.execute(_ROWS, (place.number, PAGE)).fetchall()
        finally:
            connection.execute("ROLLBACK")
        if not page:
            return Walked(rows, first, place.number if rows else 0)
        first = first or page[0][0]
        for row in page:
            place = _checked(place, row)
        rows += len(page)


def _start(connection: sqlite3.Connection, last: int | None) -> Anchor:
    if last is not None:
        query = "SELECT number, checksum FROM entries ORDER BY number DESC LIMIT 1 OFFSET ?"
        row = connection.execute(query, (last,)).fetchone()
        if row is not None:
            return Anchor(*row)
    return Anchor(0, GENESIS)


def _checked(previous: Anchor, row: tuple[Any, ...]) -> Anchor:
    link = Link(*row[:9])
    stored, exchange, *parts = row[9:]
    if exchange is not None and link.exchange is None:
        raise JournalDamaged(link.number, "its exchange is missing")
    try:
        expected = link.checksum(previous.checksum)
    except (struct.error, TypeError, AttributeError, UnicodeError):
        raise JournalDamaged(link.number, "it holds something else than a row does") from None
    if expected != stored:
        raise JournalDamaged(link.number, f"its checksum does not follow from row {previous.number}")
    for place, part in enumerate(parts):
        if part is not None and (
            not isinstance(part, bytes) or sha256(part).digest() != link.digests[32 * place : 32 * place + 32]
        ):
            raise JournalDamaged(link.number, "a part of it was changed")
    return Anchor(link.number, expected)
