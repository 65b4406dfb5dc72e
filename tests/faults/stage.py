"""A till's sockets, the whole bridge and a whole platform in one process, and one time that a test turns.

Real parts only: TCP, TLS with client certificates, SQLite on disk. What a test replaces are the ports that
``runtime.app`` names: the clock, and where a disk must fail, how SQLite opens its file.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sqlite3
import ssl
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexo_bridge.adapters.https import Timeouts
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.ppaas_http import Clock, Platform
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.core import decisions as did
from nexo_bridge.core.signals import Command, Raise
from nexo_bridge.runtime.access import platform_of
from nexo_bridge.runtime.app import Application
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.listeners import makers
from nexo_bridge.runtime.records import Records
from nexo_bridge.runtime.settings import Settings, load_settings
from nexo_bridge.sandbox.server import Options, Sandbox
from tests.faults import words
from tests.faults.clockwork import Clockwork
from tests.faults.words import Answer

KEYS = Keys.derive(b"f" * 32)
POIID = "POI00001"
THINK = 4.0
TAKEN = frozenset({"Arrived.taken", "Unreadable.taken"})


class Till:
    """One connection of a Sale System; what the bridge sends it waits in ``answers``."""

    def __init__(
        self, stage: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sale: str, poi: str
    ) -> None:
        self.stage, self.sale, self.poi = stage, sale, poi
        self.answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self.writer = writer
        self._reader = reader
        self._task = asyncio.create_task(self._read(), name="till")

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                self.answers.put_nowait(Answer(await self._reader.readexactly(size)))
                self.stage.received += 1
                self.stage.news.set()
        self.answers.put_nowait(None)
        self.stage.news.set()

    async def send(self, *messages: bytes) -> None:
        """Whole messages, each behind its length; returns once the core has been told of each."""
        await self.raw(b"".join(words.framed(message) for message in messages), messages=len(messages))

    async def raw(self, data: bytes, *, messages: int = 1) -> None:
        """Any bytes, of which the bridge makes so many messages and faults."""
        self.stage.expected += messages
        self.writer.write(data)
        await self.writer.drain()
        await self.stage.settle()

    async def hear(self, *, within: float = 600.0) -> Answer:
        """The next message to this till; time passes until it comes."""
        until = self.stage.time.passed + within
        while self.answers.empty():
            assert await self.stage.tick(until), f"no answer within {within:g} s"
        answer = self.answers.get_nowait()
        assert answer is not None, "the bridge closed the connection"
        return answer

    async def closed(self) -> bool:
        """Whether the bridge ends this connection, with nothing more to say."""
        return await self.answers.get() is None

    async def ask(self, message: bytes) -> Answer:
        await self.send(message)
        return await self.hear()

    async def login(self, service: str = "1", *, capabilities: str = "") -> None:
        answer = await self.ask(words.login(service, self.sale, self.poi, capabilities=capabilities))
        assert answer.result == "Success", str(answer)

    def payment(self, service: str, amount: str, **more: Any) -> bytes:
        return words.payment(service, self.sale, self.poi, amount, **more)

    async def pay(self, service: str, amount: str, **more: Any) -> Answer:
        return await self.ask(self.payment(service, amount, **more))

    async def status(self, service: str, reference: str | None = None) -> Answer:
        return await self.ask(words.status(service, self.sale, self.poi, reference))

    async def drop(self) -> None:
        """The cable is pulled: a reset, which the bridge hears of before this returns."""
        gone = self.stage.reached["PosGone.taken"] + 1
        self.stage.exact = False
        plain: socket.socket = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()
        await self.stage.until(lambda: self.stage.reached["PosGone.taken"] >= gone)

    async def leave(self) -> None:
        self.writer.transport.abort()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@dataclass
class Stage:
    """The rig. ``alarms`` are what people would be told, ``reached`` counts the runner's checkpoints."""

    folder: Path
    time: Clockwork
    sandbox: Sandbox
    settings: Settings
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    timeouts: Timeouts = field(default_factory=Timeouts)
    certificates_at: Callable[[], float] | None = None  # for our certificates, if not ``time``
    reserve: int = 0
    low: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    reached: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
    tills: list[Till] = field(default_factory=list)
    expected: int = 0
    received: int = 0
    exact: bool = True
    held: int = 0  # calls that a test's own server keeps waiting
    usable_services: int = 900_000

    # -- parts ---------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Start the bridge on what the folder holds."""
        self.platform = await asyncio.to_thread(self._platform)
        self.journal = await SqliteJournal.open(
            self.settings.journal.path,
            KEYS,
            configuration=self.settings.projection(),
            clock=lambda: (self.time.wall(), self.time.mono()),
            connect=self.connect,
            on_broken=self._broke,
            reserve=self.reserve,
            low=self.low,
        )
        records = Records()

        def observe(stamp: Any, command: Command) -> None:
            records.observe(stamp, command)
            if isinstance(command, Raise):
                self.alarms.append(command.alarm)

        self.app = await asyncio.to_thread(
            functools.partial(
                Application,
                self.settings,
                KEYS,
                self.journal,
                self.platform,
                makers(self.settings, KEYS.installation_id),
                clock=self.time,
                checkpoint=self._checkpoint,
                observe=observe,
                channels=self.make_channels(),
            )
        )
        host, _, port = (await self.app.start())[0].rpartition(":")
        self.address = host, int(port)
        await self.settle()

    def make_channels(self) -> Channels | None:
        """How results come by themselves; overridden where they do."""
        return None

    def _broke(self, reason: str) -> None:
        self.app.runner.journal_broke(reason)

    async def end(self) -> None:
        """Stop the bridge without finishing anything; the connections of its tills are over."""
        for till in self.tills:
            await till.leave()
        self.tills.clear()
        self.exact = False
        await self.app.close()
        await self.platform.close()
        await self.journal.close()
        self.expected = sum(self.reached[name] for name in TAKEN)

    async def restart(self) -> None:
        await self.end()
        await self.begin()

    def _platform(self) -> Platform:
        clock = Clock(wall=self.certificates_at or self.time.wall, mono=self.time.mono)
        return platform_of(self.settings, KEYS, clock=clock, timeouts=self.timeouts)

    def _checkpoint(self, name: str) -> None:
        self.reached[name] += 1
        self.news.set()

    async def till(
        self, sale: str = "KASSE1", poi: str = POIID, *, tls: ssl.SSLContext | None = None
    ) -> Till:
        """A new connection; with ``tls`` to the listener of that kind."""
        if tls is None:
            streams = await asyncio.open_connection(*self.address)
        else:
            states = self.app.listener_states()
            host, _, port = next(one.address for one in states if one.kind == "tls").rpartition(":")
            streams = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname="localhost")
        till = Till(self, *streams, sale, poi)
        self.tills.append(till)
        return till

    async def logged_in(self, sale: str = "KASSE1", poi: str = POIID, *, capabilities: str = "") -> Till:
        till = await self.till(sale, poi)
        await till.login(capabilities=capabilities)
        return till

    # -- time ----------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until nothing more happens unless time passes, a customer acts or a till speaks."""
        while self._busy():
            self.news.clear()
            tasks = set(self.app.runner._tasks)
            news = asyncio.create_task(self.news.wait())
            changed = asyncio.create_task(self.time.changed.wait())
            await asyncio.wait({*tasks, news, changed}, return_when=asyncio.FIRST_COMPLETED)
            self.time.changed.clear()
            for waiter in (news, changed):
                waiter.cancel()
            await asyncio.gather(news, changed, return_exceptions=True)
        if not self.exact:
            for _ in range(20):  # bytes to a till that may be gone: nobody can count them
                await asyncio.sleep(0)

    def _busy(self) -> bool:
        taken = sum(self.reached[name] for name in TAKEN)
        unread = self.exact and self.received < self.reached["Reply.written"]
        under_way = len(self.app.runner._tasks) > self.time.waiting + self.held
        return taken < self.expected or unread or under_way

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that needs no time to pass."""
        while not true():
            self.news.clear()
            await self.news.wait()

    async def tick(self, until: float) -> bool:
        """Let time pass up to the next thing that is due, or to ``until``; False when that is past."""
        if self.time.passed >= until:
            return False
        self.time.turn(until)
        await self.settle()
        return True

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, and everything that happens in them happen."""
        until = self.time.passed + seconds
        while await self.tick(until):
            pass

    # -- what must always be true --------------------------------------------------------------------------------

    async def decisions(self) -> dict[str, list[did.AnyDecision]]:
        """What the journal holds of each exchange."""
        found: dict[str, list[did.AnyDecision]] = defaultdict(list)
        after = 0
        while entries := await self.journal.entries(after):
            for entry in entries:
                if entry.kind == "decision" and entry.exchange is not None:
                    found[entry.exchange].append(did.read(entry))
            after = entries[-1].stamp.number
        return dict(found)

    async def invariants(self, *, creates: int = 1) -> None:
        """I1, I2, I3 and I5 of every exchange: the journal against the platform's own ledger."""
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.sandbox.ledger():
            rows[row["clientTransactionId"]].append(row)
        for exchange, made in (await self.decisions()).items():
            asking = next((one for one in made if isinstance(one, did.Asking)), None)
            settled = [one for one in made if isinstance(one, did.Settled)]
            if asking is None:
                assert all(one.result == "Failure" for one in settled if one.status != "REFUSED")
                continue
            mine = rows.pop(asking.key, [])
            assert len(mine) <= creates, f"{exchange}: {len(mine)} creates"
            charged = sum(row["charges"] for row in mine)
            assert charged <= 1, f"{exchange}: charged {charged} times"
            assert len(settled) <= 1
            for one in settled:
                assert charged == (one.result in {"Success", "Partial"}), (
                    f"{exchange}: {one.result}, charged {charged}"
                )
                if charged:
                    row = next(row for row in mine if row["charges"])
                    assert (row["amount"], row["currency"]) == (asking.amount, asking.currency)
                    assert row["deviceId"] == asking.serial
        assert not rows, "the platform knows of payments that the journal does not"

    async def usable(self, till: Till, *, creates: int = 1) -> None:
        """The case is over: a clear end, nothing lost, and the next customer pays."""
        self.usable_services += 1
        answer = await till.pay(str(self.usable_services), "7.77")
        assert (answer.result, answer.amount) == ("Success", "7.77"), str(answer)
        assert all(row["status"] != "PENDING" for row in self.sandbox.ledger())
        assert self.app.bridge.unresolved == 0
        await self.invariants(creates=creates)


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    dedup: bool = False,
    terminals: int = 1,
    extra: str = "",
    token_life: int = 300,
    grant: str = "mtls",
    edit: Callable[[str], str] = lambda text: text,
    start: float | None = None,
    begin: bool = True,
    **parts: Any,
) -> AsyncIterator[Stage]:
    """A sandbox and a bridge on it. ``extra`` is added to its configuration, ``edit`` changes the whole."""
    clock = Clockwork(time.time() if start is None else start)
    options = Options(
        state=folder,
        think=THINK,
        dedup=dedup,
        terminals=terminals,
        token_life=token_life,
        grant=grant,
        seed=7,
        clock=clock,
    )
    async with Sandbox(options) as sandbox:
        config = folder / "tested.toml"
        config.write_text(edit(sandbox.config_path.read_text(encoding="utf-8")) + extra, encoding="utf-8")
        settings = await asyncio.to_thread(load_settings, config, {})
        made = Stage(folder, clock, sandbox, settings, **parts)
        if begin:
            await made.begin()
        try:
            yield made
        finally:
            if hasattr(made, "app"):
                await made.end()
