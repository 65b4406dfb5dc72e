"""F82 to F88 end to end: what must not be acted on is answered and charges nobody, and who asks gets told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.faults import words
from tests.faults.mqtt_stage import POIID, mqtt_stage
from tests.mqtt_peer import peer

pytestmark = pytest.mark.timeout(180)  # several processes start, on a machine that may be busy


async def test_f82_a_retained_payment_is_refused_and_stays_refused(broker: Broker, tmp_path: Path) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till, peer(broker) as one:
        request = words.payment("7", "KASSE1", POIID, "12.50")
        await one.publish(f"{till.topic}/to-poi", request, retain=True)
        async with it.bridge():
            answer = await till.answer("7")
            assert (answer.result, answer.condition) == ("Failure", "NotAllowed")
            assert b"code=NB-106" in answer.data
            await till.send(request)  # not retained, but the till was told that it had failed
            await till.answer("7", times=2)
            await it.agreed()


async def test_f83_a_payment_that_is_too_old_is_refused(broker: Broker, tmp_path: Path) -> None:
    async with mqtt_stage(broker, tmp_path / "state", more="max_age = 60") as it, it.till() as till:
        async with it.bridge(), peer(broker) as one:
            await it.served()
            request = words.payment("7", "KASSE1", POIID, "12.50")
            sent_at = ("sent-at", "2026-01-01T00:00:00Z")
            await one.publish(f"{till.topic}/to-poi", request, UserProperty=sent_at)
            answer = await till.answer("7")
            assert b"code=NB-107" in answer.data
            await it.agreed()


async def test_f86_a_till_that_speaks_for_another_is_refused(broker: Broker, tmp_path: Path) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till, it.bridge():
        await it.served()
        await till.send(words.payment("7", "KASSE2", POIID, "12.50"))
        answer = await till.answer("7")
        assert b"code=NB-105" in answer.data
        await it.agreed()


async def test_f88_the_last_will_says_that_the_bridge_is_gone_and_the_payment_ends_all_the_same(
    broker: Broker, tmp_path: Path
) -> None:
    async with mqtt_stage(broker, tmp_path / "state") as it, it.till() as till:
        async with peer(broker, "nexo/bridge/+") as watcher:
            async with it.bridge("create_card.answered") as bridge:
                assert json.loads(bytes((await watcher.hear()).payload))["state"] == "online"
                await till.pay("7", "12.50")
                assert await bridge.ended() == -9
                assert json.loads(bytes((await watcher.hear()).payload))["state"] == "offline"
            async with it.bridge():
                assert (await till.answer("7")).result == "Success"
                await it.agreed(await till.answer("7"))
