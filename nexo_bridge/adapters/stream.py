"""Result channel ``stream``: a WebSocket that the device opens, on which the platform tells what happened.

One for each terminal, under its client certificate and token, so that what it says may settle a payment (rule R7).
Everything sent after the newest event that is on disk is sent again after a break; how far that is stands in the
journal, so it outlives the process. This is the only module that imports websockets: nothing is repeated by it, no
redirect followed (F42), no environment variable obeyed, nothing decompressed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlencode

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from nexo_bridge import __version__
from nexo_bridge.adapters.channel import NOT_ASKED_FOR, ChannelState, Feed, Pause, Way
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.core.source import Source
from nexo_bridge.errors import JournalFailure
from nexo_bridge.ppaas.events import MAX_EVENT, read
from nexo_bridge.ppaas.grants import NoSessionError

PATH: Final = "/device-events/v1/stream"
"""Below ``device_api`` (assumed)."""

WINDOW: Final = 64
"""Events handed on and not yet on disk, at most: the rest of a backlog waits at the platform (F57)."""

CHECK: Final = 15.0
"""Seconds between two looks at the token, and at whether the journal still takes events."""

CLOSE_WITHIN = 2.0
"""Seconds that a peer has for its side of a goodbye."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before connecting again: at most the first, doubling up to the second, of which chance takes a part."""

RESUME_INVALID, TOO_LONG, DEAF = 410, 1009, 1011
"""Status of a refused resume point; codes with which websockets leaves over a long message and over a lost pong."""

_NUMBERS = itertools.count(1)

log = structlog.get_logger(__name__)
_quiet = logging.getLogger("websockets.client")
_quiet.setLevel(logging.CRITICAL + 1)  # it logs headers, and tokens with them
_quiet.propagate = False


class Doors(Protocol):
    """The device sessions, as a stream needs them. See ``adapters.ppaas_http``."""

    def way(self, poiid: str) -> Way:
        """Where and through what. Raises ``KeyError``: no such terminal."""

    async def bearer(self, poiid: str) -> str:
        """A token to use now. Raises ``NoSessionError``: there is none to be had."""

    def refused(self, poiid: str, bearer: str) -> None:
        """The platform did not take this token."""


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """A redirect is a refusal: no token goes anywhere but where it belongs."""
        return exc


@dataclass(slots=True)
class _Flight:
    """The events of one connection that are not on disk yet, oldest first: number and id."""

    waiting: deque[tuple[int, str]] = field(default_factory=deque)
    written: set[int] = field(default_factory=set)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WINDOW))
    stuck: bool = False

    def land(self, number: int) -> str | None:
        """``number`` is on disk; the id up to which everything is now, None if that did not change."""
        if all(number != waiting for waiting, _ in self.waiting):
            return None  # of an earlier connection
        self.written.add(number)
        newest = None
        while self.waiting and self.waiting[0][0] in self.written:
            number, event_id = self.waiting.popleft()
            self.written.discard(number)
            newest = event_id or newest
            self.room.release()
        return newest


class StreamChannel:
    """The stream of one terminal.

    Args:
        poiid: whose.
        doors: way, certificate and tokens. Without a certificate its events settle nothing.
        feed: takes the events.
        newest: id of the newest event of this channel in the journal, None without one.
        pause: waits; injected.
        chance: a number from 0 to 1, for the pauses between attempts.
        ping: seconds between pings; a pong that takes as long again ends the connection.
    """

    def __init__(
        self,
        poiid: str,
        doors: Doors,
        feed: Feed,
        *,
        newest: Callable[[], Awaitable[str | None]],
        pause: Pause,
        chance: Callable[[], float],
        ping: float = 20.0,
    ) -> None:
        self.poiid = poiid
        self._certified = False
        self._doors = doors
        self._feed = feed
        self._newest = newest
        self._pause = pause
        self._chance = chance
        self._ping = ping
        self._numbers = itertools.count(NOT_ASKED_FOR + 1)
        self._source = Source("stream", f"stream-{next(_NUMBERS)}")
        self._cursor: str | None = None
        self._flight = _Flight()
        self._state = ChannelState(up=False)
        self._proved = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See ``Channel``."""
        self._task = asyncio.create_task(self._run(), name=f"stream-{self.poiid}")

    def owns(self, source: Source) -> bool:
        """See ``Channel``."""
        return source == self._source

    async def acknowledge(self, source: Source, ack: int) -> None:
        """See ``Channel``."""
        newest = self._flight.land(ack) if self.owns(source) else None
        if newest is not None:
            self._cursor = newest

    def state(self, poiid: str) -> ChannelState | None:
        """See ``Channel``."""
        if poiid != self.poiid:
            return None
        return ChannelState(self._state.up, self._state.problem, self._cursor)

    async def close(self) -> None:
        """See ``Channel``."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._state = ChannelState(up=False)

    # -- connections, one after the other ------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                self._cursor = await self._newest()
                break
            except JournalFailure:
                await self._pause(CHECK)
        failures = 0
        while True:
            self._proved = False
            problem = await self._attempt()
            if problem is None:
                failures = 0
                continue
            self._note(ChannelState(up=False, problem=problem))
            failures = 0 if self._proved else failures
            await self._pause(self._chance() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 16)))
            failures += 1

    async def _attempt(self) -> str | None:
        """One connection from beginning to end: why it ended, None when the next one may follow at once."""
        try:
            bearer = await self._doors.bearer(self.poiid)
            connection = await self._open(bearer)
        except NoSessionError as problem:
            return f"no device session: {problem}"
        except InvalidStatus as refused:
            return self._refused(refused.response.status_code, bearer)
        except (OSError, TimeoutError, WebSocketException) as failed:
            return f"the stream cannot be opened ({type(failed).__name__})"
        except KeyError:
            return "this terminal is not served any more"
        try:
            return await self._listen(connection, bearer)
        finally:
            await connection.close()

    async def _open(self, bearer: str) -> ClientConnection:
        way = self._doors.way(self.poiid)
        self._certified = way.certified
        target = "wss" + way.base.removeprefix("https") + PATH
        if self._cursor is not None:
            target += "?" + urlencode({"lastEventId": self._cursor})
        return await _Connect(
            target,
            ssl=way.context,
            additional_headers={"Authorization": f"Bearer {bearer}"},
            user_agent_header=f"nexo-bridge/{__version__}",
            compression=None,
            proxy=way.proxy,
            open_timeout=10.0,
            close_timeout=CLOSE_WITHIN,
            ping_interval=self._ping,
            ping_timeout=self._ping,
            max_size=MAX_EVENT,
            max_queue=WINDOW,
            logger=_quiet,
        )

    def _refused(self, status: int, bearer: str) -> str | None:
        if status == RESUME_INVALID and self._cursor is not None:
            log.warning("resume point not known", poiid=self.poiid, event_id=self._cursor)
            self._cursor = None
            return None
        if status == 401:
            self._doors.refused(self.poiid, bearer)
        return f"the platform refuses the stream ({status})"

    async def _listen(self, connection: ClientConnection, bearer: str) -> str | None:
        self._flight = _Flight()
        self._note(ChannelState(up=True))
        if self._cursor is None:
            # From now on: whatever was said before is lost, so everything open is read (F56).
            self._tell(NOT_ASKED_FOR, b"", missed=True)
        renewing = asyncio.Event()
        watch = asyncio.create_task(self._watch(connection, bearer, renewing), name=f"watch-{self.poiid}")
        try:
            while True:
                body = await connection.recv(decode=False)
                await self._flight.room.acquire()
                if self._flight.stuck:
                    return "the journal takes no events"
                self._proved = True
                self._tell(next(self._numbers), body)
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code == TOO_LONG:
                # The event after our resume point cannot be taken: asked for again, it would come for ever.
                self._cursor = None
                return "the platform sent an event that is too long"
            if closed.sent is not None and closed.sent.code == DEAF and not self._flight.stuck:
                return "the platform no longer answers on the stream"
            return None if renewing.is_set() else f"the stream was closed ({connection.close_code})"
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _tell(self, number: int, body: bytes, *, missed: bool = False) -> None:
        told = read(body)
        if number != NOT_ASKED_FOR:
            self._flight.waiting.append((number, told.event_id))
            if told.problem is not None:
                log.warning("event not understood", poiid=self.poiid, channel="stream", problem=told.problem)
        self._feed(
            PlatformEvent(
                source=self._source,
                ack=number,
                poiid=self.poiid,
                event_id=told.event_id,
                sequence=told.sequence,
                settles=self._certified,
                missed=missed,
                outcome=told.outcome,
            )
        )

    async def _watch(self, connection: ClientConnection, bearer: str, renewing: asyncio.Event) -> None:
        """End the connection when the token is another one, or when the journal takes no events."""
        oldest: tuple[int, str] | None = None
        while True:
            await self._pause(CHECK)
            self._proved = True
            with suppress(NoSessionError):
                if await self._doors.bearer(self.poiid) != bearer:
                    renewing.set()
                    await connection.close(1000, "new token")
                    return
            waiting = self._flight.waiting[0] if self._flight.waiting else None
            if waiting is not None and waiting == oldest:
                self._flight.stuck = True
                self._flight.room.release()  # whoever waits for room wakes up and leaves
                await connection.close(1011, "not written down")
                return
            oldest = waiting

    def _note(self, state: ChannelState) -> None:
        before, self._state = self._state, state
        if before != state:
            if state.up:
                log.info("channel up", poiid=self.poiid, channel="stream")
            else:
                log.warning(
                    "channel down",
                    poiid=self.poiid,
                    channel="stream",
                    problem=state.problem,
                )
