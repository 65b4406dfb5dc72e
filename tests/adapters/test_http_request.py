"""One request is answered once."""

from __future__ import annotations

import asyncio

from tests.adapters.http_rig import answer, listening


async def test_a_second_answer_is_not_written() -> None:
    async with listening() as rig:
        client, source = await rig.asked()
        both = (rig.listener.write(source, answer()), rig.listener.write(source, answer("8")))
        assert list(await asyncio.gather(*both)) == [True, False]
        assert (await client.response()).body == answer()
        await client.ask(answer())
        await rig.intake.taken.get()


async def test_an_answer_that_is_being_written_when_time_is_over_is_the_answer() -> None:
    async with listening(response_timeout=150) as rig:
        client, source = await rig.asked()
        await rig.timer.waits(150)
        writing = asyncio.create_task(rig.listener.write(source, answer()))
        rig.timer.advance(150)
        assert await writing
        assert (await client.response()).body == answer()
