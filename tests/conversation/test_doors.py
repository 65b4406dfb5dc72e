"""A journal that can be made to wait, a listener that counts and can stop in the middle of an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.conversation.doors import GatedJournal, WatchedListener
from nexo_bridge.core.journal import Entry, Query, Stamp
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal
from nexo_bridge.nexo.framing import frame


def entry(number: int) -> Entry:
    return Entry(Stamp(number, 1000.0, 0.0), "input", "Arrived", None, {})


async def test_a_disk_that_waits_holds_answers_back(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(
        tmp_path / "journal.sqlite", Keys.derive(b"k" * 32), configuration={}, reserve=0, low=0
    )
    changed = asyncio.Event()
    gate = GatedJournal(journal, changed.set)
    following = asyncio.create_task(gate.follow())
    try:
        gate.wait(True)
        number = gate.next_number()
        gate.append(entry(number))
        waiting = [
            asyncio.create_task(gate.committed(number)),
            asyncio.create_task(gate.find(Query(refs=(("key", "none"),)))),
        ]
        while gate.held < 2 or gate.durable < number:
            changed.clear()
            await changed.wait()
        assert not any(task.done() for task in waiting)
        gate.wait(False)
        assert gate.held == 0
        assert await asyncio.gather(*waiting) == [None, ()]
        await asyncio.to_thread(gate.flush)
        assert await gate.open_exchanges() == ()
        assert await gate.newest("nobody") is None
        assert gate.has_room
    finally:
        following.cancel()
        await journal.close()


class Deaf:
    """An intake that answers nothing."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.there = asyncio.Event()

    async def frame(self, source: Source, data: bytes, **_: Any) -> None:
        assert data == b"<a/>"
        self.sources.append(source)
        self.there.set()

    async def fault(self, source: Source, refusal: Refusal, start: bytes, **_: Any) -> None:
        """Not asked for."""

    def gone(self, source: Source) -> None:
        """Not asked for."""


async def test_it_counts_and_writes_halves_when_asked() -> None:
    intake, halves, told = Deaf(), [False, True], list[str]()
    listener = WatchedListener(
        TcpListen(kind="tcp", host="127.0.0.1", port=0),
        intake,
        changed=lambda: told.append("changed"),
        half=lambda: halves.pop(0),
        halved=lambda: told.append("halved"),
    )
    host, _, port = (await listener.start()).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(frame(b"<a/>"))
        await intake.there.wait()
        (source,) = intake.sources
        assert listener.accepted == [source.connection]
        assert await listener.write(source, b"<b/>")
        assert await reader.readexactly(8) == frame(b"<b/>")
        assert await listener.write(source, b"<c/>")
        assert await reader.readexactly(4) == frame(b"<c/>")[:4]
        assert listener.written == {source.connection: 2}
        assert told == ["changed", "halved", "halved"]
    finally:
        writer.transport.abort()
        await listener.close()
