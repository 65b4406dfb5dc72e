"""Sceneries by themselves, and that a script's results do come the way its scenery says."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.player import Player
from nexo_bridge.conversation.scenery import CHANNELS, GRANTS, Scenery, every

SLOW = "SET terminals.POI00001.watchdog=60\n"
PAID = f"{SLOW}POS> Payment ServiceID=7 10.00 EUR\nPLAT: approve\nPOS< Payment Success\n"


@pytest.mark.parametrize("own_process", [False, True])
@pytest.mark.parametrize("scenery", every(), ids=str)
async def test_results_come_by_the_channel_and_with_the_grant(
    scenery: Scenery, tmp_path: Path, *, own_process: bool
) -> None:
    """Long before the watchdog would read; a webhook, and a stream without a certificate, make it read at once."""
    text = f"{PAID}KILL bridge\n" if own_process else PAID
    player = Player(parse(text), tmp_path, tmp_path, scenery=scenery)
    await player.play()
    assert player.stage.settings.terminals["POI00001"].grant == scenery.grant
    pushed, read = (player.stage.times_reached(name) for name in ("PlatformEvent.taken", "read_card.sending"))
    assert bool(pushed) == (scenery.results != "poll")
    assert bool(read) == (scenery.results != "stream" or scenery.grant == "custom_token")
    assert player.stage.clock.passed < 5


@pytest.mark.parametrize("scenery", every(channels=("stream", "webhook")), ids=str)
async def test_after_a_restart_too(scenery: Scenery, tmp_path: Path) -> None:
    text = f"""{SLOW}
        POS> Payment ServiceID=7 10.00 EUR
        KILL bridge
        START bridge
        PLAT: approve
        POS returns
        CLOCK +2s
        POS> TransactionStatus ref=7
        POS< TransactionStatus Success of Payment Success"""
    player = Player(parse(text), tmp_path, tmp_path, scenery=scenery)
    await player.play()
    assert player.stage.times_reached("PlatformEvent.taken")


def test_its_name_says_what_is_unusual() -> None:
    assert str(Scenery()) == ""
    assert str(Scenery(dedup=True)) == "dedup"
    assert str(Scenery("password", "stream", dedup=True)) == "password-stream-dedup"


def test_each_grant_goes_with_each_channel_once() -> None:
    assert len(set(every())) == len(every()) == len(GRANTS) * len(CHANNELS)
    assert every()[0] == Scenery()


@pytest.mark.parametrize(
    ("only", "suiting"),
    [
        ("", 9),
        ("poll", 3),
        ("poll webhook", 6),
        ("password", 3),
        ("password poll", 1),
        ("mtls password stream", 2),
    ],
)
def test_what_is_not_named_of_a_kind_is_all_of_it(only: str, suiting: int) -> None:
    assert sum(one.suits(only.split()) for one in every()) == suiting
