"""Twenty POS over one broker, with faults at the platform, publications that come twice, and kills: I1 to I10 hold.

``make soak-mqtt`` does the same for longer: ``PAYMENTS`` is how many each till makes.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.faults.mqtt_stage import MqttStage, Till, mqtt_stage
from tests.faults.words import Answer

PAYMENTS = int(os.environ.get("PAYMENTS", "3"))
TILLS = 20
RATE = 0.01
"""Of payments that meet a fault, and of publications that come twice."""
FAULTS = ("lose-create-answer", "lose-create-request", "create-500-after-storing", "reset", "truncate-answer")


async def shop(
    it: MqttStage, till: Till, chance: random.Random, spoilt: list[str], *, first: bool
) -> list[Answer]:
    """One till's day. ``spoilt``: the faults it met."""
    answers = []
    for number in range(PAYMENTS):
        service = str(100 + number)
        if chance.random() < RATE or (first and number == 0):  # at least one each time
            spoilt.append(chance.choice(FAULTS))
            it.sandbox.inject(spoilt[-1], till.poi)
        amount = f"{chance.randrange(1, 50)}.{chance.randrange(20, 50)}"
        for _ in range(2 if chance.random() < RATE else 1):
            await till.pay(service, amount)
        answers.append(await till.answer(service))
    return answers


@pytest.mark.long
@pytest.mark.timeout(0 if "PAYMENTS" in os.environ else 240)
async def test_i1_to_i10_hold_for_twenty_pos_over_one_broker(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(7)
    spoilt: list[str] = []
    async with mqtt_stage(broker, tmp_path / "state", terminals=TILLS) as it:
        stack = [it.till(f"KASSE{n}", f"POI{n:05}") for n in range(1, TILLS + 1)]
        tills = [await one.__aenter__() for one in stack]
        try:
            async with it.bridge():
                await it.served("POI00020")
                days = [
                    shop(it, till, random.Random(n), spoilt, first=n == 0) for n, till in enumerate(tills)
                ]
                before = [one for day in await asyncio.gather(*days) for one in day]
            running = [
                asyncio.create_task(till.pay("500", f"{chance.randrange(1, 50)}.30")) for till in tills
            ]
            async with it.bridge("Settled.decided") as victim:  # killed as soon as one of them is settled
                await asyncio.gather(*running)
                assert await victim.ended() == -9
            async with it.bridge():
                broker.kill()
                broker.start()
                after = await asyncio.gather(*(till.answer("500") for till in tills))
            await it.agreed(*before, *after)
            assert len(before) == TILLS * PAYMENTS
            assert sum(one.result != "Success" for one in before) <= len(spoilt)
        finally:
            for one in stack:
                await one.__aexit__(None, None, None)
