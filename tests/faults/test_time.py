"""Tokens that end, and clocks that lie, during a payment (F35, F36, F39)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nexo_bridge.sandbox.wire import Answer, Handler, Request
from tests.faults import words
from tests.faults.stage import POIID, stage
from tests.faults.wire import proxy

DAY = 86_400.0
STEPS = {
    "10 minutes ahead": 600.0,
    "10 minutes behind": -600.0,
    "a day behind": -DAY,
    "a year ahead": 365 * DAY,
    "ten years ahead": 3650 * DAY,
    "1970": -1e10,
}


@pytest.mark.parametrize("qr", [False, True])
async def test_f35_a_token_ends_between_create_and_read(tmp_path: Path, *, qr: bool) -> None:
    async with stage(tmp_path, token_life=2, begin=False) as it, proxy(it, "device_auth") as office:
        await it.begin()
        till = await it.logged_in()
        answer = await till.pay("11", "12.50", qr=qr)
        assert (answer.result, answer.amount) == ("Success", "12.50")
        assert len(office.requests) > 1
        await it.usable(till)


async def test_f36_one_renewal_for_many_waiters_in_the_middle_of_a_payment(tmp_path: Path) -> None:
    """The platform refuses the token that a payment and twenty diagnoses use: one new one serves them all."""
    async with (
        stage(tmp_path, begin=False) as it,
        proxy(it, "device_auth") as office,
        proxy(it, "device_api") as between,
    ):
        await it.begin()
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        old = between.requests[-1].headers["authorization"]

        async def refuse(request: Request, handler: Handler) -> Answer:
            if request.headers["authorization"] == old:
                return Answer(401, b'{"code":"UNAUTHORISED"}')
            return await handler(request)

        between.spoil = refuse
        before = len(office.requests)
        others = [await it.till(f"KASSE{number}") for number in range(2, 22)]
        asked = [words.diagnosis("5", other.sale, POIID) for other in others]
        await asyncio.gather(*(other.send(one) for other, one in zip(others, asked, strict=True)))
        assert len(office.requests) - before == 1
        for other in others:
            answer = await other.hear()
            assert (answer.result, answer.value("//POIStatus/@GlobalStatus")) == ("Success", "Busy"), str(
                answer
            )
        answer = await till.hear()
        assert (answer.service, answer.result) == ("11", "Success")
        await it.usable(till)


async def test_f36_a_platform_that_refuses_every_token_is_certain(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.inject("unauthorised-once", POIID, 2, operation="create_card")
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.code, answer.retry) == ("Failure", "NB-311", "yes")
        assert it.sandbox.ledger() == []
        await it.usable(till)


async def test_f36_a_client_secret_renewed_at_the_portal_during_a_payment(tmp_path: Path) -> None:
    async with stage(tmp_path, token_life=2) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        it.sandbox.renew_secret(POIID)
        answer = await till.hear()
        assert answer.result == "Success"
        await it.usable(till)


@pytest.mark.parametrize("step", STEPS)
async def test_f39_the_wall_clock_is_stepped_during_a_payment(step: str, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        await it.advance(1)
        it.time.stepped = STEPS[step]
        answer = await till.hear()
        assert (answer.result, answer.amount) == ("Success", "12.50")
        assert it.time.passed < 15
        assert (await till.pay("11", "12.50")).data == answer.data  # the same request is the same at any time
        it.time.stepped = 0.0
        assert (await till.pay("11", "12.50")).data == answer.data
        await it.usable(till)


@pytest.mark.parametrize("step", STEPS)
async def test_f39_no_step_of_the_clock_prolongs_or_cuts_a_customers_time(step: str, tmp_path: Path) -> None:
    """A customer who never comes, and a restart: the end is that of the platform's limit, one minute."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        await it.advance(5)
        it.time.stepped = STEPS[step]
        await it.advance(5)
        assert till.answers.empty()
        answer = await till.hear()
        assert (answer.result, answer.condition, answer.code) == ("Failure", "Cancel", "NB-307")
        assert 60 <= it.time.passed < 75
        it.time.stepped = 0.0
        it.sandbox.release(POIID)
        await it.usable(till)


@pytest.mark.parametrize("step", STEPS)
async def test_f39_a_restart_with_a_wrong_clock_finds_what_was_open(step: str, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        await till.send(till.payment("11", "12.50"))
        it.time.stepped = STEPS[step]
        await it.restart()
        await it.advance(70)
        it.time.stepped = 0.0
        till = await it.till()
        told = await till.status("12", "11")
        # A clock that says that the customer's time has long passed makes the bridge stop the payment.
        late = STEPS[step] > 0 and step != "ten years ahead"
        assert told.inner == (("Failure", "Aborted") if late else ("Success", None)), str(told)
        await it.usable(till)


async def test_f39_booting_in_1970_takes_no_payment_until_the_clock_is_right(tmp_path: Path) -> None:
    """By that clock our certificate is not valid yet: a handshake might be refused halfway, so none is tried."""
    async with stage(tmp_path, begin=False) as it:
        it.time.stepped = -it.time.wall() + 60.0
        await it.begin()
        till = await it.logged_in()
        answer = await till.pay("11", "12.50")
        assert (answer.result, answer.code) == ("Failure", "NB-311")
        assert "valid only from" in (it.platform.session_state(POIID).problem or "")
        it.time.stepped = 0.0
        await it.usable(till)


async def test_f39_a_stop_that_cannot_be_sent_is_tried_again_with_pauses(tmp_path: Path) -> None:
    """Ten years ahead our certificate has expired: reads go on, stops are held back, and nothing runs hot."""
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        await till.send(till.payment("11", "12.50"))
        it.time.stepped = STEPS["ten years ahead"]
        await till.send(words.abort("12", till.sale, till.poi, "11"))
        before = it.reached["terminal_abort.sending"]
        await it.advance(20)
        assert 1 <= it.reached["terminal_abort.sending"] - before <= 10
        it.time.stepped = 0.0
        answer = await till.hear()
        assert (answer.service, answer.result, answer.condition) == ("11", "Failure", "Aborted")
        it.sandbox.release(POIID)
        await it.usable(till)


@pytest.mark.parametrize("qr", [False, True])
async def test_f28_a_stop_whose_answers_are_lost_is_sent_again_with_pauses(
    tmp_path: Path, *, qr: bool
) -> None:
    async with stage(tmp_path) as it:
        till = await it.logged_in()
        it.sandbox.hold(POIID)
        row = "cancel_qr" if qr else "terminal_abort"
        it.sandbox.inject("unauthorised-once", POIID, 2, operation=row)
        await till.send(till.payment("11", "12.50", qr=qr))
        it.sandbox.inject("late-approval-after-cancel", POIID, 100)
        it.sandbox.inject("reset", POIID, 100, operation=row)
        await till.send(words.abort("12", till.sale, till.poi, "11"))
        await it.advance(20)
        assert it.reached[f"{row}.sending"] <= 10
        it.sandbox.release(POIID)
        answer = await till.hear()
        assert (answer.service, answer.result) == ("11", "Success")
        await it.usable(till)
