"""F60, F61: ``kill -9`` once at every named point of a payment, a restart, and everybody agrees with the ledger.

De-duplication is off, so that a create sent twice is two charges. With ``KILLS=all`` in the environment every way
is walked with every ending (approved, declined, nobody comes) and killed at every time a point is reached.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.hearing import Heard, repeats
from nexo_bridge.conversation.player import Player
from nexo_bridge.conversation.points import is_point

ALL = os.environ.get("KILLS") == "all"
ENDINGS = ("approve", "decline", "nobody comes")
POIID = "POI00001"
LONG_ENOUGH = 200
"""Seconds after which everything must be certain: more than answer_by and the 60 s of a stop that was lost."""


@dataclass(frozen=True)
class Way:
    """One way a payment goes: what happens up to the customer's choice, and the points it reaches, how often."""

    script: str
    points: str

    def reached(self) -> Iterator[tuple[str, int]]:
        for word in self.points.split():
            name, _, times = word.partition(":")
            yield name, int(times or 1)


BEGINNING = """
    frame.read frame.validated Arrived.taken Found.taken Received.decided Asking.decided
    PlatformAnswered.taken CallPlatform.allowed WakeAt.allowed journal.committing:4 journal.committed:4
"""
END = """
    Settled.decided Reply.allowed Reply.writing answer.half Reply.written Written.taken Delivered.decided
"""
WAYS = {
    "card": Way(
        "POS> Payment ServiceID=7 10.00 EUR",
        f"""{BEGINNING} create_card.sending create_card.answered Acknowledged.decided AlarmRang.taken
        read_card.sending read_card.answered {END}""",
    ),
    "qr": Way(
        "POS> Login ServiceID=1 capabilities=CustomerDisplay\nPOS> Payment ServiceID=7 10.00 EUR qr",
        """LoggedIn.decided create_qr.sending create_qr.answered read_qr.sending read_qr.answered
        terminal_display.sending terminal_display.answered""",
    ),
    "stopped": Way(
        "POS> Payment ServiceID=7 10.00 EUR\nPOS> Abort ServiceID=8 ref=7",
        "Wished.decided terminal_abort.sending terminal_abort.answered",
    ),
    "lost": Way(
        "PLAT: fault lose-create-request\nPOS> Payment ServiceID=7 10.00 EUR",
        "find_card.sending find_card.answered Fenced.decided fence_card.sending fence_card.answered",
    ),
    "parked": Way(
        "PLAT: fault reset x60 at=read_card\nPOS> Payment ServiceID=7 10.00 EUR",
        "Parked.decided PARKED.raised terminal_status.sending terminal_status.answered",
    ),
}


def kills() -> Iterator[tuple[str, str, int, str]]:
    for way, it in WAYS.items():
        for point, times in it.reached():
            for ending in ENDINGS if ALL else ENDINGS[:1]:
                for n in range(1, times + 1):
                    yield way, point, n, ending


async def walk(player: Player, text: str) -> None:
    """The lines of ``text``, as far as the bridge lives."""
    for line in parse(text).lines:
        if player.stage.alive:
            await player.do(line)


async def customer(player: Player, ending: str) -> None:
    """Whoever is asked to pay does so."""
    terminals = player.stage.sandbox.terminals()
    if ending in ENDINGS[:2] and any((one["poiid"], one["state"]) == (POIID, "BUSY") for one in terminals):
        player.stage.act(POIID, ending)


async def let_pass(player: Player, seconds: int, ending: str) -> None:
    """Time, with customers in it, as long as the bridge lives."""
    until = player.stage.clock.passed + seconds
    while player.stage.alive and await player.stage.tick(until):
        await customer(player, ending)


async def asked(player: Player, text: str) -> Heard:
    """What a POS hears next after ``text``; displays that it was shown before are not what it asked for."""
    player.stage.tills["POS"].inbox.clear()
    await walk(player, text)
    return await player.next_heard("POS")


def charges(player: Player) -> int:
    return sum(row["charges"] for row in player.stage.ledger())


@pytest.mark.parametrize(("way", "point", "times", "ending"), list(kills()))
async def test_killed_once(way: str, point: str, times: int, ending: str, tmp_path: Path) -> None:
    player = Player(parse("KILL bridge"), tmp_path, tmp_path)
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


async def again(player: Player, script: str, told: Heard, ending: str) -> Heard:
    """The same words, which are the same request: its stored answer; or a payment, if it never was accepted."""
    player.stage.tills["POS"].inbox.clear()
    rows = len(player.stage.ledger())
    await walk(player, next(line for line in script.splitlines() if "Payment" in line))
    await customer(player, ending)
    heard = await player.next_heard("POS")
    while not heard.is_response:
        heard = await player.next_heard("POS")
    new = len(player.stage.ledger()) - rows
    assert new <= (told.condition == "NotFound"), "the repeat started something that had been accepted before"
    return heard


@pytest.mark.parametrize("way", WAYS)
async def test_every_point_of_the_way_is_walked(way: str, tmp_path: Path) -> None:
    """What one way reaches, some way kills at; what is reached is a point that the page lists."""
    player = Player(parse("KILL bridge"), tmp_path, tmp_path)
    async with player:
        await walk(player, WAYS[way].script)
        await customer(player, "approve")
        await let_pass(player, LONG_ENOUGH, "approve")
        reached = player.stage.points()
    killed = {point for one in WAYS.values() for point, _ in one.reached()}
    assert {point for point, _ in WAYS[way].reached()} <= set(reached)
    assert set(reached) - killed <= {"Started.taken", "Forget.allowed", "Lookup.allowed"}
    assert [name for name in reached if not is_point(name)] == []
