"""A door to the moments around a commit, for those who must know what a crash there leaves behind."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from nexo_bridge.adapters.journal_store import Connect


def probed(checkpoint: Callable[[str], None]) -> Connect:
    """A ``connect`` for ``SqliteJournal.open`` whose commits are announced, in the journal's thread.

    ``checkpoint`` hears ``journal.committing`` before a commit begins and ``journal.committed`` once it is on disk.
    """

    class Probed(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, *parameters)
            checkpoint("journal.committing")
            cursor = super().execute(sql)
            checkpoint("journal.committed")
            return cursor

    return functools.partial(sqlite3.connect, factory=Probed)
