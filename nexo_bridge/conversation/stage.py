"""The stage of a script: a platform, a bridge, tills, and one time for them all.

Nothing here sleeps. After each statement the stage *settles*: it waits until every message has arrived and everybody
is idle unless time passes, a customer acts or a till speaks. Only then, and only if the script waits for something
or says CLOCK, time goes on, from one alarm to the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nexo_bridge.conversation import configuration
from nexo_bridge.conversation.bridge import Bridge, HostedBridge
from nexo_bridge.conversation.clock import StageClock
from nexo_bridge.conversation.remote import RemoteBridge
from nexo_bridge.conversation.scenery import SECRET, USUAL, Scenery, lay_webhook
from nexo_bridge.conversation.till import Till
from nexo_bridge.conversation.transports import Transport, want_broker
from nexo_bridge.conversation.ways import Ways
from nexo_bridge.runtime.settings import Settings, load_settings
from nexo_bridge.sandbox.server import WEBHOOK_PATH, Options, Sandbox

PATIENCE = 20.0
"""Seconds of real time within which everything settles; far more than any of it takes."""

MOST_TICKS = 20_000


class StageError(Exception):
    """What the script asks for cannot be done now, or did not happen in time."""


class Stage:
    """See the module.

    Args:
        folder: of this play alone: configuration, journal, certificates, logs.
        settings: (dotted name, value) that differ from the sandbox's own ``bridge.toml``.
        own_process: the bridge gets one, so that it can be killed.
        scenery: what the script is played before.
        ways: transports over which POS come, beside that of the scenery.

    Raises:
        StageError: one of them is MQTT, and the scenery has no broker.
    """

    def __init__(
        self,
        folder: Path,
        settings: tuple[tuple[str, str], ...] = (),
        *,
        own_process: bool = False,
        scenery: Scenery = USUAL,
        ways: Iterable[Transport] = (),
    ) -> None:
        transports = (scenery.transport, *sorted(ways))
        if scenery.broker is None and want_broker(transports):
            raise StageError("MQTT needs a broker; say where one is")
        self._folder = folder
        self._changes = settings
        self.scenery = scenery
        self._own_process = own_process
        self._news = asyncio.Event()
        self._start = time.time()
        self.clock = StageClock(self._start, changed=self._news.set)
        options = Options(
            state=folder,
            think=4.0,
            dedup=scenery.dedup,
            terminals=2,
            seed=7,
            limit=60.0,
            clock=self.clock,
            grant=scenery.grant,
        )
        self.sandbox = Sandbox(options)
        self.bridge: Bridge | None = None
        self.settings: Settings
        self.tills: dict[str, Till] = {}
        self.reached: dict[str, int] = {}
        self.doom: tuple[str, int] | None = None
        self.at_point: Callable[[str], None] = lambda _: None  # hears a bridge in this process
        self._expected = 0
        self._told_before = 0
        self._ways = Ways(transports, scenery.form, scenery.broker, self._news.set)
        self._published = self._acknowledged = 0

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.settings.journal.path

    @property
    def log(self) -> Path:
        """What the bridge's own process wrote to standard error."""
        return self._folder / "bridge.log"

    @property
    def alive(self) -> bool:
        """Whether there is a bridge."""
        return self.bridge is not None and self.bridge.status.alive

    # -- the platform --------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the platform, its cardholders waiting for a word, and the bridge."""
        await self.sandbox.start()
        for poiid in self.sandbox.poiids:
            self.sandbox.hold(poiid)
        self.sandbox.streams.changed = self.sandbox.webhooks.changed = self._news.set
        config = self._folder / "play.toml"
        changes = await asyncio.to_thread(lambda: [*self._set(), *self._changes])
        await asyncio.to_thread(configuration.write, self.sandbox.config_path, config, changes)
        self.settings = await asyncio.to_thread(load_settings, config, {})

    def _set(self) -> Iterator[tuple[str, str]]:
        """What the scenery changes in the configuration."""
        yield from self.scenery.settings(self.sandbox.poiids)
        yield from self._ways.settings(self.sandbox.authority)
        if self.scenery.results == "webhook":
            pair = self.sandbox.authority.server(["127.0.0.1"])
            yield from lay_webhook(self._folder, pair.certificate, pair.key)

    async def close(self) -> None:
        """End everything."""
        for till in self.tills.values():
            await till.leave()
        if self.bridge is not None:
            await self.bridge.end()
        await self.sandbox.close()

    def act(self, poiid: str, what: str) -> None:
        """The cardholder at a terminal does something; the next one waits again."""
        state = next(one["state"] for one in self.sandbox.terminals() if one["poiid"] == poiid)
        if state != "BUSY":
            raise StageError(f"nobody is asked to pay at {poiid}: its terminal is {state}")
        self.sandbox.release(poiid, None if what == "release" else what)
        self.sandbox.hold(poiid)

    # -- the bridge ----------------------------------------------------------------------------------------------

    async def start_bridge(self) -> None:
        """A new process, or a new application in this one, on what the folder holds."""
        if self.alive:
            raise StageError("the bridge still runs")
        await self._let_go()
        passed = self.clock.passed
        if self._own_process:
            config = self._folder / "play.toml"
            bridge: Bridge = RemoteBridge(
                config, self.log, self._start, passed, self._news.set, doom=self.doom
            )
        else:
            bridge = HostedBridge(
                self.settings,
                self._start,
                passed,
                self._news.set,
                checkpoint=lambda name: self.at_point(name),  # noqa: PLW0108 - it may be another later
            )
        self.bridge, self.doom = bridge, None
        await self.until(lambda: not self._any_stream(), "streams of a bridge that is gone stay open")
        self._told_before = self._told
        for till in self.tills.values():
            if till.connected:
                till.wire.begin_anew()
        self._expected = self._published - self._acknowledged  # what no journal has is brought again
        await bridge.start()
        if bridge.status.webhook:
            self.sandbox.set_webhook(f"https://{bridge.status.webhook}{WEBHOOK_PATH}", SECRET)
        await self.settle()

    async def _let_go(self) -> None:
        if self.bridge is not None:
            for name, times in self.bridge.status.reached.items():
                self.reached[name] = self.reached.get(name, 0) + times
            await self.bridge.end()
            self._acknowledged += self.bridge.status.acknowledged
            self.bridge = None
            self.clock.abandon()

    def times_reached(self, point: str) -> int:
        """How often a point was reached since the script began, by all processes together."""
        now = self.bridge.status.reached.get(point, 0) if self.bridge is not None else 0
        return self.reached.get(point, 0) + now

    def points(self) -> dict[str, int]:
        """Every point that was reached, and how often."""
        now = self.bridge.status.reached if self.bridge is not None else {}
        return {name: self.times_reached(name) for name in {*self.reached, *now}}

    # -- tills ---------------------------------------------------------------------------------------------------

    async def till(self, name: str, by: Transport | None = None) -> Till:
        """The POS of that name, connected; its first connection needs no word of the script.

        Args:
            name: of the POS.
            by: over which transport that first one is; None: that of the scenery.
        """
        till = self.tills.get(name)
        if till is None:
            till = self.tills[name] = Till(name, self.sandbox.poiids[0], self._news.set)
            await self.connect(till, by or self.scenery.transport)
        elif not till.connected:
            raise StageError(f"{name} has no connection; say: {name} returns")
        return till

    async def connect(self, till: Till, by: Transport | None = None) -> None:
        """Give a POS a connection over ``by``, None: the transport of its last one; that one is left."""
        bridge = self.bridge
        if bridge is None or not bridge.status.alive:
            raise StageError("there is no bridge to connect to; say: START bridge")
        by = by or till.wire.transport
        if not self._ways.lead(by):
            raise StageError(f"the bridge does not listen for {by}")
        before = len(bridge.status.accepted)
        pair = (till.sale_id, till.poi_id)
        await till.connect(self._ways.wire(by, pair, bridge.addresses, lambda: self._written))
        if till.has("line"):
            await self.until(lambda: len(bridge.status.accepted) > before, "the connection is not accepted")
            till.connection = bridge.status.accepted[-1]

    async def send(self, till: Till, message: bytes, ids: tuple[str, str, str], category: str) -> None:
        """A message that the bridge has to take up before anything is settled again.

        Args:
            till: who says it.
            message: its bytes.
            ids: SaleID, POIID and ServiceID; empty ones of what has none.
            category: its MessageCategory.
        """
        taken = (
            0 if self.bridge is None else self.bridge.status.taken
        )  # a broker may have brought one too many
        self._expected = max(self._expected, taken) + 1
        self._published += till.has("keeps")
        pair = (ids[0] or till.sale_id, ids[1] or till.poi_id)
        await till.send(message, pair, (category, ids[2]))

    async def drop(self, till: Till) -> None:
        """Pull a cable, and wait until the bridge knows."""
        bridge = self.bridge
        assert bridge is not None, "connected before"
        await till.drop()
        if till.has("line"):
            await self.until(
                lambda: till.connection in bridge.status.gone or not bridge.status.alive,
                "the drop is not seen",
            )
        elif till.has("departs"):
            await self.until(lambda: bridge.status.open == self._outstanding(), "the drop is not seen")
        if not till.has("keeps"):  # what it said last may be lost
            self._expected -= max(0, min(till.on_its_way, self._expected - bridge.status.taken))
        await self.settle()

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def _written(self) -> Mapping[str, int]:
        """What the bridge of the moment has written, and where to."""
        return {} if self.bridge is None else self.bridge.status.written

    async def settle(self) -> None:
        """Wait until nothing happens any more by itself."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self._busy():
                    self._news.clear()
                    if self._busy():
                        await self._news.wait()
        except TimeoutError:
            raise StageError(f"it does not settle: {self._busy()}") from None
        for till in self.tills.values():
            till.on_its_way = 0

    def _busy(self) -> str:
        """What is still going on; empty if nothing is."""
        bridge = self.bridge
        status = bridge.status if bridge is not None else None
        live = [till for till in self.tills.values() if till.connected]
        if self.sandbox.webhooks.busy:
            return "an event is on its way"
        if status is not None and not status.alive and status.busy:
            return "the bridge ends"
        if bridge is None or status is None or not status.alive:
            ending = self._outstanding() or any(till.has("line") for till in live)
            return "connections end" if ending else ""
        if status.orders < bridge.orders:
            return "an order is on its way"
        if status.taken < self._expected:
            return f"{self._expected - status.taken} messages are not taken up"
        if status.busy > self.clock.awaited:
            return "the bridge is at work"
        if status.opening > 0:
            return "a stream is being opened"
        if self.sandbox.streams.owed or self._told > self._told_before + status.heard:
            return "an event is on its way"
        if self._outstanding() != status.open:
            return "a request begins or ends"
        behind = [till.name for till in live if till.wire.behind(status.written, till.connection)]
        return f"an answer is on its way to {behind[0]}" if behind else ""

    def _outstanding(self) -> int:
        """Requests that hold a connection of their own open, as their POS see it."""
        return sum(till.outstanding for till in self.tills.values())

    @property
    def _told(self) -> int:
        """Events that the platform knows to be with a bridge: written to a stream, or answered 2xx."""
        return self.sandbox.streams.sent + sum(200 <= one < 300 for one in self.sandbox.webhooks.statuses)

    def _any_stream(self) -> bool:
        """Whether one stands, as the platform sees it."""
        return any(self.sandbox.streams.open(one["serial"]) for one in self.sandbox.terminals())

    async def until(self, true: Callable[[], bool], otherwise: str) -> None:
        """Wait for something that needs no time of the script."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not true():
                    self._news.clear()
                    if not true():
                        await self._news.wait()
        except TimeoutError:
            raise StageError(otherwise) from None

    async def tick(self, until: float) -> bool:
        """Let time pass up to the next thing that is due, or to ``until``; False when that is reached."""
        if self.clock.passed >= until:
            return False
        dues = [until]
        if self.clock.due is not None:
            dues.append(self.clock.due)
        if self.bridge is not None and self.bridge.status.alive and self.bridge.status.due is not None:
            dues.append(self.bridge.status.due)
        to = max(self.clock.passed, min(dues))
        self.clock.turn(to)
        if self.bridge is not None and self.bridge.status.alive:
            self.bridge.turn(to)
        await self.settle()
        return True

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, and everything that happens in them happen."""
        until = self.clock.passed + seconds
        for _ in range(MOST_TICKS):
            if not await self.tick(until):
                return
        raise StageError(f"too much happens in {seconds:g} s")

    def ledger(self) -> list[dict[str, Any]]:
        """The platform's own rows, each with its terminal's POIID."""
        names = {one["serial"]: one["poiid"] for one in self.sandbox.terminals()}
        return [{**row, "POIID": names.get(row["deviceId"], "")} for row in self.sandbox.ledger()]
