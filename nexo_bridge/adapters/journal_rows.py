"""How an entry becomes a row and a row an entry.

A row holds the public projection in clear and up to three sealed parts, each kept as long as rule R12 says:
*answer* (the short-lived fields of the body), *raw* (inputs, and what decisions repeat of them) and *body* (the
rest). References lie clear in the sealed parts only; the index by which they are found holds their HMAC.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nexo_bridge.adapters import journal_chain
from nexo_bridge.adapters.journal_chain import JournalDamaged
from nexo_bridge.adapters.sealing import Keys, Sealer
from nexo_bridge.core.journal import Entry, Stamp, upcast
from nexo_bridge.errors import JournalFailure

SCHEMA = 1
"""Version of the tables, SQLite's ``user_version``."""

APPLICATION = 0x6E58624A
"""SQLite's ``application_id`` of our files: "nXbJ"."""

TABLES = """
CREATE TABLE entries (
    number   INTEGER PRIMARY KEY,
    wall     REAL NOT NULL,
    mono     REAL NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    exchange INTEGER REFERENCES exchanges (id),
    settles  INTEGER NOT NULL,
    format   INTEGER NOT NULL,
    public   BLOB,
    body     BLOB,
    raw      BLOB,
    answer   BLOB,
    digests  BLOB NOT NULL,
    checksum BLOB NOT NULL
);
CREATE INDEX entries_exchange ON entries (exchange, number) WHERE exchange IS NOT NULL;
CREATE INDEX entries_wall ON entries (wall);
CREATE INDEX entries_raw ON entries (number) WHERE raw IS NOT NULL;
CREATE INDEX entries_answer ON entries (number) WHERE answer IS NOT NULL;

-- id: number of the exchange's first entry. begun: wall time, never earlier than that of an exchange before it.
-- keyed: references that live as long as answers do are still there.
CREATE TABLE exchanges (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    begun   REAL NOT NULL,
    decided INTEGER NOT NULL,
    settled INTEGER,
    keyed   INTEGER NOT NULL
);
CREATE INDEX exchanges_open ON exchanges (id) WHERE decided AND settled IS NULL;
CREATE INDEX exchanges_keyed ON exchanges (settled) WHERE keyed AND settled IS NOT NULL;

CREATE TABLE refs (
    name     TEXT NOT NULL,
    value    BLOB NOT NULL,
    exchange INTEGER NOT NULL,
    PRIMARY KEY (name, value, exchange)
) WITHOUT ROWID;
CREATE INDEX refs_exchange ON refs (exchange);

CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

COLUMNS = """e.number, e.wall, e.mono, e.kind, e.name, x.name, e.settles, e.format,
       e.public, e.body, e.raw, e.answer, e.digests"""
"""What ``Rows.entry`` reads, of ``entries e LEFT JOIN exchanges x``."""

PARTS = ("body", "raw", "answer")

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept (rule R12), in days after the exchange was settled; unresolved ones are kept whole.

    Attributes:
        answers: how long answers and keys live.
        bodies: how long inputs, and what decisions repeat of them, live.
        transactions: how long the rest lives; then the row goes.
        key_refs: names of the references that live as long as answers; the others live as long as transactions.
        answer_fields: top-level fields of a decision's body that live as long as answers.
        raw_fields: top-level fields of a decision's body that live as long as raw bodies.
    """

    answers: float = 7
    bodies: float = 30
    transactions: float = 400
    key_refs: frozenset[str] = frozenset({"key", "service", "sale", "pair"})
    answer_fields: frozenset[str] = frozenset({"answer"})
    raw_fields: frozenset[str] = frozenset({"request"})


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry written out, before it is sealed: a snapshot that nobody can change any more."""

    stamp: Stamp
    kind: str
    name: str
    exchange: str | None
    settles: bool
    format: int
    public: bytes
    parts: tuple[bytes | None, bytes | None, bytes | None]
    refs: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Drafting:
    """Makes drafts; holds no secret and does no I/O, so it runs where the entry is appended."""

    retention: Retention = field(default_factory=Retention)

    def draft(self, entry: Entry) -> Draft:
        """Write ``entry`` out.

        Raises:
            TypeError, ValueError: it holds something that is not JSON, not a number or not text. A fault of the
                program, told where it was made.
        """
        stamp = entry.stamp
        if not (math.isfinite(stamp.wall) and math.isfinite(stamp.mono)):
            raise ValueError("a stamp's times are numbers")
        for text in (entry.name, entry.exchange or ""):
            text.encode()
        return Draft(
            stamp=stamp,
            kind=entry.kind,
            name=entry.name,
            exchange=entry.exchange,
            settles=entry.settles,
            format=entry.format,
            public=_compact(entry.public),
            parts=self._parts(entry),
            refs=tuple((name, value.encode()) for name, value in dict.fromkeys(entry.refs)),
        )

    def _parts(self, entry: Entry) -> tuple[bytes | None, bytes | None, bytes | None]:
        if entry.kind == "input":
            return None, _part(entry.body, entry.refs), None
        body, raw, answer = dict(entry.body), {}, {}
        if entry.kind == "decision":
            for name in entry.body:
                if name in self.retention.answer_fields:
                    answer[name] = body.pop(name)
                elif name in self.retention.raw_fields:
                    raw[name] = body.pop(name)
        return _part(body, entry.refs), _part(raw, ()) if raw else None, _part(answer, ()) if answer else None


class Rows:
    """Seals drafts into rows and opens rows into entries, with one installation's keys, or with none."""

    def __init__(self, keys: Keys | None) -> None:
        self._sealer = None if keys is None else Sealer(keys.seal)
        self._refs = b"" if keys is None else keys.refs

    def token(self, name: str, value: bytes) -> bytes:
        """What stands in the index for a reference."""
        return hmac.digest(self._refs, name.encode() + b"\0" + value, "sha256")[:16]

    def sealed(self, draft: Draft) -> tuple[bytes | None, ...]:
        """The draft's parts, each bound to its number, name, exchange and place."""
        assert self._sealer is not None
        return tuple(
            None
            if clear is None
            else self._sealer.seal(clear, _context(draft.stamp.number, draft.name, draft.exchange, place))
            for place, clear in zip(PARTS, draft.parts, strict=True)
        )

    def entry(self, row: Row, *, whole: bool = False) -> Entry:
        """The entry of a row of ``COLUMNS``, brought to today's format.

        Without keys it has the public projection only. Fields that retention took are missing in its body.

        Raises:
            JournalDamaged: a part is not what was written, or, with ``whole``, something is missing.
            JournalFailure: the entry was written by a newer version.
        """
        number, wall, mono, kind, name, exchange, settles, form, public, *parts, digests = row
        body: dict[str, Any] = {}
        refs: tuple[tuple[str, str], ...] = ()
        try:
            shown = {} if public is None else json.loads(public)
            for index, (place, part) in enumerate(zip(PARTS, parts, strict=True)):
                if part is None:
                    start = 32 * (index + 1)
                    if whole and digests[start : start + 32] != journal_chain.ABSENT:
                        raise JournalDamaged(number, f"its {place} is missing")
                elif self._sealer is not None:
                    held = json.loads(self._sealer.unseal(part, _context(number, name, exchange, place)))
                    body.update(held["b"])
                    refs = refs or tuple((ref, value) for ref, value in held["r"])
        except JournalDamaged:
            raise
        except (JournalFailure, ValueError, TypeError):
            raise JournalDamaged(number, "a part of it does not open") from None
        stamp = Stamp(number=number, wall=wall, mono=mono)
        entry = Entry(stamp, kind, name, exchange, body, shown, refs, bool(settles), form)
        try:
            return upcast(entry)
        except ValueError as problem:
            raise JournalFailure(f"row {number}: {problem}") from None


def _context(number: int, name: str, exchange: str | None, place: str) -> bytes:
    return f"{number}|{place}|{name}|{'' if exchange is None else exchange}".encode()


def _part(body: dict[str, Any], refs: Sequence[tuple[str, str]]) -> bytes:
    return _compact({"b": body, "r": refs})


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def _compact(value: object) -> bytes:
    return _ENCODER.encode(value).encode()
