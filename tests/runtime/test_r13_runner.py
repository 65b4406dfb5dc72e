"""R13 in the loop: an acknowledgement overtakes neither the entries it stands for nor the answer."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.core.journal import FORMAT
from nexo_bridge.core.signals import Started
from nexo_bridge.runtime.replay import Difference, replay
from tests.core.words import approved, payment, status
from tests.faults.stage import KEYS
from tests.runtime.memory_ports import settle_down
from tests.runtime.test_runner import Stage, stage

__all__ = ["stage"]  # the fixture
RECORDED = Path(__file__).parents[1] / "corpus" / "journals" / "format-1.journal"


async def test_r13_a_money_request_is_acknowledged_when_its_entry_is_on_disk(stage: Stage) -> None:
    stage.runner.feed(payment(ack=7))
    stage.journal.held = True  # what the look-up leads to is not on disk yet
    await settle_down()
    assert stage.writer.acknowledged == []
    stage.journal.sync()
    await settle_down()
    assert stage.writer.acknowledged == [7]
    assert stage.platform.asked == ["create_card"]


async def test_r13_a_broken_journal_acknowledges_nothing(stage: Stage) -> None:
    stage.runner.feed(payment(ack=7))
    stage.journal.held = True
    await settle_down()
    stage.journal.fail()
    stage.runner.journal_broke("gone")
    await settle_down()
    assert stage.writer.acknowledged == []


async def test_r13_an_answer_is_out_before_its_question_is_acknowledged(stage: Stage) -> None:
    stage.runner.feed(status(of="9", ack=7))
    await settle_down()
    assert len(stage.writer.written) == 1
    assert stage.writer.acknowledged == [7]
    assert stage.points.index("Reply.written") < stage.points.index("Accept.allowed")


async def test_r13_what_joins_after_a_restart_waits_for_its_own_input(stage: Stage) -> None:
    await stage.pay(ack=7)
    stage.runner.feed(Started(open=await stage.journal.open_exchanges()))
    await settle_down()
    stage.journal.held = True
    stage.runner.feed(payment(ack=8))
    await settle_down()
    assert stage.writer.acknowledged == [7]
    stage.journal.sync()
    await settle_down()
    assert stage.writer.acknowledged == [7, 8]


async def test_r13_what_the_core_fails_over_is_acknowledged_or_it_would_come_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.bridge, "handle", lambda *_: 1 / 0)
    stage.runner.feed(payment(ack=7))
    await settle_down()
    assert stage.writer.acknowledged == [7]


def replayed(path: Path) -> Difference | None:
    with JournalReader(path, KEYS) as reader:
        return replay(reader.entries()).difference


async def test_a_journal_of_format_1_replays_and_is_taken_up(tmp_path: Path, stage: Stage) -> None:
    """Recorded before there were places that outlive connections; its last payment was not answered."""
    path = tmp_path / "old.sqlite"
    shutil.copy(RECORDED, path)
    assert await asyncio.to_thread(replayed, path) is None
    journal = await SqliteJournal.open(path, KEYS, configuration={})
    try:
        opened = await journal.open_exchanges()
        stage.runner.feed(Started(open=opened))
        await settle_down()
        assert stage.platform.asked[0].startswith(("find", "read"))
        assert {entry.format for history in opened for entry in history.entries} == {FORMAT}
        stage.platform.answer("read_card", approved(stage.bridge.in_hand()[0]["key"]))
    finally:
        await journal.close()
