"""``nexo-bridge resolve`` as a person types it; what it decides is tested with the core and the desk."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults import words
from tests.faults.daemon import POIID, Site, command, daemon, site

HURRIED = """
[deadlines]
platform_limit = 0.2
customer_time = 0.3
answer_by = 0.4
pos_timeout = 0.5
"""


async def resolve(here: Site, *more: str, exchange: str = "X99") -> tuple[int, str]:
    typed = ("resolve", exchange, "--config", str(here.config), "--by", "Ada", "--why", "looked", *more)
    code, out, errors = await command(*typed, cwd=here.folder)
    return code, (out + errors).decode()


async def test_a_running_bridge_answers_over_its_socket(tmp_path: Path) -> None:
    async with site(tmp_path) as here, daemon(here.config) as bridge:
        code, text = await resolve(here, "--paid")
        assert (code, text) == (
            1,
            "X99 is not an unresolved exchange; nexo-bridge journal list shows them.\n",
        )
        assert await bridge.stop() == 0


async def test_a_stopped_one_is_done_without_and_one_that_does_not_answer_keeps_the_journal(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        async with daemon(here.config) as bridge:
            (here.folder / "journal.control").unlink()
            code, text = await resolve(here, "--not-paid")
            assert code == 75
            assert len(text.splitlines()) == 1
            assert await bridge.stop() == 0
        code, text = await resolve(here, "--not-paid", "--i-have-checked-the-platform")
        assert code == 1
        assert text.startswith("X99 is not an unresolved exchange")


async def test_paid_or_not_paid_must_be_said(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code, _ = await resolve(here)
        assert code == 2


async def test_r12_the_way_out_of_unknown_with_the_bridge_running_and_stopped(tmp_path: Path) -> None:
    """A platform without a fence loses two creates: no program can prove that nobody paid."""
    sure = "--i-have-checked-the-platform"
    async with site(tmp_path) as here:
        here.write(lambda text: text.replace('"demo"', '"demo"\nfence = false') + HURRIED)
        async with daemon(here.config) as bridge:
            till = await bridge.logged_in()
            here.sandbox.inject("lose-create-request")
            await till.send(words.payment("11", "KASSE1", POIID, "12.50"))
            await bridge.says(b"PARKED")
            told = await till.ask(words.status("12", "KASSE1", POIID, "11"))
            assert (told.result, told.condition) == ("Failure", "InProgress")
            first = await unknown(here)

            code, text = await resolve(here, "--not-paid", exchange=first)
            assert (code, text.startswith("Nothing proves that it was not paid.")) == (1, True)
            code, text = await resolve(here, "--not-paid", sure, exchange=first)
            assert (code, text) == (0, f"{first} is settled as not paid.\n")
            answer = await till.hear()
            assert (answer.service, answer.result, answer.code) == ("11", "Failure", "NB-318")
            told = await till.ask(words.status("13", "KASSE1", POIID, "11"))
            assert told.inner == ("Failure", answer.condition)
            assert (await resolve(here, "--paid", exchange=first))[0] == 1  # settled is settled (R8)

            bridge.errors = b""
            here.sandbox.inject("lose-create-request")
            await till.send(words.payment("21", "KASSE1", POIID, "3.00"))
            await bridge.says(b"PARKED")
            second = await unknown(here)
            assert second != first
            assert await bridge.stop() == 0

        assert (await resolve(here, "--not-paid", exchange=second))[0] == 1
        assert await resolve(here, "--not-paid", sure, exchange=second) == (
            0,
            f"{second} is settled as not paid.\n",
        )
        async with daemon(here.config) as bridge:
            till = await bridge.line()
            told = await till.ask(words.status("22", "KASSE1", POIID, "21"))
            assert (told.result, told.inner) == ("Success", ("Failure", "Refusal"))
            await till.usable()
            assert await bridge.stop() == 0
        assert [row["charges"] for row in here.sandbox.ledger()] == [1]
        code, out, _ = await command("replay", "journal.sqlite", cwd=here.folder)
        assert (code, out.split(b":")[0]) == (0, b"the same decisions")
        code, out, _ = await command(
            "journal", "show", second, "--journal", "journal.sqlite", cwd=here.folder
        )
        assert code == 0
        assert b"Ada" in out


async def unknown(here: Site) -> str:
    """The one exchange in hand."""
    _, out, _ = await command("status", "--json", "--config", str(here.config), cwd=here.folder)
    (one,) = json.loads(out)["exchanges"]
    assert one["state"] == "parked"
    return str(one["exchange"])
