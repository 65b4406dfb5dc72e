"""Whose message is taken next: by the order in which turns are given, with a disk that answers when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nexo_bridge.core.source import Source
from nexo_bridge.runtime.turns import MOST, Turns


@dataclass
class Street:
    """Peers who ask, and what the disk has yet to confirm."""

    order: list[str] = field(default_factory=list)
    confirm: list[Callable[[], None]] = field(default_factory=list)
    asking: list[asyncio.Task[None]] = field(default_factory=list)
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(self.confirm.append)

    async def ask(self, *names: str) -> None:
        for name in names:
            self.asking.append(asyncio.create_task(self._one(name), name=name))
            await asyncio.sleep(0)

    async def _one(self, name: str) -> None:
        async with self.turns.of(Source("tcp", name)):
            self.order.append(name)

    async def disk(self, times: int = 1) -> None:
        for _ in range(times):
            self.confirm.pop(0)()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


@asynccontextmanager
async def street() -> AsyncIterator[Street]:
    made = Street()
    yield made
    for task in made.asking:
        task.cancel()
    await asyncio.gather(*made.asking, return_exceptions=True)


@asynccontextmanager
async def full_street() -> AsyncIterator[Street]:
    """Every place is taken, by peers that are of no further interest."""
    async with street() as made:
        await made.ask(*(f"first {number}" for number in range(MOST)))
        made.order.clear()
        yield made


async def test_so_many_are_in_work_and_the_next_when_the_disk_has_one_of_them() -> None:
    async with street() as it:
        await it.ask(*"abcdefgh")
        assert it.order == list("abcdefgh")[:MOST]
        await it.disk()
        assert it.order == list("abcdefgh")[: MOST + 1]


async def test_places_that_the_disk_gave_back_are_free() -> None:
    async with full_street() as it:
        await it.disk(MOST)
        await it.ask(*"abcdefgh")
        assert len(it.order) == MOST


async def test_who_asks_now_and_then_comes_before_those_that_ask_without_end() -> None:
    async with street() as it:
        await it.ask("quiet")
        await it.disk()
        busy = [f"busy {number}" for number in range(3 * MOST)]
        await it.ask(*busy)
        await it.disk(len(busy))
        assert it.order == ["quiet", *busy]
        await it.ask(*busy, "quiet")
        it.order.clear()
        await it.disk()
        await it.ask("quiet")
        await it.disk(2)
        assert it.order == ["quiet", busy[MOST], busy[MOST + 1]]  # now it is one of them


async def test_all_that_ask_without_end_have_as_many_turns_as_each_other() -> None:
    async with full_street() as it:
        names = ["a", "b", "c"]
        await it.ask(*names)
        for _ in range(12):
            await it.disk()
            await it.ask(it.order[-1])
        assert it.order == names * 4


async def test_new_ones_wait_behind_those_that_wait_already() -> None:
    async with full_street() as it:
        await it.ask("a", "b")
        await it.disk(2)
        await it.ask("a", "b", "stranger")
        it.order.clear()
        await it.disk(3)
        assert it.order == ["a", "b", "stranger"]


async def test_who_is_gone_is_new_when_it_comes_again() -> None:
    async with full_street() as it:
        await it.ask("a", "b")
        await it.disk(2)
        it.turns.gone(Source("tcp", "a"))
        it.turns.gone(Source("tcp", "never seen"))
        await it.ask("a", "b")
        it.order.clear()
        await it.disk(2)
        assert it.order == ["b", "a"]


async def test_who_leaves_while_it_waits_takes_no_place_with_it() -> None:
    async with full_street() as it:
        await it.ask("leaves", "b")
        it.asking[-2].cancel()
        await it.disk()
        assert it.order == ["b"]
        await it.disk(MOST)
        await it.ask(*"abcdefgh")
        assert len(it.order) == 1 + MOST


async def test_who_leaves_in_the_moment_of_its_turn_leaves_it_to_the_next() -> None:
    async with full_street() as it:
        await it.ask("leaves", "b")
        it.confirm.pop(0)()
        it.asking[-2].cancel()
        await asyncio.gather(it.asking[-2], return_exceptions=True)
        await asyncio.sleep(0)
        assert it.order == ["b"]


async def test_a_message_that_fails_gives_its_place_back_as_any_other() -> None:
    async with street() as it:
        for _ in range(2 * MOST):
            with pytest.raises(ValueError, match="broken"):
                async with it.turns.of(Source("tcp", "a")):
                    raise ValueError("broken")
            await it.disk()
        assert it.confirm == []
