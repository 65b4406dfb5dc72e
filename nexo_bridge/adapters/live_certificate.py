"""A certificate of ours that may be exchanged on disk while it is in use."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

import structlog

from nexo_bridge.adapters.certificates import Files, Identity
from nexo_bridge.adapters.timer import Timer
from nexo_bridge.errors import ConfigurationError

LOOK_AGAIN: Final = 60.0
"""Seconds between two looks at the files."""

log = structlog.get_logger(__name__)


class LiveCertificate:
    """New connections get the newest usable files; those that stand keep what they have.

    Its constructor reads files and blocks: call it before the loop runs, or in a thread.

    Args:
        files: where they are.
        load: makes the identity of them; raises ``ConfigurationError``.
        listener: whose it is, for the log.
        timer: when to look again.
        wall: seconds since the epoch.

    Raises:
        ConfigurationError: the files cannot be used now.
    """

    def __init__(
        self,
        files: Files,
        load: Callable[[Files], Identity],
        listener: str,
        *,
        timer: Timer,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._load = load
        self._listener = listener
        self._timer = timer
        self._wall = wall
        self._versions = self._seen()
        self._identity = load(files)
        self._unusable = ""
        self._told: tuple[str, ...] = ()
        self._one_at_a_time = asyncio.Lock()

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self._identity.context

    @property
    def days_left(self) -> int:
        """Whole days to its end; negative after it."""
        return self._identity.days_left(self._wall())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of it, one sentence each."""
        now = self._wall()
        problem = self._identity.problem(now)
        found = (self._unusable, problem or "", *self._identity.warnings(now))
        return tuple(sentence for sentence in found if sentence)

    async def look(self) -> None:
        """Take up files that have changed, and tell the log what is new about them. Never raises."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._look)
            warnings = self.warnings
            for sentence in warnings:
                if sentence not in self._told:
                    log.warning("certificate of a listener", listener=self._listener, problem=sentence)
            self._told = warnings

    async def watch(self) -> None:
        """Look from time to time, until cancelled."""
        while True:
            await self.look()
            try:
                async with self._timer.until(self._timer.now() + LOOK_AGAIN):
                    await asyncio.Event().wait()
            except TimeoutError:
                continue

    def _look(self) -> None:
        versions = self._seen()
        if versions == self._versions:
            return
        self._versions = versions
        try:
            self._identity = self._load(self._files)
        except ConfigurationError as mistake:
            self._unusable = f"{mistake}; the old certificate stays in use"
            return
        self._unusable = ""
        log.info("certificate of a listener changed", listener=self._listener, days=self.days_left)

    def _seen(self) -> tuple[object, ...]:
        try:
            return self._files.versions()
        except OSError:
            return ()
