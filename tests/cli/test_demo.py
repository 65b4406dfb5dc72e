"""The demo as a newcomer runs it: processes, real mutual TLS, exit code."""

from __future__ import annotations

import argparse
import asyncio
import sys

import pytest

from nexo_bridge.cli import demo
from nexo_bridge.demo.play import Play
from nexo_bridge.demo.stage import Stage


async def test_the_demo_shows_the_main_job_and_succeeds() -> None:
    words = (sys.executable, "-m", "nexo_bridge", "demo", "--think", "0.1")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    for word in ("Login", "QR code", "Refusal", "loses its connection", "Aborted", "kill -9", "Logout"):
        assert word in text
    assert "nothing charged twice: 6 payments" in text
    assert "the same decisions" in text


def test_a_ledger_that_contradicts_makes_it_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(self: Play | Stage) -> None:
        pass

    async def doubled(self: Stage) -> list[dict[str, object]]:
        return [{"amount": 1250, "charges": 2, "creates": 2, "status": "APPROVED", "currency": "EUR"}]

    async def replayed(self: Stage) -> tuple[int, str]:
        return 0, "the same decisions"

    monkeypatch.setattr(Play, "run", nothing)
    monkeypatch.setattr(Stage, "ledger", doubled)
    monkeypatch.setattr(Stage, "replay", replayed)
    assert demo.main(argparse.Namespace(think=0.1)) == 1
    assert "FAILED 1250 was charged 2 times" in capsys.readouterr().out
