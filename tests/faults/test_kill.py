"""F60, F61: ``kill -9`` once at every named point of a payment, a restart, and everybody agrees with the ledger.

De-duplication is off, so that a create sent twice is two charges. With ``KILLS=all`` in the environment every way
is walked with every ending (approved, declined, nobody comes); with ``KILLS=rest``, only what is left of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.hearing import repeats
from nexo_bridge.conversation.player import Player
from nexo_bridge.conversation.points import is_point
from tests.faults.ways import (
    ENDINGS,
    LONG_ENOUGH,
    WAYS,
    again,
    asked,
    charges,
    customer,
    let_pass,
    walk,
)
from tests.products import chosen


def kills(all_of_them: bool) -> Iterator[tuple[str, str, int, str]]:
    for way, it in WAYS.items():
        for point, times in it.reached():
            for ending in ENDINGS if all_of_them else ENDINGS[:1]:
                for n in range(1, times + 1):
                    yield way, point, n, ending


@pytest.mark.parametrize(("way", "point", "times", "ending"), chosen("KILLS", kills))
async def test_killed_once(way: str, point: str, times: int, ending: str, tmp_path: Path) -> None:
    player = Player(parse("KILL bridge"), tmp_path, tmp_path, scenery=WAYS[way].scenery)
    async with player:
        await walk(player, f"KILL bridge at {point} x{times}\n{WAYS[way].script}")
        await customer(player, ending)
        await let_pass(player, LONG_ENOUGH, ending)
        assert not player.stage.alive, f"{point} was not reached {times} times"

        for till in player.stage.tills.values():
            till.inbox.clear()
        player.stage.sandbox.inject("reset", times=0)
        await player.stage.start_bridge()
        await walk(player, "POS returns")
        await let_pass(player, LONG_ENOUGH, ending)
        told = await asked(player, "POS> TransactionStatus ServiceID=98 ref=7")
        repeated = await again(player, WAYS[way].script, told, ending)
        assert told.condition == "NotFound" or repeats(told, repeated), f"{told} | {repeated}"
        paid = repeated.result == "Success"
        assert charges(player) == paid, f"{repeated}: {player.stage.ledger()}"
        if told.condition != "NotFound":
            again_told = await asked(player, "POS> TransactionStatus ServiceID=99")
            assert repeats(again_told, repeated)
        player.stage.tills["POS"].inbox.clear()
        await player.check()


@pytest.mark.parametrize("way", WAYS)
async def test_every_point_of_the_way_is_walked(way: str, tmp_path: Path) -> None:
    """What one way reaches, some way kills at; what is reached is a point that the page lists."""
    player = Player(parse("KILL bridge"), tmp_path, tmp_path, scenery=WAYS[way].scenery)
    async with player:
        await walk(player, WAYS[way].script)
        await customer(player, "approve")
        await let_pass(player, LONG_ENOUGH, "approve")
        reached = player.stage.points()
    killed = {point for one in WAYS.values() for point, _ in one.reached()}
    assert {point for point, _ in WAYS[way].reached()} <= set(reached)
    assert set(reached) - killed <= {"Started.taken", "Forget.allowed", "Lookup.allowed"}
    assert [name for name in reached if not is_point(name)] == []
