"""The only loop: stamps events, lets the core decide, carries out what it says.

Every exchange has a lane. Its commands run in order, and none runs before the journal entries that the core wrote
ahead of it are on disk; lanes do not wait for each other. Whatever takes time (a platform call, a look-up, a write to
a POS) is started, never awaited: what comes of it comes back as an event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from nexo_bridge.core import projection
from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.journal import Entry, Stamp
from nexo_bridge.core.signals import (
    Accept,
    AlarmRang,
    Arrived,
    CallPlatform,
    Command,
    Delivery,
    Event,
    Forget,
    Found,
    Journal,
    JournalBroke,
    Lookup,
    PlatformAnswered,
    Raise,
    Reply,
    Started,
    Tell,
    Unreadable,
    WakeAt,
    Written,
    deliveries,
)
from nexo_bridge.errors import JournalFailure
from nexo_bridge.ppaas.models import Outcome, Unknown
from nexo_bridge.ppaas.operations import Call
from nexo_bridge.runtime.ports import (
    Checkpoint,
    Clock,
    JournalPort,
    PlatformPort,
    Timer,
    WriterPort,
    no_checkpoint,
    no_one_to_tell,
)

REOPEN_PAUSE = 1.0
"""Seconds between two attempts to write a broken journal again."""

_WAYS_OUT = ("lookup-", "lane-", "write-")
"""Tasks that an answer passes through: asked of the journal, waiting for it, being written."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    """The commands of one exchange that still wait, each with the journal number it must not overtake."""

    number: int = 0
    waiting: deque[tuple[int, Command | Delivery]] = field(default_factory=deque)
    running: bool = False


class Runner:
    """Feeds one ``Bridge`` and carries out its commands. ``feed`` is safe to call from any callback of the loop.

    Attributes:
        tell: takes the core's word on what a person asked: request, whether it was done, one sentence.
    """

    def __init__(
        self,
        bridge: Bridge,
        journal: JournalPort,
        platform: PlatformPort,
        writer: WriterPort,
        clock: Clock,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        observe: Callable[[Stamp, Command], None] | None = None,
    ) -> None:
        self._bridge = bridge
        self._journal = journal
        self._platform = platform
        self._writer = writer
        self._clock = clock
        self._checkpoint = checkpoint
        self._observe = observe
        self._lanes: dict[str, _Lane] = {}
        self._alarms: dict[tuple[str, str], Timer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest = 0
        self.tell: Callable[[int, bool, str], None] = no_one_to_tell
        self._idle = asyncio.Event()
        self._idle.set()

    def now(self) -> float:
        """Wall time, seconds since the epoch."""
        return self._clock.wall()

    # -- events in -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read what is open on disk and take it up, before anything is answered (rule R1)."""
        self.feed(Started(open=await self._journal.open_exchanges()))

    def feed(self, event: Event) -> None:
        """Stamp, journal, decide, carry out. Never blocks.

        A defect of ours in deciding one event must not stop the others: it is logged, and whatever the event was
        about stays as the journal has it.
        """
        stamp = Stamp(self._journal.next_number(), self._clock.wall(), self._clock.mono())
        self._newest = stamp.number
        self._journal.append(projection.entry(stamp, event))
        self._checkpoint(f"{type(event).__name__}.taken")
        try:
            commands = self._bridge.handle(stamp, event)
        except Exception as problem:  # noqa: BLE001 - see above
            log.error("core failed", error=problem, name=type(event).__name__, number=stamp.number)  # noqa: TRY400 - no texts
            if isinstance(
                event, Arrived | Unreadable
            ):  # brought again it would fail again, and hold up all others
                self._spawn(self._accept(deliveries(stamp.number, event)), "accept-failed")
            return
        for command in commands:
            self._carry_out(stamp, command)
        if self._bridge.waited_for:
            self._idle.clear()
        else:
            self._idle.set()

    def when_on_disk(self, call: Callable[[], None]) -> None:
        """Call back once the newest event is on disk, or the journal is broken and it may never be."""
        self._spawn(self._call_back(self._newest, call), "on-disk")

    async def _call_back(self, number: int, call: Callable[[], None]) -> None:
        with contextlib.suppress(JournalFailure):
            await self._journal.committed(number)
        call()

    def journal_broke(self, reason: str) -> None:
        """The journal says so: stop acting on memory, and try to write again."""
        self.feed(JournalBroke(reason=reason))
        lanes, self._lanes = self._lanes, {}
        for exchange, lane in lanes.items():
            free = [command for number, command in lane.waiting if not number]
            lane.waiting.clear()  # what they waited for did not happen; the core reads the disk again
            for command in free:
                self._queue(exchange, command)
        self._spawn(self._reopen(), "journal-reopen")

    async def _reopen(self) -> None:
        while not await self._journal.reopen():
            await self._pause(REOPEN_PAUSE)
        try:
            histories = await self._journal.open_exchanges()
        except JournalFailure as failure:
            self.journal_broke(str(failure))
            return
        # The core takes exchanges up as after a crash, which ends every call: so they end, for R6 counts from there.
        await self._end(task for task in self._tasks if task.get_name().startswith("call-X"))
        log.warning("journal can be written again")
        for alarm in list(self._alarms):
            self._cancel(alarm)
        self.feed(Started(open=histories))

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()
        self._clock.call_later(seconds, over.set)
        await over.wait()

    # -- commands out --------------------------------------------------------------------------------------------

    def _carry_out(self, stamp: Stamp, command: Command) -> None:
        if self._observe is not None:
            self._observe(stamp, command)
        match command:
            case Journal(entry=entry):
                self._append(stamp, entry)
            case Reply(exchange=""):
                self._now(command)
            case Raise(exchange=exchange, alarm=alarm, text=text):
                self._checkpoint(f"{alarm}.raised")
                log.warning("alarm", exchange=exchange, code=alarm, text=text)
            case Reply(exchange=exchange) | CallPlatform(exchange=exchange) | Lookup(exchange=exchange):
                self._queue(exchange, command)
            case Tell(exchange=""):
                self._now(command)
            case WakeAt(exchange=exchange) | Forget(exchange=exchange) | Tell(exchange=exchange):
                self._queue(exchange, command)
            case Accept(exchange=exchange):
                delivery = Delivery(command.source, command.ack, stamp.number)
                if exchange:
                    self._queue(exchange, delivery, stamp.number)
                else:
                    self._now(delivery)

    def _append(self, stamp: Stamp, entry: Entry) -> None:
        number = self._journal.next_number()
        lane = self._lanes.setdefault(entry.exchange or "", _Lane())
        lane.number = number
        self._checkpoint(f"{entry.name}.decided")
        self._journal.append(replace(entry, stamp=replace(stamp, number=number)))

    def _queue(self, exchange: str, command: Command | Delivery, after: int = 0) -> None:
        lane = self._lanes.setdefault(exchange, _Lane())
        lane.number = max(lane.number, after)
        lane.waiting.append((lane.number, command))
        if not lane.running:
            lane.running = True
            self._spawn(self._drain(exchange, lane), f"lane-{exchange}")

    async def _drain(self, exchange: str, lane: _Lane) -> None:
        try:
            while lane.waiting:
                number, _ = lane.waiting[0]
                if number:
                    await self._journal.committed(number)
                if not lane.waiting:
                    return  # the journal broke meanwhile
                _, command = lane.waiting.popleft()
                if number:
                    self._checkpoint(f"{type(command).__name__}.allowed")
                self._now(command)
        except JournalFailure:
            lane.waiting.clear()  # poisoned until read again; ``journal_broke`` tells the core
        finally:
            lane.running = False
            if not lane.waiting and lane.number == 0 and self._lanes.get(exchange) is lane:
                del self._lanes[exchange]

    def _now(self, command: Command | Delivery) -> None:
        match command:
            case Delivery():
                self._spawn(self._accept((command,)), f"accept-{command.source.connection}")
            case Reply():
                self._spawn(self._write(command), f"write-{command.source.connection}")
            case CallPlatform():
                self._spawn(self._call(command), f"call-{command.exchange}-{command.operation}")
            case Lookup():
                self._spawn(self._look_up(command), f"lookup-{command.exchange}")
            case WakeAt(wall=wall, exchange=exchange, alarm=alarm):
                self._cancel((exchange, alarm))
                delay = max(0.0, wall - self._clock.wall())
                self._alarms[exchange, alarm] = self._clock.call_later(
                    delay, lambda: self._ring(exchange, alarm)
                )
            case Tell(request=request, done=done, text=text):
                self.tell(request, done, text)
            case Forget(exchange=exchange):
                for name in [name for name in self._alarms if name[0] == exchange]:
                    self._cancel(name)
                self._lanes.pop(exchange, None)
            case _:
                raise AssertionError(f"{type(command).__name__} is not carried out here")

    async def _accept(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge inputs that are on disk; a broken journal acknowledges nothing, so they come again."""
        for one in deliveries:
            with contextlib.suppress(JournalFailure):
                await self._journal.committed(one.number)
                self._checkpoint("Accept.allowed")
                await self._writer.acknowledge(one.source, one.ack)

    async def _write(self, reply: Reply) -> None:
        self._checkpoint("Reply.writing")
        if await self._writer.write(reply.source, reply.data):
            self._checkpoint("Reply.written")
            if reply.settles:
                self.feed(Written(exchange=reply.exchange))
        await self._accept(reply.accepts)

    async def _call(self, command: CallPlatform) -> None:
        call = Call(
            poiid=command.poiid,
            operation=command.operation,
            path=dict(command.path),
            query=dict(command.query),
            body=command.body,
            key=command.key,
            serial=command.serial,
        )
        self._checkpoint(f"{command.operation}.sending")
        outcome: Outcome
        try:
            outcome = await self._platform.perform(call)
        except Exception as problem:  # noqa: BLE001 - the port promises not to raise; money does not rest on it
            log.error("platform failed", error=problem, operation=command.operation)  # noqa: TRY400 - no texts
            outcome = Unknown(reason="internal")
        self._checkpoint(f"{command.operation}.answered")
        self.feed(PlatformAnswered(exchange=command.exchange, call=command.call, outcome=outcome))

    async def _look_up(self, lookup: Lookup) -> None:
        try:
            results = tuple([await self._journal.find(query) for query in lookup.queries])
        except JournalFailure:
            self.feed(Found(exchange=lookup.exchange, results=None))
        else:
            self.feed(Found(exchange=lookup.exchange, results=results))

    def _ring(self, exchange: str, alarm: str) -> None:
        self._alarms.pop((exchange, alarm), None)
        self.feed(AlarmRang(exchange=exchange, alarm=alarm))

    def _cancel(self, name: tuple[str, str]) -> None:
        timer = self._alarms.pop(name, None)
        if timer is not None:
            timer.cancel()

    # -- tasks ---------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task failed", task=task.get_name(), error=task.exception())

    @property
    def under_way(self) -> frozenset[asyncio.Task[None]]:
        """Everything that was started and has not ended, for those who wait until nothing happens any more."""
        return frozenset(self._tasks)

    async def quiet(self) -> None:
        """Wait until nobody waits for an outcome and every answer is out; parked exchanges do not count.

        What is settled is not yet said: its answer waits in its lane for the disk, and then for its connection.
        """
        while True:
            await self._idle.wait()
            ways_out = {task for task in self._tasks if task.get_name().startswith(_WAYS_OUT)}
            if not ways_out:
                return
            await asyncio.wait(ways_out)

    async def close(self) -> None:
        """Stop: what is under way is left as the journal has it, which is enough to take it up again."""
        for name in list(self._alarms):
            self._cancel(name)
        await self._end(self._tasks)

    async def _end(self, some: Iterable[asyncio.Task[None]]) -> None:
        tasks = set(some)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
