"""When a victim dies, and what it does first."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from nexo_bridge.conversation.victim import Doom


def test_it_dies_at_the_nth_time_and_says_its_last_words_before(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(os, "kill", lambda process, number: done.append(f"kill {process} {number}"))
    doom = Doom()
    doom.last_words = lambda: done.append("last words")
    doom.reached("Asking.decided")
    doom.await_("Asking.decided", 2)
    doom.reached("Received.decided")
    doom.reached("Asking.decided")
    assert done == []
    doom.reached("Asking.decided")
    assert done == ["last words", f"kill {os.getpid()} {int(signal.SIGKILL)}"]


def test_a_commit_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread cannot wait for itself."""
    done: list[str] = []
    monkeypatch.setattr(os, "kill", lambda *_: done.append("kill"))
    doom = Doom()
    doom.last_words = lambda: done.append("last words")
    doom.await_("journal.committing", 1)
    doom.reached("journal.committing")
    assert done == ["kill"]


def test_half_an_answer_is_written_only_for_the_last_one() -> None:
    doom = Doom()
    assert not doom.halves()
    doom.await_("answer.half", 2)
    assert not doom.halves()
    doom.reached("answer.half")
    assert doom.halves()


async def test_a_configuration_it_cannot_read_ends_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nexo_bridge.conversation.victim", "--config", str(tmp_path / "none.toml"),
        "--start", "0", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complained = await process.communicate()
    assert process.returncode == 1
    assert said == b""
    assert b"ConfigurationError" in complained
