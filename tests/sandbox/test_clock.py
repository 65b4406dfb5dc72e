from __future__ import annotations

import asyncio

from nexo_bridge.sandbox.clock import LoopClock, VirtualClock, pause


def test_what_falls_due_runs_in_order_at_its_own_time() -> None:
    clock = VirtualClock()
    start = clock.now()
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, (clock.now() - start).total_seconds()))

    def first() -> None:
        note("first")
        clock.call_later(0.5, lambda: note("between"))

    clock.call_later(2, lambda: note("second"))
    clock.call_later(1, first)
    clock.call_later(1, lambda: note("never")).cancel()
    clock.call_later(9, lambda: note("later"))
    clock.advance(3)

    assert seen == [("first", 1), ("between", 1.5), ("second", 2)]
    assert (clock.now() - start).total_seconds() == 3


async def test_a_pause_ends_when_its_time_has_passed() -> None:
    clock = VirtualClock()
    waiting = asyncio.ensure_future(pause(clock, 5))
    await asyncio.sleep(0)
    clock.advance(4)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(1)
    await waiting


async def test_real_time_runs_on_the_loop() -> None:
    clock = LoopClock()
    before = clock.now()
    await pause(clock, 0)
    assert clock.now() >= before
    assert before.tzinfo is not None
