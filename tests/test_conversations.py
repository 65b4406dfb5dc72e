"""Every conversation script, against a whole bridge and platform.

Each is played with client certificates and polling, over TCP in XML, on a platform that de-duplicates too where it says
so, with one other pair of grant and result channel, and with one other pair of transport and form, so that all of them
together cover every pair. With ``SCENERIES=all`` in the environment each is played over every transport in XML and in
JSON, and a script about payments with every grant and channel too; with ``SCENERIES=rest``, what is left of that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import Say, Script, parse
from nexo_bridge.conversation.player import play
from nexo_bridge.conversation.scenery import FORMS, Scenery, every, ways
from nexo_bridge.conversation.transports import TRANSPORTS, want_broker
from tests.broker import Broker, running
from tests.products import chosen

FOLDER = Path(__file__).parent / "conversations"
SCRIPTS = sorted(FOLDER.glob("*.conv"))


def pays(script: Script) -> bool:
    said = [line.statement.request for line in script.lines if isinstance(line.statement, Say)]
    return "Payment" in said


def sceneries(name: str, script: Script, all_of_them: bool) -> Iterator[Scenery]:
    """What a script is played before; the one pair is chosen by its name, so that a new script changes no other."""
    first, *others = (one for one in every() if one.suits(script.only))
    yield first
    if script.dedup:
        yield replace(first, dedup=True)
    over = [one for one in ways() if one != first and one.suits(script.only)]
    chosen = over[zlib.crc32(name.encode()) % len(over)] if over else None
    if chosen is not None:
        yield chosen
    if all_of_them:  # with an envelope or without is one code
        yield from (one for one in over if one.form != "json-bare" and one != chosen)
    if not pays(script):
        return
    if all_of_them:
        yield from others
    elif others:
        yield others[zlib.crc32(name.encode()) % len(others)]


def plays(all_of_them: bool) -> Iterator[tuple[str, Script, Scenery]]:
    for path in SCRIPTS:
        script = parse(path.read_text(encoding="utf-8"))
        for scenery in sceneries(path.stem, script, all_of_them):
            yield path.stem, script, scenery


@pytest.fixture(scope="module")
def one_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all plays: each has topics of its own."""
    with running(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.mark.parametrize(
    ("script", "scenery"),
    [
        pytest.param(script, scenery, id="-".join(filter(None, (name, str(scenery)))))
        for name, script, scenery in chosen("SCENERIES", plays)
    ],
)
async def test_it_goes_as_written(
    script: Script, scenery: Scenery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if want_broker({scenery.transport, *script.ways}):
        broker: Broker = request.getfixturevalue("one_broker")
        scenery = replace(scenery, broker=("127.0.0.1", broker.port))
    await play(script, tmp_path, FOLDER, scenery=scenery)


@pytest.mark.parametrize("killing", [False, True])
def test_together_they_are_played_with_every_grant_and_channel(*, killing: bool) -> None:
    played = {scenery for _, script, scenery in plays(all_of_them=False) if script.kills == killing}
    assert played >= set(every())


def test_together_they_are_played_over_every_transport_in_every_form() -> None:
    assert {scenery for _, _, scenery in plays(all_of_them=False)} >= set(ways())


def test_every_transport_sees_the_bridge_killed() -> None:
    played = {scenery for _, script, scenery in plays(all_of_them=False) if script.kills}
    assert {scenery.transport for scenery in played} == set(TRANSPORTS)
    assert {scenery.form for scenery in played} == set(FORMS)


def test_together_they_have_a_pos_change_to_every_transport() -> None:
    assert {way for _, script, _ in plays(all_of_them=False) for way in script.ways} == set(TRANSPORTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_says_which_rule_it_proves(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    rule = path.stem.partition("-")[0]
    assert first.startswith("# ")
    assert rule in first
