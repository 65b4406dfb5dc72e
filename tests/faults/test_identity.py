"""Who says what: frames captured and sent again (H31), another till's ids (H30), words that are made to lie (H34)."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexo_bridge.runtime.telemetry import configure_logging
from tests.faults import words
from tests.faults.stage import POIID, stage

DAY = 86_400.0


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the daemon would write to standard error, one JSON object a line."""
    import structlog

    before = structlog.get_config()
    stream = io.StringIO()
    configure_logging("json", "debug", stream, journald=False)
    yield stream
    structlog.configure(**before)


def records(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_h31_a_captured_payment_sent_again_after_a_restart_is_answered_and_not_charged(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        captured = till.payment("11", "12.50")
        answer = await till.ask(captured)
        rows = it.sandbox.ledger()
        await it.restart()
        thief = await it.till()
        for _ in range(3):
            assert (await thief.ask(captured)).data == answer.data
        assert it.sandbox.ledger() == rows
        await it.usable(thief)


async def test_h31_a_captured_payment_under_a_new_service_id_is_refused_as_paid(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.pay("11", "12.50")
        await it.restart()
        thief = await it.till()
        answer = await thief.pay("12", "12.50", transaction="B-11")
        assert (answer.result, answer.condition, answer.code) == ("Failure", "NotAllowed", "NB-205")
        assert len(it.sandbox.ledger()) == 1
        await it.usable(thief)


@pytest.mark.parametrize("days", [6.9, 8, 400])
async def test_h31_a_captured_payment_sent_again_after_days(days: float, tmp_path: Path) -> None:
    """Within the key window the answer is repeated; whatever comes later, no money moves without the customer."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        captured = till.payment("11", "12.50")
        first = await till.ask(captured)
        await it.advance(days * DAY)
        await it.journal.prune(it.time.wall())
        await it.restart()
        thief = await it.till()
        it.sandbox.hold(POIID)
        answer = await thief.ask(captured)
        if days < 7:
            assert answer.data == first.data
        else:
            assert (answer.result, answer.condition) == ("Failure", "Cancel"), str(answer)
        assert sum(row["charges"] for row in it.sandbox.ledger()) == 1
        it.sandbox.release(POIID)
        assert (await thief.pay("900", "7.77")).result == "Success"


async def test_h31_a_captured_login_or_logout_moves_no_money(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        thief = await it.till()
        logout = words.request(words.header("Logout", "12", "KASSE1", POIID), "<LogoutRequest/>")
        assert (await thief.ask(logout)).condition == "Busy"
        await thief.login("1")
        answer = await till.hear()
        assert (answer.service, answer.result) == ("11", "Success")
        await it.usable(till)


async def test_h30_another_tills_payment_is_neither_told_nor_stopped(tmp_path: Path) -> None:
    """A wish reaches only exchanges of its own SaleID (rule R6)."""
    async with stage(tmp_path) as it:
        till, other = await it.logged_in(), await it.logged_in("KASSE2")
        await till.send(till.payment("11", "12.50"))
        refused = await other.ask(words.abort("12", "KASSE2", POIID, "11"))
        assert (refused.category, refused.event) == ("Event", "Reject")
        told = await other.status("13")
        assert told.condition == "NotFound"
        answer = await till.hear()
        assert answer.result == "Success"
        await it.usable(till)


FORGERIES = {
    "a new line": "A&#10;level=critical event=forged",
    "a carriage return": "A&#13;forged",
    "an escape": "A\N{CONTROL SEQUENCE INTRODUCER}31mforged",
    "bidi": "A\N{RIGHT-TO-LEFT OVERRIDE}degrof",
    "a line separator": "A\N{LINE SEPARATOR}forged",
    "a next line": "A\N{NEXT LINE}forged",
    "quotes": "A&quot; event=forged x=&quot;",
    "percent": "A%s%(levelname)s{0}{event}",
    "a zero width": "A\N{ZERO WIDTH SPACE}B\N{ZERO WIDTH NO-BREAK SPACE}",
}


FIELDS = ("SaleID", "ServiceID", "POIID", "TransactionID", "AbortReason", "element")


def lying(field: str, forged: str, service: str) -> tuple[bytes, bytes]:
    """A Login and a request whose ``field`` is ``forged``."""
    ids = {"SaleID": "KASSE1", "ServiceID": service, "POIID": POIID, "TransactionID": f"B-{service}"} | {
        field: forged
    }
    sale, poi = ids["SaleID"], ids["POIID"]
    message = words.payment(ids["ServiceID"], sale, poi, "12.50", transaction=ids["TransactionID"])
    if field == "element":
        message = message.replace(b"<SaleData>", f"<xxxxx a='{forged}'/><SaleData>".encode())
    elif field == "AbortReason":
        message = words.abort(service, sale, poi, "11", forged)
    return words.login(service, sale, poi), message


@pytest.mark.parametrize("name", FORGERIES)
async def test_h34_no_field_of_a_till_writes_into_the_log(
    name: str, tmp_path: Path, log: io.StringIO
) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        for service, field in enumerate(FIELDS, start=11):
            await till.send(*lying(field, FORGERIES[name], str(service)))
            while it.app.bridge.unresolved:
                assert await it.tick(it.time.passed + 30)
        while not till.answers.empty():
            till.answers.get_nowait()
        await it.usable(till)
    text = log.getvalue()
    assert "exchange ended" in text
    for record in records(log):
        assert record["event"] != "forged"
        assert record["level"] != "critical"
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]", text
    )
