"""Time stands still until it is turned, and rings one alarm at a time."""

from __future__ import annotations

import asyncio

from nexo_bridge.conversation.clock import StageClock
from nexo_bridge.sandbox.clock import pause


def test_alarms_ring_in_order_one_for_each_turn() -> None:
    clock, rang = StageClock(1_000_000.0), list[str]()
    clock.call_later(5, lambda: rang.append("late"))
    clock.call_later(2, lambda: rang.append("early"))
    assert clock.due == 2
    clock.turn(10)
    assert (rang, clock.passed) == (["early"], 10)
    clock.turn(10)
    assert rang == ["early", "late"]
    assert clock.due is None
    assert clock.wall() == 1_000_010.0
    assert clock.now().timestamp() == 1_000_010.0


def test_a_cancelled_alarm_does_not_ring() -> None:
    clock, rang = StageClock(0.0), list[str]()
    clock.call_later(1, lambda: rang.append("no")).cancel()
    clock.call_later(2, lambda: rang.append("yes"))
    clock.turn(3)
    assert rang == ["yes"]


def test_nothing_rings_before_it_is_due() -> None:
    asked = list[str]()
    clock = StageClock(0.0, 100.0, lambda: asked.append("asked"))
    clock.call_later(5, lambda: asked.append("rang"))
    clock.turn(104)
    assert asked == ["asked"]
    assert clock.mono() == 1104.0


async def test_who_waits_for_time_alone_is_known() -> None:
    asked = asyncio.Event()
    clock = StageClock(0.0, changed=asked.set)
    waiting = asyncio.create_task(pause(clock, 5))
    await asked.wait()
    assert clock.awaited == 1
    clock.turn(5)
    await waiting
    assert clock.awaited == 0
