"""A new configuration while payments run (F63): the whole of it or nothing, and no running payment is touched.

A terminal that is taken away takes no new payment from that moment on, and is served until its last payment has
ended. What cannot change under a running process (addresses, files, the journal) stays in force until the next start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from nexo_bridge.adapters.ppaas_http import Platform
from nexo_bridge.adapters.terminal_access import Access
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.access import access_of
from nexo_bridge.runtime.app import Application
from nexo_bridge.runtime.bindings import bindings_of
from nexo_bridge.runtime.channels import Channels
from nexo_bridge.runtime.settings import Settings
from nexo_bridge.runtime.settings_mistakes import setting_name

Json = dict[str, Any]
ReadAgain = Callable[[], Settings]

AT_A_START = ("listen", "webhook", "journal", "control", "log")
"""Tables that wait for the next start."""
AT_ONCE = ("fence", "never_created_after", "never_created_reads", "never_created_pause")
"""What of ``[platform]`` does not wait: the core takes it over."""
LATE_LOOK = 30.0
"""Seconds that a look may take which comes ``never_created_after`` behind a payment's end (R8)."""

log = structlog.get_logger(__name__)


class Reloader:
    """Takes over what the configuration says now.

    Args:
        settings: in force since the start.
        read_again: reads the configuration once more; raises ``ConfigurationError``.
        app, platform, channels: what has to follow.
        mono: seconds of a clock that never jumps.
    """

    def __init__(
        self,
        settings: Settings,
        read_again: ReadAgain,
        app: Application,
        platform: Platform,
        channels: Channels,
        *,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        """What is in force."""
        self._read_again = read_again
        self._app = app
        self._platform = platform
        self._channels = channels
        self._mono = mono
        self._serving: Mapping[str, Access] = access_of(settings)
        self._addresses = _addresses(settings)
        self._needed: dict[str, float] = {}
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> Json:
        """Read the file again; ``ok`` and a sentence. A wrong file changes nothing."""
        async with self._one_at_a_time:
            try:
                fresh = await asyncio.to_thread(self._read_again)
                settings, waits = self._in_force(fresh)
                wanted = access_of(settings)
                serving = {**self._serving, **wanted}
                bindings = await asyncio.to_thread(bindings_of, settings)
                change = await self._platform.prepare(serving)
                self._check_devices(wanted)
            except ConfigurationError as mistake:
                log.warning("configuration not reloaded", problem=str(mistake))
                return {"ok": False, "text": f"{mistake}; the old configuration stays in force"}
            # From the check to the first pause of ``adopt`` nothing else happens: no payment begins in between.
            self.settings, self._serving = settings, serving
            self._app.reconfigure(settings, bindings)
            await self._platform.adopt(change)
            await self._channels.reconfigure(settings)
            await self._app.refresh()
        await self.retire()
        log.info("configuration reloaded", terminals=len(settings.terminals))
        text = f"{len(settings.terminals)} terminals are served"
        if waits:
            text += f"; changes of {', '.join(waits)} take effect at the next start"
        return {"ok": True, "text": text}

    async def retire(self) -> None:
        """Forget terminals that were taken away and that no payment needs any more."""
        async with self._one_at_a_time:
            now = self._mono()
            busy = {one["poi_id"] for one in self._app.bridge.in_hand()}
            leaving = self._serving.keys() - self.settings.terminals.keys()
            linger = self.settings.platform.never_created_after + LATE_LOOK
            for poiid in leaving & busy:
                self._needed[poiid] = now + linger
            over = (
                {poiid for poiid in leaving - busy if self._needed.pop(poiid, now) <= now}
                if leaving
                else set()
            )
            if over:
                self._serving = {
                    poiid: access for poiid, access in self._serving.items() if poiid not in over
                }
                await self._platform.adopt(await self._platform.prepare(self._serving))
                log.info("terminals no longer served", terminals=len(over))

    def _in_force(self, fresh: Settings) -> tuple[Settings, list[str]]:
        """What of ``fresh`` can be in force now, and the tables that wait for a start."""
        old = self.settings
        kept: dict[str, Any] = {name: getattr(old, name) for name in AT_A_START}
        waits = [name for name in AT_A_START if getattr(fresh, name) != kept[name]]
        at_once = {name: getattr(fresh.platform, name) for name in AT_ONCE}
        kept["platform"] = old.platform.model_copy(update=at_once)
        if kept["platform"] != fresh.platform:
            waits.append("platform")
        if _addresses(fresh) != self._addresses:
            waits.append("http in pos")
        return fresh.model_copy(update=kept), waits

    def _check_devices(self, wanted: Mapping[str, Access]) -> None:
        """A payment is asked about by the device that took it, so that device is not exchanged under it."""
        for one in self._app.bridge.in_hand():
            poiid = one["poi_id"]
            served, fresh = self._serving.get(poiid), wanted.get(poiid)
            if served is not None and fresh is not None and served.serial != fresh.serial:
                raise ConfigurationError(
                    f"{setting_name(('terminals', poiid, 'serial'))}: a payment of the device {served.serial} is not "
                    "settled yet; reload again when it is (nexo-bridge status shows it)"
                )


def _addresses(settings: Settings) -> dict[str, tuple[str, Path | None]]:
    """Where POS listen themselves: taken over at a start, with the files of their authorities."""
    return {sale_id: (pos.http, pos.http_ca) for sale_id, pos in settings.pos.items() if pos.http is not None}
