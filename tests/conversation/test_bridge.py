"""A hosted bridge tells how it stands, and obeys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nexo_bridge.conversation import configuration
from nexo_bridge.conversation.bridge import HostedBridge, Status
from nexo_bridge.conversation.clock import StageClock
from nexo_bridge.conversation.till import Till
from nexo_bridge.conversation.wires import LineWire
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.sandbox.server import Options, Sandbox

START = 1_900_000_000.0
LOGIN = (
    b'<SaleToPOIRequest><MessageHeader ProtocolVersion="3.1" MessageClass="Service" MessageCategory="Login" '
    b'MessageType="Request" ServiceID="1" SaleID="S1" POIID="POI00001"/><LoginRequest OperatorLanguage="en">'
    b"<DateTime>2026-03-01T10:15:30Z</DateTime>"
    b'<SaleSoftware ProviderIdentification="K" ApplicationName="K" SoftwareVersion="7" CertificationCode="K"/>'
    b"</LoginRequest></SaleToPOIRequest>"
)


@asynccontextmanager
async def hosted(folder: Path, news: asyncio.Event, reached: list[str]) -> AsyncIterator[HostedBridge]:
    async with Sandbox(Options(state=folder, terminals=1, clock=StageClock(START))) as sandbox:
        config = folder / "play.toml"
        await asyncio.to_thread(configuration.write, sandbox.config_path, config, ())
        settings = await asyncio.to_thread(load_settings, config, {})
        bridge = HostedBridge(settings, START, 0.0, news.set, checkpoint=reached.append)
        await bridge.start()
        try:
            yield bridge
        finally:
            await bridge.end()


async def test_it_tells_how_it_stands(tmp_path: Path) -> None:
    news, reached = asyncio.Event(), list[str]()
    async with hosted(tmp_path, news, reached) as bridge:
        till = Till("POS", "POI00001", news.set)
        await till.connect(LineWire("tcp", bridge.addresses["tcp"]))
        await till.send(LOGIN, ("S1", "POI00001"))
        while not till.inbox or bridge.status.busy:
            news.clear()
            await news.wait()
        status = bridge.status
        assert status.alive
        assert status.taken == 1
        assert status.written == dict.fromkeys(status.accepted, 1)
        assert reached.count("LoggedIn.decided") == status.reached["LoggedIn.decided"] == 1
        assert "journal.committed" in reached
        bridge.turn(10.0)
        bridge.disk(waits=True)
        bridge.disk(waits=False)
        assert bridge.status.orders == bridge.orders == 3
        assert Status(**{**status.dump(), "accepted": tuple(status.accepted)}) == status
        await till.leave()


async def test_it_stops_when_asked(tmp_path: Path) -> None:
    news = asyncio.Event()
    async with hosted(tmp_path, news, []) as bridge:
        bridge.stop()
        while bridge.status.alive or bridge.status.busy:  # at work until its journal is closed, too
            news.clear()
            await news.wait()
        left = await asyncio.to_thread(lambda: list(tmp_path.rglob("journal.sqlite-wal")))
        assert left == []


async def test_it_cannot_be_killed_here(tmp_path: Path) -> None:
    async with hosted(tmp_path, asyncio.Event(), []) as bridge:
        with pytest.raises(AssertionError, match="process of its own"):
            bridge.kill_at("Asking.decided", 1)
        with pytest.raises(AssertionError, match="process of its own"):
            await bridge.kill()
