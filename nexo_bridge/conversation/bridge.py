"""A whole bridge whose time, disk and end are in the hands of a script. Everything else about it is real."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from nexo_bridge.adapters.channel import NOT_ASKED_FOR, Feed
from nexo_bridge.adapters.intake import Intake
from nexo_bridge.adapters.journal_probe import probed
from nexo_bridge.adapters.journal_sqlite import SqliteJournal
from nexo_bridge.adapters.ppaas_http import Clock, Platform
from nexo_bridge.conversation.clock import StageClock
from nexo_bridge.conversation.doors import Counts, GatedJournal, there, watched
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.runtime.access import keys_of, platform_of
from nexo_bridge.runtime.app import Application, Listener, MakeListener
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.control import Desk, Json
from nexo_bridge.runtime.listeners import makers, ready_name
from nexo_bridge.runtime.settings import Listen, Settings

_FOREVER = 3600.0  # of real time: a script that waits so long has failed before
_TAKEN = ("Arrived.taken", "Unreadable.taken")


@dataclass(frozen=True, slots=True)
class Status:
    """What a bridge says of itself, for those who wait until nothing happens any more.

    Attributes:
        alive: its process runs.
        taken: messages and faults that reached the core.
        accepted: connections in the order in which they came.
        gone: connections that the core knows to be over.
        written: messages written to each.
        open: requests that hold a connection of their own open and are not answered yet.
        acknowledged: publications that were acknowledged to a broker.
        busy: tasks that neither time nor the disk keeps waiting.
        due: when its next alarm rings, in seconds passed.
        orders: how many orders of the script it has carried out.
        reached: how often each named point was reached.
        heard: events of the platform that were handed to the core.
        webhook: where the platform may call it; empty without one.
        opening: streams that wait neither for an event nor for time: they are being opened, or about to be.
    """

    alive: bool = True
    taken: int = 0
    accepted: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    written: dict[str, int] = field(default_factory=dict)
    open: int = 0
    acknowledged: int = 0
    busy: int = 0
    due: float | None = None
    orders: int = 0
    reached: dict[str, int] = field(default_factory=dict)
    heard: int = 0
    webhook: str = ""
    opening: int = 0

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Bridge(Protocol):
    """A bridge as a script handles it: in this process (``HostedBridge``) or in one of its own (``victim``)."""

    addresses: dict[str, tuple[str, int]]
    """Where it listens, by the names of the ready line."""

    @property
    def status(self) -> Status:
        """The newest there is."""

    @property
    def orders(self) -> int:
        """Orders given so far; all are carried out once ``status.orders`` says so."""

    async def start(self) -> None:
        """Take up what is on disk and listen."""

    def turn(self, to: float) -> None:
        """Let its time reach ``to``; at most one alarm rings."""

    def disk(self, *, waits: bool) -> None:
        """Its disk answers nothing, or again."""

    def kill_at(self, point: str, times: int) -> None:
        """End its process by SIGKILL at the n-th time from now that it reaches ``point``."""

    async def kill(self) -> None:
        """End its process by SIGKILL now."""

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does: nothing new begins, what runs is finished."""

    async def end(self) -> None:
        """Let it go, whatever it is doing, and wait until it has gone."""


Checkpoint = Callable[[str], None]


class _CountedChannels(Channels):
    """Result channels whose events are counted on their way to the core, and who of them waits for time."""

    def __init__(self, settings: Settings, doors: Platform, journal: GatedJournal, clock: StageClock) -> None:
        super().__init__(settings, doors, journal, clock=clock, chance=lambda: 1.0)
        self._stage_clock = clock
        self._streams_wanted = sum(one.results == "stream" for one in settings.terminals.values())
        self._pausing = 0
        self.heard = 0

    @property
    def opening(self) -> int:
        """See ``Status``: an open stream, and one that was refused, each wait for time in one pause."""
        return self._streams_wanted - self._pausing

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()

        def end() -> None:
            self._pausing -= 1
            over.set()

        self._pausing += 1
        timer = self._stage_clock.call_later(seconds, end)
        try:
            await over.wait()
        finally:
            timer.cancel()
            self._pausing -= not over.is_set()

    async def start(self, feed: Feed, works: Callable[[], bool]) -> None:
        def counted(event: PlatformEvent) -> None:
            self.heard += event.ack != NOT_ASKED_FOR
            feed(event)

        await super().start(counted, works)


class HostedBridge:
    """A bridge in this process, with SQLite on disk, TCP and TLS; only its time is made.

    Args:
        settings: its configuration.
        start: wall time at the beginning of the script.
        passed: seconds since then.
        changed: called when ``status`` may be another.
        checkpoint: hears the named points, in any thread.
        half: whether half of the next answer shall be written, and then the point ``answer.half`` be reached.
    """

    def __init__(
        self,
        settings: Settings,
        start: float,
        passed: float,
        changed: Callable[[], None],
        *,
        checkpoint: Checkpoint = lambda _: None,
        half: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._news = asyncio.Event()
        self._told = changed
        self._clock = StageClock(start, passed, self._news.set)
        self._also = checkpoint
        self._half = half
        self._reached: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._counts = Counts()
        self._listeners: list[Listener] = []
        self._alive = False
        self.orders = 0
        self.addresses: dict[str, tuple[str, int]] = {}

    async def start(self) -> None:
        """See ``Bridge``."""
        settings = self._settings
        keys = await asyncio.to_thread(keys_of, settings)
        clock = Clock(wall=self._clock.wall, mono=self._clock.mono)
        self._platform = await asyncio.to_thread(functools.partial(platform_of, settings, keys, clock=clock))
        self._journal = await SqliteJournal.open(
            settings.journal.path,
            keys,
            configuration=settings.projection(),
            clock=lambda: (self._clock.wall(), self._clock.mono()),
            connect=probed(self._probe),
            on_broken=self._broke,
            reserve=0,
            low=0,
        )
        self._gate = GatedJournal(self._journal, self._news.set)
        self._channels = _CountedChannels(settings, self._platform, self._gate, self._clock)
        self._app = await asyncio.to_thread(
            functools.partial(
                Application,
                settings,
                keys,
                self._gate,
                self._platform,
                [
                    functools.partial(self._listener, make, listen)
                    for make, listen in zip(
                        makers(settings, keys.installation_id), settings.listen, strict=True
                    )
                ],
                clock=self._clock,
                checkpoint=self._checkpoint,
                channels=self._channels,
            )
        )
        self._desk = Desk(
            self._app.bridge,
            self._app.runner.feed,
            self._app.runner.now,
            self._platform.session_state,
            self._no_reload,
            channel=self._channels.shown,
            listeners=self._app.listener_states,
            reachable=lambda: self._app.reachable,
        )
        self._alive = True
        self._tasks.append(asyncio.create_task(self._watch(), name="watch"))
        self._tasks.append(asyncio.create_task(self._gate.follow(), name="watch"))
        bound = await self._app.start()
        for listen, address in zip(settings.listen, bound, strict=True):
            host, _, port = address.rpartition(":")
            self.addresses[ready_name(listen)] = host, int(port)
        for listener in self._listeners:
            await there(listener)

    def _broke(self, reason: str) -> None:
        self._app.runner.journal_broke(reason)

    @staticmethod
    async def _no_reload() -> Json:
        return {"ok": False, "text": "a script has one configuration"}

    def _listener(self, make: MakeListener, listen: Listen, intake: Intake) -> Listener:
        listener = watched(
            make,
            listen,
            intake,
            counts=self._counts,
            changed=self._news.set,
            half=self._half,
            halved=lambda: self._checkpoint("answer.half"),
        )
        self._listeners.append(listener)
        return listener

    def _checkpoint(self, name: str) -> None:
        self._reached[name] += 1
        self._also(name)
        self._news.set()

    def _probe(self, name: str) -> None:
        """A point in the journal's thread."""
        self._reached[name] += 1
        self._also(name)

    async def _watch(self) -> None:
        """Tell whenever something ended or was reached."""
        while True:
            news = asyncio.create_task(self._news.wait(), name="news")
            work = {*self._app.runner.under_way, *self._platform.renewals, news}
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            self._news.clear()
            news.cancel()
            await asyncio.gather(news, return_exceptions=True)
            self._told()

    def flush(self) -> None:
        """Block until the journal has all that it was given; before a crash that is to leave just this on disk."""
        self._gate.flush()

    @property
    def status(self) -> Status:
        """See ``Bridge``."""
        reached = dict(self._reached)
        return Status(
            alive=self._alive,
            taken=sum(reached.get(name, 0) for name in _TAKEN),
            accepted=tuple(self._counts.accepted),
            gone=tuple(self._counts.gone),
            written=dict(self._counts.written),
            open=len(self._counts.open),
            acknowledged=self._counts.acknowledged,
            busy=self._busy(),
            due=self._clock.due,
            orders=self.orders,
            reached=reached,
            heard=self._channels.heard,
            webhook=self._channels.webhook_address or "",
            opening=self._channels.opening if self._alive else 0,
        )

    def health(self) -> Json:
        """What ``nexo-bridge status --json`` would say now."""
        return self._desk.status()

    def _busy(self) -> int:
        stopping = sum(task.get_name() == "stop" and not task.done() for task in self._tasks)
        if not self._alive:
            return stopping
        work = {*self._app.runner.under_way, *self._platform.renewals}
        under_way = sum(not task.done() for task in work)
        idle = stopping if under_way or self._app.bridge.unresolved > self._app.bridge.parked else 0
        unwritten = int(self._gate.durable < self._gate.appended)
        ending = len(self._counts.ending)
        return unwritten + under_way + ending + stopping - idle - self._clock.awaited - self._gate.held

    def turn(self, to: float) -> None:
        """See ``Bridge``."""
        self.orders += 1
        self._clock.turn(to)
        self._news.set()

    def disk(self, *, waits: bool) -> None:
        """See ``Bridge``."""
        self.orders += 1
        self._gate.wait(waits)
        self._news.set()

    def kill_at(self, point: str, times: int) -> None:
        """Not here: it would be the end of whoever plays the script."""
        raise AssertionError(f"only a process of its own can be killed at {point} x{times}")

    async def kill(self) -> None:
        """See ``kill_at``."""
        raise AssertionError("only a process of its own can be killed")

    def stop(self) -> None:
        """See ``Bridge``."""
        self.orders += 1
        self._tasks.append(asyncio.create_task(self._stop(), name="stop"))
        self._news.set()

    async def _stop(self) -> None:
        await self._app.drain(_FOREVER)
        await self._close()

    async def _close(self) -> None:
        self._alive = False
        await self._app.close()
        await self._platform.close()
        await self._journal.close()
        self._news.set()

    async def end(self) -> None:
        """See ``Bridge``."""
        for task in self._tasks:
            if task.get_name() == "watch":
                task.cancel()
        stops = [task for task in self._tasks if task.get_name() == "stop"]
        if self._alive and not stops:
            await self._close()
        for task in stops:
            if self._alive:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._alive:
            await self._close()
