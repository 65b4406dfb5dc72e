"""A bridge in a process of its own obeys, and dies where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nexo_bridge.conversation import configuration
from nexo_bridge.conversation.remote import RemoteBridge
from nexo_bridge.sandbox.server import Options, Sandbox

START = 1_900_000_000.0


@asynccontextmanager
async def remote(
    folder: Path, news: asyncio.Event, doom: tuple[str, int] | None = None
) -> AsyncIterator[RemoteBridge]:
    async with Sandbox(Options(state=folder, terminals=1)) as sandbox:
        config = folder / "play.toml"
        await asyncio.to_thread(configuration.write, sandbox.config_path, config, ())
        bridge = RemoteBridge(config, folder / "bridge.log", START, 0.0, news.set, doom=doom)
        await bridge.start()
        try:
            yield bridge
        finally:
            await bridge.end()


async def until(true: Callable[[], bool], news: asyncio.Event) -> None:
    while not true():
        news.clear()
        await news.wait()


async def test_it_obeys_and_is_killed(tmp_path: Path) -> None:
    news = asyncio.Event()
    async with remote(tmp_path, news) as bridge:
        assert bridge.status.alive
        assert bridge.addresses["tcp"][1] > 0
        bridge.turn(5.0)
        bridge.disk(waits=True)
        bridge.disk(waits=False)
        await until(lambda: bridge.status.orders == 3, news)
        bridge.kill_at("Arrived.taken", 1)
        await until(lambda: bridge.status.orders == 4, news)
        await bridge.kill()
        assert not bridge.status.alive
        assert bridge.code == -9


async def test_it_stops_by_itself(tmp_path: Path) -> None:
    news = asyncio.Event()
    async with remote(tmp_path, news) as bridge:
        bridge.stop()
        await until(lambda: not bridge.status.alive, news)
        assert bridge.code == 0


async def test_it_dies_while_it_starts(tmp_path: Path) -> None:
    async with remote(tmp_path, asyncio.Event(), ("Started.taken", 1)) as bridge:
        assert not bridge.status.alive
        assert bridge.code == -9
        bridge.turn(5.0)  # nobody is there to hear it
