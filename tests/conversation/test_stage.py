"""The stage by itself: what cannot be done is told, and time passes in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nexo_bridge.conversation.scenery import Scenery
from nexo_bridge.conversation.stage import Stage, StageError
from nexo_bridge.conversation.transports import Transport

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


@pytest.mark.parametrize(("transport", "way"), [("mqtt3", "tcp"), ("tcp", "mqtt5")])
def test_mqtt_needs_a_broker(transport: Transport, way: Transport, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="MQTT needs a broker"):
        Stage(tmp_path, scenery=Scenery(transport=transport), ways=[way])


async def test_nobody_comes_where_the_bridge_does_not_listen(stage: Stage) -> None:
    await stage.start_bridge()
    with pytest.raises(StageError, match="does not listen for http"):
        await stage.till("POS", "http")


async def test_two_kinds_of_wires_do_not_disturb_each_other(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ways=["http"])
    await stage.open()
    try:
        await stage.start_bridge()
        line, posts = await stage.till("POS"), await stage.till("POS2", "http")
        assert (line.has("line"), posts.has("line")) == (True, False)
        await stage.send(posts, b"<a/>", ("S2", POIID, "1"), "Login")  # its end is no end of the line
        await stage.send(line, b"<a/>", ("S1", POIID, "1"), "Login")
        await stage.drop(line)
        assert not line.connected
        assert stage.bridge is not None
        assert stage.bridge.status.gone == (line.connection,)
        assert len(posts.inbox) == 1  # waited for, though what the other one said may be lost
        await stage.connect(posts, "tcp")
        assert posts.has("line")
        assert posts.connection != line.connection
    finally:
        await stage.close()
