"""One suite for every way results come: each conversation ends alike, whatever the platform tells, and how often."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nexo_bridge.core import decisions as did
from nexo_bridge.sandbox.clock import LoopClock
from nexo_bridge.sandbox.wire import Answer
from tests.adapters.channel_rig import PUSHED, WATCHDOG, WAYS, ChannelStage, Way, channel_stage
from tests.faults import words
from tests.faults.stage import THINK, Till

pytestmark = pytest.mark.timeout(60)

ENDINGS = {
    "approve": ("12.50", ("Success", None, "12.50")),
    "decline": ("12.05", ("Failure", "Refusal", None)),
    "cancel by customer": ("12.61", ("Failure", "Cancel", None)),
    "partial": ("12.10", ("Partial", "Refusal", "6.05")),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("qr", [False, True], ids=["card", "qr"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_payment_ends_alike_by_every_channel(ending: str, qr: bool, way: Way, tmp_path: Path) -> None:
    amount, (result, _, authorised) = ENDINGS[ending]
    async with channel_stage(tmp_path, way) as it:
        till = await it.logged_in()
        answer = await till.pay("2", amount, qr=qr)

        assert (answer.result, answer.amount) == (result, authorised), str(answer)
        if result == "Failure":
            assert answer.condition == ENDINGS[ending][1][1]
        if way != "poll":
            assert it.time.passed <= THINK + 1, "it came by a look, not by an event"
            assert it.heard > 0
        await it.usable(till)
        assert it.alarms == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("qr", [False, True], ids=["card", "qr"])
async def test_an_abort_ends_alike_by_every_channel(qr: bool, way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        till = await it.logged_in()
        await till.send(till.payment("2", "12.50", qr=qr))
        await it.advance(1)
        await till.send(words.abort("3", till.sale, till.poi, "2"))
        answer = await till.hear()

        assert (answer.result, answer.condition) == ("Failure", "Aborted"), str(answer)
        await it.usable(till)


@pytest.mark.parametrize("way", PUSHED)
async def test_f46_an_event_that_never_comes_is_looked_for(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("event-lost", times=9)
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")

        assert answer.result == "Success"
        assert WATCHDOG <= it.time.passed <= WATCHDOG + 5
        assert it.heard == 0
        assert it.channels is not None
        told = it.channels.shown("POI00001")
        assert (told["results"], told["up"]) == (way, False)
        assert "no event told of it" in told["problem"]
        it.sandbox.inject("event-lost", times=0)
        await it.usable(till)
        assert it.channels.shown("POI00001") == {"results": way, "up": True, "problem": None}


@pytest.mark.parametrize("way", PUSHED)
async def test_f47_every_event_before_the_create_answer(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("event-before-create-answer")
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")

        assert answer.result == "Success"
        assert it.time.passed <= 7
        await it.advance(10)
        await it.usable(till)
        assert it.alarms == []


@pytest.mark.parametrize("way", PUSHED)
async def test_f47_events_of_a_create_whose_answer_is_lost(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("lose-create-answer")
        till = await it.logged_in()

        assert (await till.pay("2", "12.50")).result == "Success"
        assert it.time.passed <= THINK + 1
        await it.usable(till)


@pytest.mark.parametrize("way", PUSHED)
async def test_f48_duplicates_a_thousand_times(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        till = await it.logged_in()
        await till.send(till.payment("2", "12.50"))
        await it.advance(THINK - 1)
        before = it.heard
        it.sandbox.inject("event-duplicate", times=1000)
        answer = await till.hear()
        await it.settle()

        assert answer.result == "Success"
        assert it.heard >= before + 1001
        made = next(made for made in (await it.decisions()).values() if isinstance(made[0], did.Received))
        assert sum(isinstance(one, did.Settled) for one in made) == 1
        await it.usable(till)
        assert it.alarms == []


@pytest.mark.parametrize("way", PUSHED)
async def test_f49_the_end_before_what_came_before_it(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("event-reorder", times=4)
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")
        await it.settle()

        assert answer.result == "Success"
        told = [event.outcome.transaction.status for event in it.events if event.outcome is not None]  # type: ignore[union-attr]  # events tell of transactions
        assert told == ["APPROVED", "AUTHORISING", "PIN_ENTRY", "CARD_PRESENTED", "PENDING"]
        await it.usable(till)
        assert it.alarms == []


@pytest.mark.parametrize("way", PUSHED)
async def test_f50_f51_events_of_other_terminals_and_of_nobody(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way, terminals=2) as it:
        if way == "stream":
            await it.connected("POI00002")
        first, second = await it.logged_in(), await it.logged_in("KASSE2", "POI00002")
        it.sandbox.hold("POI00002")
        await second.send(second.payment("2", "99.99"))
        it.sandbox.inject("event-foreign-terminal", "POI00001", times=9)
        answer = await first.pay("2", "12.50")

        assert answer.result == "Success"
        assert second.answers.empty()
        it.sandbox.release("POI00002", "decline")
        assert (await second.hear()).result == "Failure"
        it.sandbox.inject("event-foreign-terminal", "POI00001", times=0)
        assert it.alarms == []
        await it.usable(first)


@pytest.mark.parametrize("way", PUSHED)
async def test_f52_an_event_against_the_read(way: Way, tmp_path: Path) -> None:
    """The first final word counts; the second is a discrepancy. By webhook the read is the first."""
    async with channel_stage(tmp_path, way, schedule={"APPROVED": (0.0, 3.0)}) as it:
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")
        it.sandbox.inject("event-contradiction", times=1)  # behind the second time that the event is sent
        await it.advance(10)

        assert answer.result == "Success"
        assert it.alarms == ["DISCREPANCY"]
        assert (await till.status("3", "2")).inner[0] == "Success", "frozen"
        await it.invariants()


@pytest.mark.parametrize("way", PUSHED)
async def test_f53_an_approval_after_a_final_no(way: Way, tmp_path: Path) -> None:
    """Nobody can prevent it: it is written down, told to people, and the answer stays what it was (R8)."""
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("event-late-approval")
        till = await it.logged_in()
        answer = await till.pay("2", "12.05")
        assert answer.result == "Failure"
        await it.advance(10)

        assert it.alarms == ["DISCREPANCY"]
        assert (await till.status("3", "2")).inner == ("Failure", "Refusal")
        [made] = [made for made in (await it.decisions()).values() if isinstance(made[0], did.Received)]
        assert [one for one in made if isinstance(one, did.Disagreed)] == [
            did.Disagreed(status="APPROVED", authorised=1205)
        ]
        assert it.sandbox.ledger()[0]["charges"] == 1


@pytest.mark.parametrize("way", PUSHED)
async def test_f53_after_a_restart_too(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way, late=60.0) as it:
        it.sandbox.inject("event-late-approval")
        till = await it.logged_in()
        assert (await till.pay("2", "12.05")).result == "Failure"
        await it.restart()
        await it.advance(70)

        assert it.alarms == ["DISCREPANCY"]


@pytest.mark.parametrize("way", PUSHED)
async def test_f55_fields_and_statuses_nobody_knows(way: Way, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, way) as it:
        it.sandbox.inject("event-unknown-fields", times=9)
        it.sandbox.inject("event-unknown-status", times=9)
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")

        assert answer.result == "Success"
        assert it.time.passed <= THINK + 1
        assert any(event.outcome is None for event in it.events)
        await it.usable(till)
        assert it.alarms == []


@pytest.mark.parametrize("fault", ["webhook-forged", "webhook-old", "webhook-replayed"])
async def test_f58_what_is_forged_moves_nothing(fault: str, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "webhook") as it:
        it.sandbox.inject(fault, times=2)
        it.sandbox.hold("POI00001")
        till = await it.logged_in()
        await till.send(till.payment("2", "12.50"))
        await it.advance(2)
        assert it.time.passed < WATCHDOG
        assert it.reached["read_card.sending"] == 0, "it was taken for an end, and looked for"
        heard = it.heard
        it.sandbox.release("POI00001", "decline")
        await it.settle()
        answer = await till.hear()

        assert (answer.result, answer.condition) == ("Failure", "Refusal"), str(answer)
        assert it.heard == heard + 1
        assert it.sandbox.webhooks.forgeries == [401, 401]
        assert it.alarms == []
        await it.usable(till)


@pytest.mark.parametrize("fault", ["drop-stream", "invalid-resume"])
async def test_f56_a_stream_that_breaks_goes_on_where_it_was(fault: str, tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "stream") as it:
        till = await it.logged_in()
        it.sandbox.hold("POI00001")
        await till.send(till.payment("2", "12.50"))
        opened = it.sandbox.streams.opened
        it.sandbox.inject("drop-stream")
        if fault == "invalid-resume":
            it.sandbox.inject("invalid-resume")
        it.sandbox.release("POI00001", "approve")
        await reopened(it, opened)
        answer = await till.hear()

        assert answer.result == "Success"
        assert it.time.passed < WATCHDOG, "the event, or the read of what is open, and not the watchdog"
        assert any(event.missed for event in it.events[1:]) == (fault == "invalid-resume")
        await it.usable(till)


async def reopened(it: ChannelStage, opened: int) -> None:
    """Wait until the bridge has opened one more stream; no time passes but pauses of no length."""
    while it.sandbox.streams.opened <= opened:
        it.time.turn(it.time.passed)
        await asyncio.sleep(0)
    await it.connected()


async def test_f56_a_restart_goes_on_after_what_the_journal_has(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "stream") as it:
        till = await it.logged_in()
        it.sandbox.hold("POI00001")
        await till.send(till.payment("2", "12.50"))
        await it.end()
        it.sandbox.release("POI00001", "approve")
        it.events.clear()
        await it.begin()

        told = [event.outcome.transaction.status for event in it.events if event.outcome is not None]  # type: ignore[union-attr]  # as above
        assert told == ["APPROVED"]
        assert not any(event.missed for event in it.events)
        till = await it.till()
        assert (await till.status("3", "2")).inner[0] == "Success"
        await it.usable(till)


@pytest.mark.long
@pytest.mark.timeout(180)  # ten thousand events take their time on a busy machine
async def test_f57_a_backlog_of_ten_thousand(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "stream", begin=False) as it:
        it.sandbox.inject("backlog")
        await it.begin()
        assert it.heard == 10_000
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")

        assert answer.result == "Success"
        assert it.alarms == []
        state = it.channels.state("POI00001") if it.channels else None
        assert state is not None
        assert state.last_event == it.events[-1].event_id, (
            "everything is on disk, and the resume point behind it"
        )
        await it.usable(till)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("grant", ["mtls", "password", "custom_token"])
async def test_credentials_that_change_during_a_payment(grant: str, way: Way, tmp_path: Path) -> None:
    """Certificate replaced, secret renewed, session ended at the platform, token expired: one after the other."""
    async with channel_stage(tmp_path, way, grant=grant, token_life=10) as it:
        till = await it.logged_in()
        it.sandbox.hold("POI00001")
        await till.send(till.payment("2", "12.50"))
        opened = it.sandbox.streams.opened
        if grant != "custom_token":
            later = LoopClock().now().replace(year=LoopClock().now().year + 5)
            serial = it.settings.terminals["POI00001"].serial
            await asyncio.to_thread(it.sandbox.authority.client, "POI00001", serial, valid_until=later)
            await it.platform.look_for_new_files("POI00001")
            assert (it.platform.session_state("POI00001").certificate_days or 0) > 1000
        before = it.platform.session_state("POI00001").session_state
        it.sandbox.renew_secret("POI00001")
        it.sandbox.end_sessions("POI00001")
        await it.advance(20)
        if way == "stream":
            await it.connected(opened=opened)  # anew: it does not go on with a token that is over
        heard, since = it.heard, it.time.passed
        it.sandbox.release("POI00001", "approve")
        await it.settle()
        answer = await till.hear()

        assert (answer.result, answer.amount) == ("Success", "12.50"), str(answer)
        assert it.time.passed - since < WATCHDOG / 2, "nobody was told; it was looked for"
        assert (it.heard > heard) == (way != "poll")
        if grant != "mtls":
            assert it.platform.session_state("POI00001").session_state != before
        assert it.alarms == []
        await it.usable(till)


async def test_a_stream_that_is_down_stops_no_payment(tmp_path: Path) -> None:
    async def refuse(*_: object) -> Answer:
        raise ConnectionError("the platform's stream is out of order")

    async with channel_stage(tmp_path, "stream", begin=False, watchdog=5.0) as it:
        it.way = "poll"  # nothing is waited for
        it.sandbox.streams.handle = refuse  # type: ignore[assignment,method-assign]
        await it.begin()
        till = await it.logged_in()
        answer = await till.pay("2", "12.50")

        assert answer.result == "Success"
        assert it.time.passed <= 6
        await it.usable(till)


async def test_a_journal_that_breaks_acknowledges_nothing(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "webhook") as it:
        till = await it.logged_in()
        await till.send(till.payment("2", "12.50"))
        it.app.bridge._books.broken = True
        await it.advance(THINK + 0.5)
        assert 503 in it.sandbox.webhooks.statuses
        it.app.bridge._books.broken = False
        answer = await till.hear()

        assert answer.result == "Success"
        assert it.sandbox.webhooks.statuses[-1] == 204
        await it.usable(till)


async def test_the_seven_steps_of_a_service_provider(tmp_path: Path) -> None:
    async with channel_stage(tmp_path, "stream", provider=True) as it:
        provider = it.sandbox.provider
        assert provider is not None
        till = await it.logged_in()
        await till.send(till.payment("2", "12.50", qr=True))  # 1
        assert [asked["merchantId"] for asked in provider.asked] == ["sandbox-shop"]  # 2
        content = "https://wallet.sandbox.invalid/wallet-000001"
        assert it.sandbox.screens()[0]["content"] == content  # 3, 4
        answer = await told_by(it, till)

        assert answer == "Success"
        assert [event["status"] for event in provider.told] == ["SCANNED", "AUTHORISING", "APPROVED"]  # 5, 6
        statuses = [event.outcome.transaction.status for event in it.events if event.outcome is not None]  # type: ignore[union-attr]  # as above
        assert statuses[-3:] == ["SCANNED", "AUTHORISING", "APPROVED"]  # 7
        await it.invariants()


async def told_by(it: ChannelStage, till: Till) -> str | None:
    """Let the provider's events arrive, one after the other, while time passes."""
    assert it.sandbox.provider is not None
    for number, share in enumerate((0.5, 0.4, 0.1), 1):
        await it.advance(THINK * share)
        while len(it.sandbox.provider.told) < number:
            await asyncio.gather(*it.sandbox.provider._tasks)  # they talk to the platform; no time passes
            await asyncio.sleep(0)
        await it.settle()
    return (await till.hear()).result
