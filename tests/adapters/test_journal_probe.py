"""Commits are announced, before and after, and nothing else is."""

from __future__ import annotations

from pathlib import Path

from nexo_bridge.adapters.journal_probe import probed


def test_a_commit_is_announced_before_and_after(tmp_path: Path) -> None:
    heard: list[str] = []
    connection = probed(heard.append)(tmp_path / "journal.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE entries (number INTEGER)")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO entries VALUES (?)", (7,))
    assert heard == []

    connection.execute("COMMIT")

    assert heard == ["journal.committing", "journal.committed"]
    assert connection.execute("SELECT number FROM entries").fetchall() == [(7,)]
    connection.close()
