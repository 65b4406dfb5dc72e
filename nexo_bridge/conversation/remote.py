"""The script's side of a bridge in a process of its own (``victim``)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from nexo_bridge.conversation.bridge import Status
from nexo_bridge.conversation.nursery import NURSERY

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
        self._number = 0
        self._stdin: BinaryIO
        self._listening: asyncio.ReadTransport
        self._reading: asyncio.Task[None]
        self.status = Status(alive=False)
        self._begun = asyncio.Event()
        self.orders = 0
        self.addresses: dict[str, tuple[str, int]] = {}
        self.code: int | None = None

    async def start(self) -> None:
        """See ``Bridge``; a process that dies while starting has ended once this returns."""
        self._stdin, said = await asyncio.to_thread(self._fork)
        reader = asyncio.StreamReader()
        self._listening, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), said
        )
        self._reading = asyncio.create_task(self._read(reader), name="victim")
        async with asyncio.timeout(READY_WITHIN):
            await self._begun.wait()

    def _fork(self) -> tuple[BinaryIO, BinaryIO]:
        """Have the process begun; our ends of its standard input and output."""
        (its_in, our_out), (our_in, its_out) = os.pipe(), os.pipe()
        with self._log.open("ab") as log:
            self._number = NURSERY.fork(self._arguments, (its_in, its_out, log.fileno()))
        os.close(its_in)
        os.close(its_out)
        return os.fdopen(our_out, "wb", buffering=0), os.fdopen(our_in, "rb", buffering=0)

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while self.code is None and (line := await stdout.readline()):
            values: dict[str, Any] = json.loads(line)
            if "code" in values:
                self.code = values["code"]
                continue
            if "addresses" in values:
                self.addresses = {name: (host, port) for name, (host, port) in values["addresses"].items()}
                continue
            if not values["alive"]:
                values |= {"alive": True, "busy": 1}  # it has stopped; it is over once the process has ended
            listed = {name: tuple(values[name]) for name in ("accepted", "gone")}
            self.status = Status(**{**values, **listed})
            if self.addresses:
                self._begun.set()
            self._changed()
        self._listening.close()
        self._stdin.close()
        last = self.status
        self.status = Status(
            alive=False, orders=self.orders, reached=last.reached, acknowledged=last.acknowledged
        )
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
            await asyncio.to_thread(NURSERY.kill, self._number)
        await self._reading

    async def end(self) -> None:
        """See ``Bridge``."""
        await self.kill()

    def _order(self, **order: Any) -> None:
        self.orders += 1
        if self.status.alive:
            with suppress(BrokenPipeError):  # it died meanwhile
                self._stdin.write(json.dumps(order).encode() + b"\n")
