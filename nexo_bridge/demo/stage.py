"""The processes of the demo: a sandbox, a bridge that may be killed, and a look at the platform's ledger."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

READY = 20.0
"""Seconds a process may take to say that it is ready."""


class DemoError(Exception):
    """The demo did not go as it must; the text says what was expected and what came."""


class Stage:
    """Sandbox and bridge as processes of their own, in one folder."""

    def __init__(self, folder: Path, think: float) -> None:
        self.folder = folder
        self._think = think
        self._sandbox: asyncio.subprocess.Process | None = None
        self._bridge: asyncio.subprocess.Process | None = None
        self._control = ""
        self.config = folder / "bridge.toml"
        self.address = ("127.0.0.1", 0)

    @property
    def journal(self) -> Path:
        """The bridge's journal."""
        return self.folder / "journal.sqlite"

    async def open_sandbox(self) -> str:
        """Start the platform; its address."""
        words = ("sandbox", "--state", str(self.folder), "--think", str(self._think))
        self._sandbox, line = await self._start(*words)
        self._control = line["control"]
        self.config = Path(line["config"])
        return str(line["api"])

    async def open_bridge(self) -> str:
        """Start the bridge (again); where it listens."""
        self._bridge, line = await self._start("run", "--config", str(self.config))
        host, _, port = str(line["tcp"]).rpartition(":")
        self.address = (host, int(port))
        return str(line["tcp"])

    async def kill_bridge(self) -> None:
        """``kill -9``: no handler, no farewell."""
        assert self._bridge is not None, "it was opened"
        self._bridge.kill()
        await self._bridge.wait()

    async def close(self) -> None:
        """End both processes, whatever happened."""
        for process in (self._bridge, self._sandbox):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(10):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def replay(self) -> tuple[int, str]:
        """``nexo-bridge replay`` on the journal as it lies there: exit code and what it says."""
        process = await asyncio.create_subprocess_exec(
            *_program("replay", str(self.journal)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode().strip()

    async def ledger(self) -> list[dict[str, Any]]:
        """What the platform really charged."""
        answer: dict[str, Any] = await asyncio.to_thread(self._ask, "/ledger", None)
        rows: list[dict[str, Any]] = answer["payments"]
        return rows

    async def cardholder(self, poiid: str, action: str) -> None:
        """Hold the customer, or let them go on."""
        await asyncio.to_thread(self._ask, "/cardholders", {"poiid": poiid, "action": action})

    def _ask(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._control + path, data=data, headers=headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            text = answer.read()
        return json.loads(text) if text else None

    async def _start(self, *words: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
        path = self.folder / f"{words[0]}.log"
        log = await asyncio.to_thread(path.open, "ab")
        try:
            process = await asyncio.create_subprocess_exec(
                *_program(*words),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
            )
        finally:
            await asyncio.to_thread(log.close)
        assert process.stdout is not None, "it is a pipe"
        try:
            async with asyncio.timeout(READY):
                line = await process.stdout.readline()
            return process, json.loads(line)
        except (TimeoutError, ValueError):
            if process.returncode is None:
                process.kill()
            await process.wait()
            told = (await asyncio.to_thread(path.read_text, errors="replace")).strip().splitlines()
            raise DemoError(f"{words[0]} did not start: {told[-1] if told else 'it says nothing'}") from None


def _program(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "nexo_bridge", *words)
