"""The processes of the demo: a sandbox, a bridge that may be killed, and a look at the platform's ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

READY = 20.0
"""Seconds a process may take to say that it is ready, and to stop."""

PATIENCE = 20.0
"""Seconds that anything in the demo may take."""

_LOOK_AGAIN = 0.02


class DemoError(Exception):
    """The demo did not go as it must; the text says what was expected and what came."""


HOW_TO_GET_IT = "mosquitto is not installed; run: sudo apt-get install -y mosquitto"


class Stage:
    """Sandbox and bridge as processes of their own, in one folder; with ``mqtt``, a broker too."""

    def __init__(self, folder: Path, think: float, *, mqtt: bool = False) -> None:
        self.folder = folder
        self.mqtt = mqtt
        self.broker = ("127.0.0.1", 0)
        self.config = folder / "bridge.toml"
        self.address = ("127.0.0.1", 0)
        self._think = think
        self._started: list[asyncio.subprocess.Process] = []
        self._bridge: asyncio.subprocess.Process | None = None
        self._control = ""

    async def open_sandbox(self) -> str:
        """Start the platform; its address."""
        words = ["sandbox", "--state", str(self.folder), "--think", str(self._think)]
        if self.mqtt:
            words += ["--mqtt", await self._open_broker()]
        _, line = await self._start(*words)
        self._control = line["control"]
        self.config = Path(line["config"])
        return str(line["api"])

    async def open_bridge(self) -> str:
        """Start the bridge (again); where it listens, or the broker at which it does."""
        self._bridge, line = await self._start("run", "--config", str(self.config))
        host, _, port = str(line["tcp"]).rpartition(":")
        self.address = (host, int(port))
        if not self.mqtt:
            return str(line["tcp"])
        await self.until("the bridge was to be at the broker", self._at_the_broker)
        return str(line["mqtt"])

    async def _open_broker(self) -> str:
        """Start mosquitto on a free port; ``HOST:PORT``."""
        program, port = await asyncio.to_thread(lambda: (_mosquitto(), _free_port()))
        if program is None:
            raise DemoError(HOW_TO_GET_IT)
        self.broker = ("127.0.0.1", port)
        config = self.folder / "mosquitto.conf"
        text = f"listener {self.broker[1]} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n"
        await asyncio.to_thread(config.write_text, text)
        log = await asyncio.to_thread((self.folder / "mosquitto.log").open, "ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                program, "-c", str(config), stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection(*self.broker)
            except OSError:
                return False
            writer.close()
            return True

        await self.until("the broker was to listen", listens)
        return f"127.0.0.1:{self.broker[1]}"

    async def _at_the_broker(self) -> bool:
        """Whether the bridge, as it says itself, hears what is published."""
        process = await asyncio.create_subprocess_exec(
            *_program("status", "--config", str(self.config), "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        said, _ = await process.communicate()
        listeners = json.loads(said or b"{}").get("listeners", [])
        return any(one["kind"] == "mqtt" and one["up"] for one in listeners)

    async def kill_bridge(self) -> int:
        """``kill -9``: no handler, no farewell. The number of the process that was."""
        assert self._bridge is not None, "it was opened"
        self._bridge.kill()
        await self._bridge.wait()
        return self._bridge.pid

    async def stop_bridge(self) -> None:
        """SIGTERM, as systemd sends it; everything has ended, so it goes at once and with exit code 0."""
        assert self._bridge is not None, "it was opened"
        with contextlib.suppress(ProcessLookupError):
            self._bridge.terminate()
        try:
            async with asyncio.timeout(READY):
                code = await self._bridge.wait()
        except TimeoutError:
            raise DemoError(f"the bridge did not stop within {READY:g} seconds") from None
        if code != 0:
            raise DemoError(f"the bridge stopped with exit code {code}, expected 0")

    async def close(self) -> None:
        """End every process, whatever happened; nothing in them is worth a farewell now."""
        running = [process for process in self._started if process.returncode is None]
        for process in running:
            process.kill()
        for process in running:
            await process.wait()

    async def replay(self) -> tuple[int, str]:
        """``nexo-bridge replay`` on the journal as it lies there: exit code and what it says."""
        process = await asyncio.create_subprocess_exec(
            *_program("replay", str(self.folder / "journal.sqlite")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode().strip()

    async def ledger(self) -> list[dict[str, Any]]:
        """What the platform really charged."""
        answer: dict[str, Any] = await self._ask("GET", "/ledger")
        rows: list[dict[str, Any]] = answer["payments"]
        return rows

    async def cardholder(self, poiid: str, action: str) -> None:
        """Hold the customer, or let them go on."""
        await self._ask("POST", "/cardholders", {"poiid": poiid, "action": action})

    async def screen_of(self, poiid: str) -> str | None:
        """The code on a terminal's screen."""
        screens: list[dict[str, str]] = await self._ask("GET", "/screens")
        return next((screen.get("content") for screen in screens if screen["poiid"] == poiid), None)

    async def until(self, what: str, happened: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the platform says so."""
        end = time.monotonic() + PATIENCE
        while not await happened():
            if time.monotonic() > end:
                raise DemoError(f"waited {PATIENCE:g} seconds in vain: {what}")
            await asyncio.sleep(_LOOK_AGAIN)

    async def last_words(self) -> list[str]:
        """The last log lines of both processes, for whoever must find out what went wrong."""
        return [
            f"{name}: {line}"
            for name in ("sandbox", "run")
            for line in (await self._log(name)).splitlines()[-3:]
        ]

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            return await asyncio.to_thread(self._asked, method, path, body)
        except (OSError, HTTPException, ValueError) as problem:
            raise DemoError(f"the sandbox's control interface does not answer {path}: {problem}") from None

    def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """Plain HTTP on loopback, past every proxy of the environment."""
        connection = HTTPConnection(urlsplit(self._control).netloc, timeout=PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    async def _start(self, *words: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
        log = await asyncio.to_thread((self.folder / f"{words[0]}.log").open, "ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                *_program(*words),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        self._started.append(process)
        assert process.stdout is not None, "it is a pipe"
        try:
            async with asyncio.timeout(READY):
                return process, json.loads(await process.stdout.readline())
        except (TimeoutError, ValueError):
            told = (await self._log(words[0])).splitlines()
            raise DemoError(f"{words[0]} did not start: {told[-1] if told else 'it says nothing'}") from None

    async def _log(self, name: str) -> str:
        try:
            return await asyncio.to_thread((self.folder / f"{name}.log").read_text, errors="replace")
        except FileNotFoundError:
            return ""


def _mosquitto() -> str | None:
    """Where it is; Debian puts it where a user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _program(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "nexo_bridge", *words)


def _environment() -> dict[str, str]:
    """Ours, without what configures or supervises a bridge: the demo is the same everywhere."""
    foreign = ("NEXO_BRIDGE_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
