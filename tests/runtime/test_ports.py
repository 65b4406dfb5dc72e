from __future__ import annotations

import asyncio
import inspect

from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.runtime import ports
from nexo_bridge.runtime.ports import SystemClock, no_checkpoint, no_one_to_tell


async def test_the_system_clock_rings_on_the_loop_and_can_be_silenced() -> None:
    clock = SystemClock()
    rung = asyncio.Event()
    silenced = asyncio.Event()
    clock.call_later(0.0, silenced.set).cancel()
    clock.call_later(0.0, rung.set)
    await rung.wait()
    assert not silenced.is_set()
    assert clock.mono() <= clock.mono()
    assert clock.wall() > 1_700_000_000


def test_what_does_nothing_does_nothing() -> None:
    no_checkpoint("anything")
    no_one_to_tell(1, True, "anything")


def test_the_adapters_have_what_their_ports_ask_for() -> None:
    for port, adapter in ((ports.JournalPort, SqliteJournal), (ports.PlatformPort, Platform)):
        wanted = {name for name, _ in inspect.getmembers(port) if not name.startswith("_")}
        assert wanted <= set(dir(adapter))
