"""The result channels of this bridge: one stream for each terminal that has one, one webhook for all that use it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from nexo_bridge.adapters.channel import NOT_ASKED_FOR, Channel, ChannelState, Feed
from nexo_bridge.adapters.stream import Doors, StreamChannel
from nexo_bridge.adapters.webhook import WebhookAccess, WebhookChannel
from nexo_bridge.core import projection
from nexo_bridge.core.journal import Entry, Stamp
from nexo_bridge.core.signals import Command, PlatformEvent
from nexo_bridge.core.source import Source
from nexo_bridge.runtime.ports import Clock, SystemClock
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.silence import Silence

log = structlog.get_logger(__name__)


class NewestEntry(Protocol):
    """The one question asked of the journal."""

    async def newest(self, exchange: str) -> Entry | None:
        """The newest entry that belongs to ``exchange``."""


class Channels:
    """What ``results`` of every terminal asks for, kept that way through reloads.

    Args:
        settings: in force at the start.
        doors: certificates and tokens of the streams; ``adapters.ppaas_http.Platform`` has them.
        journal: knows where each stream goes on.
        clock: of the runner.
        chance: 0 to 1; how much of a pause between two attempts is waited.
    """

    def __init__(
        self,
        settings: Settings,
        doors: Doors,
        journal: NewestEntry,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._journal = journal
        self._clock = clock or SystemClock()
        self._chance = chance
        self._streams: dict[str, StreamChannel] = {}
        self._webhook: WebhookChannel | None = None
        self._silence = Silence(_expected(settings), self._is_up)
        self._feed: Feed
        self._works: Callable[[], bool]

    async def start(self, feed: Feed, works: Callable[[], bool]) -> None:
        """Begin to hear.

        Args:
            feed: takes the events.
            works: whether the journal can be written now.

        Raises:
            ConfigurationError: the webhook's address or files cannot be used.
        """

        def heard(event: PlatformEvent) -> None:
            if event.ack != NOT_ASKED_FOR:
                self._silence.heard(event.poiid)
            elif event.missed:
                self._silence.missed(event.poiid)
            feed(event)

        self._feed, self._works = heard, works
        if self._settings.webhook is not None:
            self._webhook = await asyncio.to_thread(self._make_webhook)
            await self._webhook.start()
        await self.reconfigure(self._settings)

    async def reconfigure(self, settings: Settings) -> None:
        """Serve the terminals of ``settings``; the webhook's own section waits for the next start."""
        self._settings = settings
        self._silence.expect(_expected(settings))
        wanted = {poiid for poiid, terminal in settings.terminals.items() if terminal.results == "stream"}
        for poiid in self._streams.keys() - wanted:
            await self._streams.pop(poiid).close()
        for poiid in sorted(wanted - self._streams.keys()):
            stream = self._streams[poiid] = self._make_stream(poiid)
            await stream.start()
        if self._webhook is not None:
            self._webhook.serve(self._by_webhook())
        elif self._by_webhook():
            log.warning("results by webhook are polled until the next start")

    def observe(self, stamp: Stamp, command: Command) -> None:
        """What the core decides, beside what the channels say: see ``silence``."""
        self._silence.observe(stamp, command)

    def owns(self, source: Source) -> bool:
        """See ``runtime.app.Acknowledger``."""
        return source.transport in {"stream", "webhook"}

    async def acknowledge(self, source: Source, ack: int) -> None:
        """See ``runtime.app.Acknowledger``."""
        for channel in self._all():
            if channel.owns(source):
                await channel.acknowledge(source, ack)

    def state(self, poiid: str) -> ChannelState | None:
        """What is known of the channel of a terminal; None where results are polled."""
        states = (channel.state(poiid) for channel in self._all())
        return next((state for state in states if state is not None), None)

    def _is_up(self, poiid: str) -> bool:
        state = self.state(poiid)
        return state is not None and state.up

    def shown(self, poiid: str) -> dict[str, Any]:
        """The same for people: ``results`` as configured, and what is known of it."""
        terminal, state = self._settings.terminals.get(poiid), self.state(poiid)
        results = "poll" if terminal is None else terminal.results
        if state is None:
            return {"results": results, "up": results == "poll", "problem": None}
        problem = state.problem or self._silence.problem(poiid)
        return {"results": results, "up": state.up and problem is None, "problem": problem}

    @property
    def webhook_address(self) -> str | None:
        """``HOST:PORT`` on which the webhook listens, None without one."""
        return None if self._webhook is None else self._webhook.address

    async def close(self) -> None:
        """Hear no more."""
        await asyncio.gather(*(channel.close() for channel in self._all()))
        self._streams.clear()
        self._webhook = None

    # -- parts ---------------------------------------------------------------------------------------------------

    def _all(self) -> list[Channel]:
        webhook: list[Channel] = [] if self._webhook is None else [self._webhook]
        return [*webhook, *self._streams.values()]

    def _by_webhook(self) -> dict[str, str]:
        terminals = self._settings.terminals.items()
        return {terminal.serial: poiid for poiid, terminal in terminals if terminal.results == "webhook"}

    def _make_webhook(self) -> WebhookChannel:
        section = self._settings.webhook
        assert section is not None, "made only where it is configured"
        access = WebhookAccess(
            section.host,
            section.port,
            section.certificate,
            section.key,
            section.secret,
            section.client_ca,
            section.window,
        )
        return WebhookChannel(
            access, self._by_webhook(), self._feed, works=self._works, wall=self._clock.wall
        )

    def _make_stream(self, poiid: str) -> StreamChannel:
        async def newest() -> str | None:
            entry = await self._journal.newest(projection.channel("stream", poiid))
            return None if entry is None else entry.public.get("event_id")

        return StreamChannel(
            poiid,
            self._doors,
            self._feed,
            newest=newest,
            pause=self._pause,
            chance=self._chance,
        )

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(seconds, lambda: over.set())  # noqa: PLW0108 - a name of its own for tests
        try:
            await over.wait()
        finally:
            timer.cancel()


def _expected(settings: Settings) -> dict[str, float]:
    """Seconds within which something must be heard of a payment, for each terminal that should be told of."""
    terminals = settings.terminals.items()
    return {poiid: terminal.watchdog for poiid, terminal in terminals if terminal.results != "poll"}
