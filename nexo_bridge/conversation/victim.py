"""A bridge in a process of its own, which ends by SIGKILL at a named point.

Begun as ``python -m nexo_bridge.conversation.victim``, it takes orders as JSON lines on stdin and tells its status as
JSON lines on stdout; logs go to stderr. The script's side of it is ``remote.RemoteBridge``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nexo_bridge.conversation.bridge import HostedBridge
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.runtime.telemetry import configure_logging, install_hooks


class Doom:
    """When to die: at the n-th time that a point is reached, whatever thread reaches it.

    What the bridge had given to its journal before that point is on disk by then, so that the same script always
    leaves the same journal; but for the points of the commit itself, which are reached in the journal's thread.
    """

    def __init__(self) -> None:
        self._point = ""
        self._left = 0
        self.last_words: Callable[[], None] = lambda: None

    def await_(self, point: str, times: int) -> None:
        """From now on."""
        self._point, self._left = point, times

    def halves(self) -> bool:
        """Whether half of the next answer is the last thing to do."""
        return (self._point, self._left) == ("answer.half", 1)

    def reached(self, point: str) -> None:
        """The checkpoint."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                if not point.startswith("journal."):
                    self.last_words()
                os.kill(os.getpid(), signal.SIGKILL)


class Victim:
    """Carries out orders and tells what became of them."""

    def __init__(self, host: HostedBridge, doom: Doom) -> None:
        self._host = host
        self._doom = doom
        self._last = ""
        self._told = False
        self.over = asyncio.Event()

    def order(self, line: bytes) -> None:
        """One order."""
        order: dict[str, Any] = json.loads(line)
        match order.pop("do"):
            case "turn":
                self._host.turn(**order)
            case "disk":
                self._host.disk(**order)
            case "stop":
                self._host.stop()
            case "kill_at":
                self._doom.await_(**order)
                self._host.orders += 1
        self.tell()

    def tell(self) -> None:
        """Say how it stands, if it stands otherwise than before; once for all that happens in one turn of the loop."""
        if not self._told:
            self._told = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._told = False
        status = self._host.status
        line = json.dumps(status.dump())
        if line != self._last:
            self._last = line
            say(line)
        if not status.alive:
            self.over.set()


def say(line: str) -> None:
    """One line to the script."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def play(config: Path, start: float, passed: float, doom: Doom) -> None:
    """Be the bridge until it is stopped, or killed."""
    settings = await asyncio.to_thread(load_settings, config, {})
    listeners: list[Callable[[], None]] = []

    def changed() -> None:
        for listener in listeners:
            listener()

    def last_words() -> None:
        say(json.dumps({**host.status.dump(), "busy": 1}))  # dying
        host.flush()

    host = HostedBridge(settings, start, passed, changed, checkpoint=doom.reached, half=doom.halves)
    doom.last_words = last_words
    await host.start()
    say(json.dumps({"addresses": host.addresses}))
    victim = Victim(host, doom)
    listeners.append(victim.tell)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    orders = asyncio.create_task(_orders(reader, victim), name="orders")
    victim.tell()
    await victim.over.wait()
    orders.cancel()
    await asyncio.gather(orders, return_exceptions=True)
    transport.close()
    await host.end()


async def _orders(reader: asyncio.StreamReader, victim: Victim) -> None:
    while line := await reader.readline():
        victim.order(line)
    victim.over.set()  # the script has gone: so do we


def main(argv: Sequence[str] | None = None) -> int:
    """The process; exit code 0 when it was stopped."""
    parser = argparse.ArgumentParser(prog="victim", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--start", type=float, required=True, help="wall time at which the script began")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds passed since then")
    parser.add_argument("--kill-at", default="", metavar="POINT[:N]", help="die there already while starting")
    arguments = parser.parse_args(argv)
    configure_logging()
    install_hooks()
    doom = Doom()
    if arguments.kill_at:
        point, _, times = arguments.kill_at.partition(":")
        doom.await_(point, int(times or 1))
    asyncio.run(play(arguments.config, arguments.start, arguments.clock_offset, doom))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
