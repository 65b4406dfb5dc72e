"""The script's side of a bridge in a process of its own (``victim``)."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nexo_bridge.conversation.bridge import Status

READY_WITHIN = 30.0
"""Seconds of real time in which the process must listen."""


class RemoteBridge:
    """See ``bridge.Bridge``.

    Args:
        config: its configuration file.
        log: file that takes its standard error.
        start: wall time at the beginning of the script.
        passed: seconds since then.
        changed: called when ``status`` is another.
        doom: point and count at which it shall die while it starts.
    """

    def __init__(
        self,
        config: Path,
        log: Path,
        start: float,
        passed: float,
        changed: Callable[[], None],
        *,
        doom: tuple[str, int] | None = None,
    ) -> None:
        self._arguments = ["--config", str(config), "--start", repr(start), "--clock-offset", repr(passed)]
        if doom is not None:
            self._arguments += ["--kill-at", f"{doom[0]}:{doom[1]}"]
        self._log = log
        self._changed = changed
        self._process: Process
        self._reading: asyncio.Task[None]
        self.status = Status(alive=False)
        self._begun = asyncio.Event()
        self.orders = 0
        self.address = ("", 0)
        self.code: int | None = None

    async def start(self) -> None:
        """See ``Bridge``; a process that dies while starting has ended once this returns."""
        log = await asyncio.to_thread(self._log.open, "ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "nexo_bridge.conversation.victim", *self._arguments,
                stdin=PIPE, stdout=PIPE, stderr=log,
            )  # fmt: skip
        finally:
            log.close()
        assert self._process.stdout is not None
        self._reading = asyncio.create_task(self._read(self._process.stdout), name="victim")
        async with asyncio.timeout(READY_WITHIN):
            await self._begun.wait()

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            values: dict[str, Any] = json.loads(line)
            if "address" in values:
                self.address = (values["address"][0], values["address"][1])
                continue
            if not values["alive"]:
                values |= {"alive": True, "busy": 1}  # it has stopped; it is over once the process has ended
            self.status = Status(**{**values, "accepted": tuple(values["accepted"])})
            if self.address[1]:
                self._begun.set()
            self._changed()
        self.code = await self._process.wait()
        self.status = Status(alive=False, orders=self.orders, reached=self.status.reached)
        self._begun.set()
        self._changed()

    def turn(self, to: float) -> None:
        """See ``Bridge``."""
        self._order(do="turn", to=to)

    def disk(self, *, waits: bool) -> None:
        """See ``Bridge``."""
        self._order(do="disk", waits=waits)

    def kill_at(self, point: str, times: int) -> None:
        """See ``Bridge``."""
        self._order(do="kill_at", point=point, times=times)

    def stop(self) -> None:
        """See ``Bridge``."""
        self._order(do="stop")

    async def kill(self) -> None:
        """See ``Bridge``."""
        if self.code is None:
            self._process.kill()
        await self._reading

    async def end(self) -> None:
        """See ``Bridge``."""
        await self.kill()

    def _order(self, **order: Any) -> None:
        self.orders += 1
        if self.status.alive and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
