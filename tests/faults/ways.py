"""The ways a payment can go, the points each reaches, and those who act in it; for tests that break something there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.conversation.player import Player
from nexo_bridge.conversation.scenery import USUAL, Scenery

ENDINGS = ("approve", "decline", "nobody comes")
POIID = "POI00001"
LONG_ENOUGH = 200
"""Seconds after which everything must be certain: more than answer_by and the 60 s of a stop that was lost."""


@dataclass(frozen=True)
class Way:
    """One way a payment goes: what happens up to the customer's choice, and the points it reaches, how often."""

    script: str
    points: str
    scenery: Scenery = USUAL

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
    "told by stream": Way(
        "POS> Payment ServiceID=7 10.00 EUR",
        "PlatformEvent.taken:2 Accept.allowed:2 Acknowledged.decided Settled.decided Reply.written",
        Scenery("password", "stream"),
    ),
    "told by webhook": Way(
        "POS> Payment ServiceID=7 10.00 EUR",
        "PlatformEvent.taken:2 Accept.allowed:2 Acknowledged.decided read_card.sending read_card.answered",
        Scenery("custom_token", "webhook"),
    ),
}


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
        await player.stage.settle()


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
