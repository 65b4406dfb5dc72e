"""The whole bridge with a result channel, and a platform that tells what happened: real sockets, one turned time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nexo_bridge.adapters.channel import Feed
from nexo_bridge.adapters.webhook import PATH
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.sandbox.server import Options, Sandbox
from tests.faults.clockwork import Clockwork
from tests.faults.stage import THINK, Stage

Way = Literal["poll", "stream", "webhook"]
WAYS: tuple[Way, ...] = ("poll", "stream", "webhook")
PUSHED: tuple[Way, ...] = ("stream", "webhook")
SECRET = "s" * 48
WATCHDOG = 30.0
"""Seconds: so long that what comes sooner came by the channel."""


class Counted(Channels):
    """Channels whose events are counted on their way to the core."""

    stage: ChannelStage

    async def start(self, feed: Feed, works: Callable[[], bool]) -> None:
        def counted(event: PlatformEvent) -> None:
            self.stage.heard += bool(event.ack)
            self.stage.events.append(event)
            feed(event)

        await super().start(counted, works)


@dataclass
class ChannelStage(Stage):
    """A stage whose platform tells; ``heard`` counts what came in, ``events`` keeps it."""

    way: Way = "poll"
    heard: int = 0
    lost: int = 0  # sent to a bridge that was gone before it took them
    events: list[PlatformEvent] = field(default_factory=list)
    channels: Counted | None = None

    def make_channels(self) -> Channels:
        self.channels = Counted(
            self.settings, self.platform, self.journal, clock=self.time, chance=lambda: 0.0
        )
        self.channels.stage = self
        return self.channels

    async def begin(self) -> None:
        await super().begin()
        self.sandbox.webhooks.changed = self.news.set
        if self.way == "webhook":
            assert self.channels is not None
            self.sandbox.set_webhook(f"https://{self.channels.webhook_address}{PATH}", SECRET)
        if self.way == "stream":
            await self.connected()

    async def connected(self, poiid: str = "POI00001", *, opened: int = 0) -> None:
        """Wait until the stream of a terminal stands, on both sides; of more than ``opened`` ever opened, the last."""
        while not self.up(poiid) or self.sandbox.streams.opened <= opened:
            self.time.turn(self.time.passed)  # a pause of no length is over when the clock looks at it
            await asyncio.sleep(0)
        await self.settle()

    def up(self, poiid: str = "POI00001") -> bool:
        state = self.channels.state(poiid) if self.channels is not None else None
        serial = self.settings.terminals[poiid].serial
        return state is not None and state.up and self.sandbox.streams.open(serial) == 1

    async def end(self) -> None:
        await super().end()
        self.sandbox.webhooks.register(None)
        if self.way == "stream":
            self.lost = self.sandbox.streams.sent - self.heard

    def _busy(self) -> bool:
        streams = self.sandbox.streams
        by_stream = self.way == "stream" and (streams.owed > 0 or streams.sent > self.heard + self.lost)
        return super()._busy() or by_stream or self.sandbox.webhooks.busy


@asynccontextmanager
async def channel_stage(
    folder: Path,
    way: Way,
    *,
    terminals: int = 1,
    watchdog: float = WATCHDOG,
    begin: bool = True,
    parts: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[ChannelStage]:
    """A sandbox and a bridge whose results come by ``way``; more options are the sandbox's."""
    clock = Clockwork(time.time())
    chosen = Options(state=folder, terminals=terminals, seed=7, clock=clock, **{"think": THINK, **options})
    async with Sandbox(chosen) as sandbox:
        text = sandbox.config_path.read_text(encoding="utf-8")
        grant = f'grant = "{chosen.grant}"\n'
        text = text.replace(grant, f'{grant}results = "{way}"\nwatchdog = {watchdog}\n')
        if way == "webhook":
            (folder / "webhook.secret").write_text(SECRET + "\n", encoding="ascii")
            (folder / "webhook.secret").chmod(0o600)
            pair = await asyncio.to_thread(sandbox.authority.server, ["127.0.0.1"])
            text += f'[webhook]\nport = 0\ncertificate = "{pair.certificate}"\nkey = "{pair.key}"\n'
            text += 'secret = "webhook.secret"\n'
        config = folder / "tested.toml"
        config.write_text(text, encoding="utf-8")
        settings = await asyncio.to_thread(load_settings, config, {})
        made = ChannelStage(folder, clock, sandbox, settings, way=way, **(parts or {}))
        if begin:
            await made.begin()
        try:
            yield made
        finally:
            if hasattr(made, "app"):
                await made.end()
