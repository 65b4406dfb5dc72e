"""The token endpoint or the result channel dies at each step of a payment; half a minute later it lives again.

At the named point, whichever task reaches it: tokens are refused and no other is to be had, or the stream is cut and
refused, or webhooks are sent nowhere and lost. The payment ends right, the terminal beside it pays meanwhile, and
so does the next customer. I1 to I7 are checked as after every play; I8: the other terminal; I9: the status says at
which terminal what is wrong while it is, and without a restart that all is well again. ``test_kill`` kills the process,
with each channel and grant (I10). With ``KILLS=all`` every way is walked with every ending, and broken at every time a
point is reached.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from nexo_bridge.conversation.bridge import HostedBridge
from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.hearing import repeats
from nexo_bridge.conversation.player import Player
from nexo_bridge.conversation.scenery import SECRET, USUAL, Scenery
from nexo_bridge.sandbox.server import WEBHOOK_PATH, Sandbox
from tests.faults.ways import (
    ENDINGS,
    LONG_ENOUGH,
    POIID,
    WAYS,
    again,
    asked,
    charges,
    customer,
    let_pass,
    walk,
)
from tests.products import chosen

BESIDE = "POI00002"
MANY = 9999
DOWN = 30
"""Seconds until what died lives again."""

BROKEN = {
    "token": (Scenery("mtls", "poll"), Scenery("password", "poll"), Scenery("custom_token", "poll")),
    "stream": (Scenery("mtls", "stream"), Scenery("custom_token", "stream")),
    "webhook": (Scenery("mtls", "webhook"), Scenery("password", "webhook")),
}
READ = {"read_card.sending", "read_card.answered", "read_qr.sending", "read_qr.answered"}
"""Points that a payment reaches only if no stream tells its end before; an alarm rings if no channel does."""


def ways(all_of_them: bool) -> list[str]:
    return [way for way in WAYS if WAYS[way].scenery == USUAL] if all_of_them else ["card"]


def breaks(all_of_them: bool) -> Iterator[tuple[str, Scenery, str, str, int, str]]:
    """What breaks, before which scenery, on which way, at which point, the how manieth time, and how it ends."""
    turn = 0
    for way, broken in product(ways(all_of_them), BROKEN):
        for point, times in WAYS[way].reached():
            if point.startswith("journal.") or point == "answer.half":
                continue  # of another thread, and of a process that dies
            told = broken == "stream"
            sceneries = BROKEN[broken][1:] if told and way == "parked" else BROKEN[broken]
            alarm = broken != "token" and point == "AlarmRang.taken"
            endings = ENDINGS[2:] if alarm or (told and point in READ) else ENDINGS
            each = (
                product(range(1, times + 1), endings) if all_of_them else [(1, endings[turn % len(endings)])]
            )
            for n, ending in each:
                turn += 1
                yield broken, sceneries[turn % len(sceneries)], way, point, n, ending


class Breaker:
    """Breaks it at a point, once."""

    def __init__(self, player: Player, broken: str, point: str, times: int) -> None:
        self._player = player
        self._broken = broken
        self._point, self._left = point, times
        self._thread = threading.get_ident()
        self.done = False

    def __call__(self, name: str) -> None:
        assert name.startswith("journal.") or threading.get_ident() == self._thread
        if name == self._point:
            self._left -= 1
            if self._left == 0:
                self.done = True
                self.put(out_of_order=True)

    def put(self, *, out_of_order: bool) -> None:
        sandbox: Sandbox = self._player.stage.sandbox
        bridge = self._player.stage.bridge
        assert bridge is not None
        match self._broken:
            case "token":
                for fault in ("unauthorised-once", "token-down"):
                    sandbox.inject(fault, POIID, times=MANY if out_of_order else 0)
            case "stream":
                sandbox.streams.put(out_of_order=out_of_order)
            case _:
                address = f"https://{bridge.status.webhook}{WEBHOOK_PATH}"
                sandbox.set_webhook(None if out_of_order else address, SECRET)


@pytest.mark.parametrize(
    ("broken", "scenery", "way", "point", "times", "ending"), chosen("KILLS", breaks), ids=str
)
async def test_broken_once(
    broken: str, scenery: Scenery, way: str, point: str, times: int, ending: str, tmp_path: Path
) -> None:
    player = Player(parse("POS> Login"), tmp_path, tmp_path, scenery=scenery)
    async with player:
        stage = player.stage
        breaker = stage.at_point = Breaker(player, broken, point, times)
        await walk(player, WAYS[way].script)
        await customer(player, ending)
        await let_pass(player, LONG_ENOUGH if not breaker.done else 1, ending)
        assert breaker.done, f"{point} was not reached {times} times"

        await let_pass(player, DOWN, ending)
        await pays_beside(player)
        bridge = stage.bridge
        assert isinstance(bridge, HostedBridge)
        await told_that_it_is_down(player, bridge, broken)
        breaker.put(out_of_order=False)
        stage.sandbox.inject("reset", times=0)
        await let_pass(player, LONG_ENOUGH, ending)

        told = await asked(player, "POS> TransactionStatus ServiceID=98 ref=7")
        repeated = await again(player, WAYS[way].script, told, ending)
        assert repeats(told, repeated), f"{told} | {repeated}"
        mine = [row for row in stage.ledger() if row["POIID"] == POIID]
        assert sum(row["charges"] for row in mine) == (repeated.result == "Success"), f"{repeated}: {mine}"
        await pays(player, "POS", POIID)
        await pays_beside(player)
        assert bridge.health()["health"] == "ok", bridge.health()
        assert charges(player) == 3 + (repeated.result == "Success")
        player.stage.tills["POS"].inbox.clear()
        await player.check()


async def told_that_it_is_down(player: Player, bridge: HostedBridge, broken: str) -> None:
    """I9: the status says so, with the reason, at the terminals concerned and at no other."""
    sandbox: Sandbox = player.stage.sandbox
    if broken == "token" and sandbox.pending_faults()["token-down"] == MANY:
        # Nobody has needed a token since: what ran had ended, and the one that is held still looks good.
        assert bridge.health()["health"] == "ok", bridge.health()
        refused = await asked(player, "POS> Payment ServiceID=97 4.00 EUR")
        assert (refused.result, refused.condition) == ("Failure", "UnreachableHost"), str(refused)
    status = bridge.health()
    assert (status["health"], status["takes_payments"]) == ("degraded", True), status
    mine, beside = (
        next(one for one in status["terminals"] if one["poiid"] == poiid) for poiid in (POIID, BESIDE)
    )
    assert beside["session"] == "ok"
    if broken == "token":
        assert mine["session"] == "out of order"
        assert mine["last_error"].startswith("TOKEN: the token endpoint answered 503")
        assert mine["problem"] in mine["last_error"]
    else:
        down = [mine, beside] if broken == "stream" else [beside]  # of a webhook only who was not told knows
        assert all(not one["channel"]["up"] and one["channel"]["problem"] for one in down), status


async def pays_beside(player: Player) -> None:
    """Another till at another terminal, which nothing of this concerns."""
    await pays(player, "POS2", BESIDE)


async def pays(player: Player, pos: str, poiid: str) -> None:
    if pos in player.stage.tills:
        player.stage.tills[pos].inbox.clear()
    await walk(player, f"{pos}> Payment 3.00 EUR POIID={poiid}\nPLAT: approve POIID={poiid}")
    heard = await player.next_heard(pos)
    assert heard.result == "Success", str(heard)
