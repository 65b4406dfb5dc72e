"""The stage by itself: what cannot be done is told, and time passes in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexo_bridge.conversation.stage import Stage, StageError

POIID = "POI00001"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_without_a_bridge_nobody_connects(stage: Stage) -> None:
    assert not stage.alive
    with pytest.raises(StageError, match="START bridge"):
        await stage.till("POS")


async def test_there_is_one_bridge_at_a_time(stage: Stage) -> None:
    await stage.start_bridge()
    assert stage.alive
    with pytest.raises(StageError, match="still runs"):
        await stage.start_bridge()


async def test_a_till_comes_with_its_first_word_and_returns_only_when_asked(stage: Stage) -> None:
    await stage.start_bridge()
    till = await stage.till("POS")
    assert await stage.till("POS") is till
    await stage.drop(till)
    with pytest.raises(StageError, match="POS returns"):
        await stage.till("POS")
    await stage.connect(till)
    assert till.connected
    assert stage.times_reached("PosGone.taken") == 1


async def test_nobody_pays_who_was_not_asked(stage: Stage) -> None:
    with pytest.raises(StageError, match="nobody is asked to pay at POI00001"):
        stage.act(POIID, "approve")


async def test_time_goes_from_one_thing_to_the_next(stage: Stage) -> None:
    await stage.start_bridge()
    rang = list[float]()
    for after in (5.0, 2.0):
        stage.clock.call_later(after, lambda: rang.append(stage.clock.passed))
    assert await stage.tick(60)
    assert rang == [2.0]
    await stage.advance(58)
    assert rang == [2.0, 5.0]
    assert stage.clock.passed == 60
    assert not await stage.tick(60)


async def test_the_ledger_names_terminals(stage: Stage) -> None:
    assert stage.ledger() == []
    assert stage.points() == {}
