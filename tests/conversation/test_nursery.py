"""Forks of one loaded process: each has its own files and its own end, and nothing of them stays behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexo_bridge.conversation.nursery import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


class Child:
    """A bridge, and our ends of its standard files."""

    def __init__(self, nursery: Nursery, folder: Path, *argv: str) -> None:
        self._log = folder / "log"
        (its_in, self.orders), (self.said, its_out) = os.pipe(), os.pipe()
        with self._log.open("ab") as log:
            self.number = nursery.fork(argv, (its_in, its_out, log.fileno()))
        os.close(its_in)
        os.close(its_out)

    def last_words(self) -> tuple[list[str], int]:
        """All it says until the end, and how it ended."""
        os.close(self.orders)
        with os.fdopen(self.said) as said:
            *lines, last = said.read().splitlines()
        return lines, json.loads(last)["code"]

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


def files_of(nursery: Nursery) -> int:
    assert nursery.process is not None
    return sum(1 for _ in Path(f"/proc/{nursery.process}/fd").iterdir())


def test_a_bridge_that_cannot_start_ends_as_a_process_of_its_own_would(
    nursery: Nursery, tmp_path: Path
) -> None:
    child = Child(nursery, tmp_path, "--config", str(tmp_path / "none.toml"), "--start", "0")
    assert child.last_words() == ([], 1)
    assert "ConfigurationError" in child.log


def test_a_killed_one_is_told_of_and_the_others_live(nursery: Nursery, tmp_path: Path) -> None:
    # what reads its configuration from a pipe that nobody writes to waits for ever
    os.mkfifo(tmp_path / "waits.toml")
    first, second = (
        Child(nursery, tmp_path, "--config", str(tmp_path / "waits.toml"), "--start", "0") for _ in range(2)
    )
    nursery.kill(second.number)
    assert second.last_words() == ([], -9)
    nursery.kill(second.number)  # over already: nobody else is hit
    nursery.kill(first.number)
    assert first.last_words() == ([], -9)


def test_nothing_stays_behind_of_those_that_are_over(nursery: Nursery, tmp_path: Path) -> None:
    counts = []
    for _ in range(3):
        Child(nursery, tmp_path, "--help").last_words()
        Child(nursery, tmp_path, "--config", "none.toml", "--start", "0").last_words()
        counts.append(files_of(nursery))
    assert len(set(counts)) == 1


def test_one_that_was_killed_itself_is_followed_by_another(nursery: Nursery, tmp_path: Path) -> None:
    lines, code = Child(nursery, tmp_path, "--help").last_words()
    assert (lines[0].startswith("usage: victim"), code) == (True, 0)
    old = nursery.process
    assert old is not None
    os.kill(old, 9)
    os.waitid(os.P_PID, old, os.WEXITED | os.WNOWAIT)
    assert Child(nursery, tmp_path, "--help").last_words() == (lines, 0)
    assert nursery.process != old


def test_ctrl_c_ends_the_script_alone(nursery: Nursery, tmp_path: Path) -> None:
    said = Child(nursery, tmp_path, "--help").last_words()
    first = nursery.process
    assert first is not None
    os.kill(first, signal.SIGINT)
    assert Child(nursery, tmp_path, "--help").last_words() == said
    assert nursery.process == first
