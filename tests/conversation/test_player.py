"""A script that does not go as written says where, what was expected and what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexo_bridge.conversation.grammar import parse
from nexo_bridge.conversation.player import Player, ScriptFailed, play
from nexo_bridge.conversation.scenery import Scenery
from nexo_bridge.conversation.transports import Transport

PAID = "POS> Payment ServiceID=7 10.00 EUR\nPLAT: approve\nPOS< Payment Success\n"


async def played(text: str, folder: Path) -> None:
    await play(parse(text), folder, folder)


async def test_a_good_script_says_nothing(tmp_path: Path) -> None:
    await played(PAID, tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (f"{PAID}POS< Payment Success", 4, "POS heard nothing within 600 s"),
        ("POS> Payment 10.00\nPOS< Payment Success", 2, "Success was expected, Failure came"),
        ("POS< nothing", 1, "POS said nothing yet"),
        ("POS< Payment Success", 1, "POS said nothing yet"),
        (f"{PAID}POS> repeat\nPOS< nothing", 5, "POS heard Payment Success"),
        (f"{PAID}POS> repeat ServiceID=9", 4, "there is nothing to repeat"),
        ("POS> Payment ServiceID=7 10.00\nPLAT: decline\nPOS< same answer", 3, "first answer of its kind"),
        (
            f"{PAID}POS> Payment ServiceID=7 11.00\nPOS< same answer",
            5,
            "another answer came: Payment Failure MessageFormat",
        ),
        (
            f"{PAID}POS> TransactionStatus ref=7\nPOS< TransactionStatus Success of Payment Failure",
            5,
            "Failure was",
        ),
        ("POS> TransactionStatus\nPOS< TransactionStatus Failure of same answer", 2, "never heard before"),
        ("PLAT: approve", 1, "nobody is asked to pay"),
        ("PLAT: late", 1, "no create is kept back"),
        ("PLAT: overturn", 1, "ended without approval"),
        ("PLAT: fault explode", 1, "no fault is called"),
        ("POS> raw nothing.xml", 1, "cannot be read"),
        ("POS returns", 1, "POS is nobody yet"),
        ("POS returns by http", 1, "POS is nobody yet"),
        ("POS> Login\nPOS< Login\nPOS returns by http", 3, "POS is not gone"),
        ("POS> Login\nPOS< Login\nPOS comes by http", 3, "say: POS returns by http"),
        ("POS comes by http\nPOS comes by tcp", 2, "say: POS returns by tcp"),
        ("POS drops\nPOS drops", 2, "POS has no connection"),
        ("POS drops\nPOS< Payment", 2, "its connection is over"),
        ("START bridge", 1, "still runs"),
        (f"{PAID}LEDGER 2 payments", 4, "1 rows of the ledger are so; it holds"),
        (f"{PAID}LEDGER 1 payment charges=0", 4, "0 rows"),
        (f"{PAID}EXPECT no call create_card", 4, "call create_card: 1 times, not 0"),
        (f"{PAID}EXPECT journal Fenced", 4, "journal Fenced: 0 times, not 1"),
        (f"{PAID}EXPECT alarm PARKED", 4, "alarm PARKED: 0 times, not 1"),
    ],
)
async def test_where_it_fails_and_why(text: str, line: int, why: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed) as failed:
        await played(text, tmp_path)
    assert (failed.value.line, why in failed.value.why) == (line, True), failed.value.why
    assert failed.value.text == text.splitlines()[line - 1]
    assert f"line {line}: " in str(failed.value)


async def test_what_nobody_asked_for_fails_it_at_its_end(tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match="POS heard more than the script says: Login Success") as failed:
        await played("POS> Login", tmp_path)
    assert failed.value.line == 0


async def test_what_may_come_is_heard_if_it_has(tmp_path: Path) -> None:
    again = f"{PAID}POS> repeat\n"
    await played(f"{PAID}POS< perhaps Payment Success\n", tmp_path / "no")
    await played(f"{again}POS< perhaps Payment Success\nPOS< nothing", tmp_path / "yes")
    await played(f"{again}POS< perhaps Event Completed\nPOS< same answer", tmp_path / "another")


async def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "some.xml").write_text("<SaleToPOIRequest/>", encoding="utf-8")
    await played("POS> raw some.xml\nPOS< Event Reject", tmp_path)


async def test_a_platform_that_charges_after_a_no_breaks_an_invariant(tmp_path: Path) -> None:
    text = "POS> Payment ServiceID=7 10.00\nPLAT: decline\nPOS< Payment Failure Refusal\nPLAT: overturn"
    with pytest.raises(ScriptFailed, match="I3, I5: X3 is Failure and charged"):
        await played(text, tmp_path)


@pytest.mark.parametrize("transport", ["tcp", "http"])
async def test_a_line_is_played_where_its_trait_is(transport: Transport, tmp_path: Path) -> None:
    text = "POS> Login\nPOS< Login Success\nIF line LEDGER 0 payments\nUNLESS line LEDGER 1 payment"
    scenery = Scenery(transport=transport)
    if transport == "tcp":
        await play(parse(text), tmp_path, tmp_path, scenery=scenery)
    else:
        with pytest.raises(ScriptFailed, match="line 4"):
            await play(parse(text), tmp_path, tmp_path, scenery=scenery)


async def test_a_pos_changes_its_way_and_keeps_it(tmp_path: Path) -> None:
    text = """POS> Login
        POS< Login Success
        POS drops
        POS returns by http
        POS drops
        POS returns
        POS> Login
        POS< Login Success"""
    player = Player(parse(text), tmp_path, tmp_path)
    await player.play()
    assert player.stage.tills["POS"].wire.transport == "http"


async def test_a_trait_is_that_of_what_the_script_is_played_over(tmp_path: Path) -> None:
    text = "POS comes by http\nPOS> Login\nPOS< Login Success\nUNLESS line LEDGER 1 payment"
    await played(text, tmp_path)


async def test_what_is_left_of_the_old_way_is_left(tmp_path: Path) -> None:
    text = "POS> Payment ServiceID=7 10.00 EUR\nPOS returns by tcp\nPLAT: approve\nCLOCK +10s\nPOS< nothing"
    await play(parse(text), tmp_path, tmp_path, scenery=Scenery(transport="http"))
