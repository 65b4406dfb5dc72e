from __future__ import annotations

import asyncio

import pytest

from nexo_bridge.adapters.timer import HandTimer, Timer


async def test_the_loop_s_time_ends_a_block() -> None:
    timer = Timer()
    with pytest.raises(TimeoutError):
        async with timer.until(timer.now() - 1):
            await asyncio.Event().wait()


async def test_time_moved_by_hand_ends_what_is_due_and_nothing_else() -> None:
    timer = HandTimer()
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        try:
            async with timer.until(timer.now() + seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(seconds)

    async with asyncio.TaskGroup() as group:
        short, long = group.create_task(wait(5)), group.create_task(wait(9))
        await timer.waits(5)
        await timer.waits(9)
        timer.advance(5)
        await short
        assert ended == [5]
        await timer.waits(4)
        timer.advance(100)
        await long
    assert ended == [5, 9]


async def test_a_block_that_was_left_in_time_is_never_ended() -> None:
    timer = HandTimer()
    async with timer.until(timer.now() + 5):
        pass
    timer.advance(10)
    await asyncio.sleep(0)


async def test_a_deadline_already_past_ends_its_block_at_once() -> None:
    timer = HandTimer()
    with pytest.raises(TimeoutError):
        async with timer.until(timer.now()):
            await asyncio.Event().wait()
