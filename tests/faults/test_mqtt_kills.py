"""A real broker, and ``kill -9``: of the bridge at every point between request and answer, and of the broker itself.

No payment is lost, none is made twice, every answer arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.faults.mqtt_stage import mqtt_stage
from tests.products import chosen

pytestmark = pytest.mark.timeout(180)  # several processes start, on a machine that may be busy

POINTS = {
    "between receipt and journal": "Arrived.taken",
    "while the journal is asked": "Found.taken",
    "when it is decided and not on disk": "Received.decided",
    "between journal and PUBACK": "Accept.allowed",
    "before it is asked of the platform": "create_card.sending",
    "when the platform has it": "create_card.answered",
    "between the decision and its disk": "Settled.decided",
    "between settled and publish": "Reply.allowed",
    "while it is published": "Reply.writing",
    "between publish and delivered": "Reply.written",
    "when it was delivered": "Delivered.decided",
}
FEW = ("between receipt and journal", "between journal and PUBACK", "between settled and publish")
"""Of these, those that ``make test`` kills at."""


def kills(all_of_them: bool) -> Iterator[str]:
    yield from POINTS if all_of_them else FEW


@pytest.mark.parametrize("moment", chosen("KILLS", kills))
async def test_r13_the_bridge_is_killed_and_every_answer_arrives(
    broker: Broker, tmp_path: Path, moment: str
) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till:
        async with it.bridge(POINTS[moment]) as bridge:
            await it.served()
            await till.pay("7", "12.50")
            assert await bridge.ended() == -9
        async with it.bridge():
            answer = await till.answer("7")
            await it.agreed(answer)
            await till.pay("8", "7.77")  # and the next customer pays
            assert (await till.answer("8")).result == "Success"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_f80_the_broker_is_killed_in_the_middle_of_a_payment_and_comes_back(
    broker: Broker, tmp_path: Path, version: str
) -> None:
    async with mqtt_stage(broker, tmp_path / "state", version=version) as it, it.till() as till, it.bridge():
        await it.served()
        for service in ("7", "8"):
            await till.pay(service, f"{service}.50")
            broker.kill()
            broker.start()
            assert (await till.answer(service)).result == "Success"
        await it.agreed(await till.answer("7"), await till.answer("8"))


async def test_f80_the_broker_forgets_everything_and_who_asks_again_is_answered(
    broker: Broker, tmp_path: Path
) -> None:
    """Without persistence nobody's session is there; a till that connects and asks gets its stored answer."""
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till, it.bridge():
        await it.served()
        await till.pay("7", "12.50")
        assert (await till.answer("7")).result == "Success"
        broker.kill()
        broker.forget()
        broker.start()
        await it.served()
        async with till.connected():
            pass  # whatever came first: from here on the broker knows its session again
        await till.pay("7", "12.50")
        await till.answer("7", times=2)
        await till.pay("8", "7.77")
        assert (await till.answer("8")).result == "Success"
        await it.agreed(await till.answer("7"), await till.answer("8"))


async def test_f81_a_request_published_twice_and_again_after_a_restart_is_one_payment(
    broker: Broker, tmp_path: Path
) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till:
        async with it.bridge():
            await it.served()
            await till.pay("7", "12.50")
            await till.pay("7", "12.50")
            await till.answer("7")
        async with it.bridge():
            await till.pay("7", "12.50")
            await till.pay("8", "7.77")
            await it.agreed(await till.answer("7"), await till.answer("8"))


async def test_what_a_till_publishes_while_the_bridge_is_away_waits_for_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till:
        async with it.bridge():
            await it.served()
        await till.pay("7", "12.50")
        async with it.bridge():
            await it.agreed(await till.answer("7"))
