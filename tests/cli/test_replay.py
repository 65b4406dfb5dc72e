from __future__ import annotations

import argparse
import asyncio
import sqlite3
from pathlib import Path

import pytest

from nexo_bridge.cli import replay
from tests.faults.stage import stage


async def paid(folder: Path) -> Path:
    async with stage(folder) as it:
        till = await it.logged_in()
        await till.pay("11", "12.50")
        return it.settings.journal.path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = asyncio.run(paid(tmp_path))
    key = path.with_suffix(".key")
    key.write_bytes(b"f" * 32)  # the key the stage's keys are derived from
    key.chmod(0o600)
    return path


def run(journal: Path, key: Path | None = None) -> int:
    return replay.main(argparse.Namespace(journal=journal, key=key))


def test_the_same_decisions(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(journal) == 0
    assert capsys.readouterr().out.startswith("the same decisions: 1 starts, ")


def test_the_key_may_lie_elsewhere(journal: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    journal.with_suffix(".key").rename(elsewhere)
    assert run(journal, elsewhere) == 0
    assert run(journal) == 2


def test_a_decision_taken_away_is_the_first_difference(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(journal) as file:
        file.execute("DELETE FROM entries WHERE name = 'Settled'")
    file.close()
    assert run(journal) == 1
    out = capsys.readouterr().out
    assert out.startswith("the first difference, at entry ")
    assert "Settled was decided by replay and is not in the journal" in out


def test_what_is_no_journal_is_told_in_one_line(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"not a journal")
    for path, key, problem in (
        (other, journal.with_suffix(".key"), "file is not a database"),
        (other, None, "file is not a database"),
        (tmp_path / "absent.sqlite", None, "no journal"),
    ):
        assert run(path, key) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        assert problem in told
