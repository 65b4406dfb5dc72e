"""A journal that can be made to wait, a listener that counts and can stop in the middle of an answer."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.http import HttpListener
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.conversation.doors import Counts, GatedJournal, watched
from nexo_bridge.core.journal import Entry, Query, Stamp
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal
from nexo_bridge.nexo.framing import frame
from nexo_bridge.pos.links.http import HttpLink


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
        self.there, self.over = asyncio.Event(), asyncio.Event()

    async def frame(self, source: Source, data: bytes, **_: Any) -> None:
        assert data == b"<a/>"
        self.sources.append(source)
        self.there.set()

    async def fault(self, source: Source, refusal: Refusal, start: bytes, **_: Any) -> None:
        """Not asked for."""

    def gone(self, source: Source) -> None:
        self.over_with = source
        self.over.set()


async def test_it_counts_and_writes_halves_when_asked() -> None:
    intake, halves, told = Deaf(), [False, True], list[str]()
    counts = Counts()
    settings = TcpListen(kind="tcp", host="127.0.0.1", port=0)
    listener = watched(
        functools.partial(TcpListener, settings),
        settings,
        intake,
        counts=counts,
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
        assert counts.accepted == [source.connection]
        assert await listener.write(source, b"<b/>")
        assert await reader.readexactly(8) == frame(b"<b/>")
        assert await listener.write(source, b"<c/>")
        assert await reader.readexactly(4) == frame(b"<c/>")[:4]
        assert counts.written == {source.connection: 2}
        assert told == ["changed", "halved", "halved"]
        writer.transport.abort()
        await intake.over.wait()
        assert counts.gone == [source.connection] == [intake.over_with.connection]
        assert told[3:] == ["changed"]
    finally:
        writer.transport.abort()
        await listener.close()


async def test_it_knows_what_requests_are_open() -> None:
    intake, told = Deaf(), list[str]()
    counts, over = Counts(), asyncio.Event()
    settings = HttpListen(kind="http", host="127.0.0.1", port=0)
    listener = watched(
        functools.partial(HttpListener, settings),
        settings,
        intake,
        counts=counts,
        changed=over.set,
        half=lambda: False,
        halved=lambda: told.append("halved"),
    )
    host, _, port = (await listener.start()).rpartition(":")
    link = HttpLink(f"http://{host}:{port}/nexo")
    lost: asyncio.Queue[object] = asyncio.Queue()

    async def heard(_: bytes) -> None:
        told.append("heard")

    try:
        await link.connect(heard, lambda: None)
        await link.send(b"<a/>", lost.put_nowait)
        await intake.there.wait()
        (source,) = intake.sources
        assert counts.open == {source.connection}
        assert not await listener.write(source, b"<SaleToPOIRequest><MessageHeader/></SaleToPOIRequest>")
        assert counts.open == {source.connection}  # a display is no answer
        assert await listener.write(source, b"<SaleToPOIResponse><MessageHeader/></SaleToPOIResponse>")
        assert counts.open == set()  # now it is the POS that has not heard it yet
        await lost.get()
        await over.wait()
        assert (counts.open, counts.gone, told) == (set(), [], ["halved", "halved", "heard"])
    finally:
        await link.close()
        await listener.close()
