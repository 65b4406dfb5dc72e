"""Retention (rule R12), in steps small enough that payments do not wait for it.

Age is judged by a row's place: what stands before the first row written within the last N days is older than N days.
So a clock that was wrong for a while (1970 at boot, 2099 once) makes nothing look old that is not. What is kept for
how long is ``journal_rows.Retention``; an exchange's age counts from the row that settled it, and one that is not
settled is kept whole, however old.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal, TypeAlias

from nexo_bridge.adapters.journal_chain import Anchor, write_anchor
from nexo_bridge.adapters.journal_rows import Retention

DAY = 86_400.0
CHUNK = 500

Phase: TypeAlias = Literal["keys", "answers", "bodies", "rows", "rests", "done"]
_NEXT: dict[Phase, Phase] = {
    "keys": "answers",  # first, so that what is found by a key has its answer
    "answers": "bodies",
    "bodies": "rows",
    "rows": "rests",
    "rests": "done",
    "done": "done",
}

# A row is kept whole while its exchange is open or was settled at or after row :before.
_KEPT = "(x.decided AND (x.settled IS NULL OR x.settled >= :before))"


@dataclass(frozen=True, slots=True)
class Pruning:
    """How far one run has come.

    Attributes:
        answers_before, bodies_before, rows_before: numbers below which rows are old.
        phase: what the next step looks at, from row ``place`` on.
        keys, answers, bodies, rows, rests: how many were taken so far (``rests``: rows left as links of the chain).
        anchor: number of the last row taken, 0 for none.
    """

    answers_before: int
    bodies_before: int
    rows_before: int
    phase: Phase = "keys"
    place: int = 0
    keys: int = 0
    answers: int = 0
    bodies: int = 0
    rows: int = 0
    rests: int = 0
    anchor: int = 0

    def public(self) -> dict[str, int]:
        """The counts, for the journal entry that tells of this run."""
        names = ("keys", "answers", "bodies", "rows", "rests", "anchor")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def begin(connection: sqlite3.Connection, retention: Retention, now: float) -> Pruning:
    """A run at wall time ``now``. Reads an index over all rows of the last year: not for a thread that must answer."""
    return Pruning(
        answers_before=_first_within(connection, now, retention.answers),
        bodies_before=_first_within(connection, now, retention.bodies),
        rows_before=_first_within(connection, now, retention.transactions),
    )


def step(connection: sqlite3.Connection, pruning: Pruning, retention: Retention) -> Pruning:
    """Take at most ``CHUNK`` rows, inside the caller's transaction. Ends in phase ``done``."""
    match pruning.phase:
        case "keys":
            return _take_keys(connection, pruning, retention)
        case "answers":
            return _take_part(connection, pruning, "answer", pruning.answers_before)
        case "bodies":
            return _take_part(connection, pruning, "raw", pruning.bodies_before)
        case "rows":
            return _take_rows(connection, pruning)
        case "rests":
            return _take_rests(connection, pruning)
        case "done":
            return pruning


def _first_within(connection: sqlite3.Connection, now: float, days: float) -> int:
    row = connection.execute(
        "SELECT min(number) FROM entries WHERE wall BETWEEN ? AND ?", (now - days * DAY, now + DAY)
    ).fetchone()
    if row[0] is not None:
        return int(row[0])
    # Nothing that recent: everything is old, unless the clock says so because it is wrong.
    newest = connection.execute("SELECT number, wall FROM entries ORDER BY number DESC LIMIT 1").fetchone()
    return int(newest[0]) + 1 if newest is not None and newest[1] < now else 0


def _next(pruning: Pruning) -> Pruning:
    return replace(pruning, phase=_NEXT[pruning.phase], place=0)


def _take_part(
    connection: sqlite3.Connection, pruning: Pruning, part: Literal["answer", "raw"], before: int
) -> Pruning:
    found = connection.execute(
        f"""SELECT e.number FROM entries e LEFT JOIN exchanges x ON x.id = e.exchange
            WHERE e.{part} IS NOT NULL AND e.number > :place AND e.number < :before
            AND NOT coalesce({_KEPT}, 0) ORDER BY e.number LIMIT {CHUNK}""",  # noqa: S608  # our own words
        {"place": pruning.place, "before": before},
    ).fetchall()
    if not found:
        return _next(pruning)
    connection.executemany(f"UPDATE entries SET {part} = NULL WHERE number = ?", found)  # noqa: S608  # as above
    if part == "answer":
        pruning = replace(pruning, answers=pruning.answers + len(found))
    else:
        pruning = replace(pruning, bodies=pruning.bodies + len(found))
    return replace(pruning, place=found[-1][0])


def _take_keys(connection: sqlite3.Connection, pruning: Pruning, retention: Retention) -> Pruning:
    found = connection.execute(
        "SELECT id FROM exchanges WHERE keyed AND settled < ? ORDER BY settled LIMIT ?",
        (pruning.answers_before, CHUNK),
    ).fetchall()
    if not found:
        return _next(pruning)
    for (exchange,) in found:
        connection.executemany(
            "DELETE FROM refs WHERE exchange = ? AND name = ?",
            [(exchange, name) for name in retention.key_refs],
        )
        connection.execute("UPDATE exchanges SET keyed = 0 WHERE id = ?", (exchange,))
    return replace(pruning, keys=pruning.keys + len(found))


def _take_rows(connection: sqlite3.Connection, pruning: Pruning) -> Pruning:
    found = connection.execute(
        f"""SELECT e.number, e.checksum, e.exchange, coalesce({_KEPT}, 0)
            FROM entries e LEFT JOIN exchanges x ON x.id = e.exchange
            WHERE e.number < :before ORDER BY e.number LIMIT {CHUNK}""",  # noqa: S608  # our own words
        {"before": pruning.rows_before},
    ).fetchall()
    taken = list(takewhile(lambda row: not row[3], found))
    if taken:
        anchor = Anchor(taken[-1][0], taken[-1][1])
        connection.execute("DELETE FROM entries WHERE number <= ?", (anchor.number,))
        write_anchor(connection, anchor)
        exchanges = {row[2] for row in taken if row[2] is not None}
        _forget(connection, exchanges)
        connection.executemany(
            "DELETE FROM exchanges WHERE id = :id AND NOT EXISTS (SELECT 1 FROM entries WHERE exchange = :id)",
            [{"id": exchange} for exchange in exchanges],
        )
        pruning = replace(pruning, rows=pruning.rows + len(taken), anchor=anchor.number)
    return pruning if len(taken) == CHUNK else _next(pruning)


def _take_rests(connection: sqlite3.Connection, pruning: Pruning) -> Pruning:
    """Old rows behind one that must stay: their parts go, the links remain."""
    found = connection.execute(
        f"""SELECT e.number, e.exchange FROM entries e LEFT JOIN exchanges x ON x.id = e.exchange
            WHERE e.number > :place AND e.number < :before AND (e.public IS NOT NULL OR e.body IS NOT NULL)
            AND NOT coalesce({_KEPT}, 0) ORDER BY e.number LIMIT {CHUNK}""",  # noqa: S608  # our own words
        {"place": pruning.place, "before": pruning.rows_before},
    ).fetchall()
    if not found:
        return _next(pruning)
    connection.executemany(
        "UPDATE entries SET public = NULL, body = NULL, raw = NULL, answer = NULL WHERE number = ?",
        [row[:1] for row in found],
    )
    _forget(connection, {row[1] for row in found if row[1] is not None})
    return replace(pruning, rests=pruning.rests + len(found), place=found[-1][0])


def _forget(connection: sqlite3.Connection, exchanges: set[int]) -> None:
    connection.executemany("DELETE FROM refs WHERE exchange = ?", [(exchange,) for exchange in exchanges])
