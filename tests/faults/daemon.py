"""The bridge as the process it is: started as a person starts it, spoken to over its port, stopped by signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.daemon import WRONG_CONFIGURATION, run
from nexo_bridge.runtime.settings import load_settings
from nexo_bridge.sandbox.server import Options, Sandbox
from tests.faults import words
from tests.faults.words import Answer

ROOT = Path(__file__).parents[2]
POIID = "POI00001"
PATIENCE = 20.0


def environment(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


@dataclass
class Line:
    """A till's connection to a process."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sale: str = "KASSE1"
    poi: str = POIID

    async def send(self, message: bytes) -> None:
        self.writer.write(words.framed(message))
        await self.writer.drain()

    async def hear(self) -> Answer:
        async with asyncio.timeout(PATIENCE):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            return Answer(await self.reader.readexactly(size))

    async def ask(self, message: bytes) -> Answer:
        await self.send(message)
        return await self.hear()

    async def login(self) -> None:
        assert (await self.ask(words.login("1", self.sale, self.poi))).result == "Success"

    async def pay(self, service: str, amount: str, **more: Any) -> Answer:
        return await self.ask(words.payment(service, self.sale, self.poi, amount, **more))

    async def usable(self, service: str = "777777") -> None:
        answer = await self.pay(service, "7.77")
        assert (answer.result, answer.amount) == ("Success", "7.77"), str(answer)


@dataclass
class Daemon:
    """``python -m nexo_bridge run``. ``errors`` is what it wrote to standard error."""

    process: asyncio.subprocess.Process
    address: tuple[str, int] = ("", 0)
    errors: bytes = b""
    lines: list[Line] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    """The ready line."""

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            first = await self.process.stdout.readline()
        assert first, (await self.ended(), self.errors)
        self.said = json.loads(first)
        assert self.said["ready"] == "bridge"
        host, _, port = self.said["tcp"].rpartition(":")
        self.address = (host, int(port))

    async def line(self, sale: str = "KASSE1", poi: str = POIID) -> Line:
        made = Line(*await asyncio.open_connection(*self.address), sale, poi)
        self.lines.append(made)
        return made

    def port(self, kind: str) -> int:
        """Where it listens for ``kind``, as it said itself."""
        return int(self.said[kind].rpartition(":")[2])

    async def logged_in(self, sale: str = "KASSE1", poi: str = POIID) -> Line:
        made = await self.line(sale, poi)
        await made.login()
        return made

    async def says(self, text: bytes) -> None:
        """Wait until it wrote a line with ``text`` to standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while text not in self.errors:
                line = await self.process.stderr.readline()
                assert line, self.errors
                self.errors += line

    async def stop(self) -> int:
        """SIGTERM, with no till connected any more; the exit code."""
        for line in self.lines:
            line.writer.transport.abort()
        self.lines.clear()
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(PATIENCE):
            _, errors = await self.process.communicate()
        self.errors += errors or b""
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def daemon(
    config: Path, *, ready: bool = True, stderr: int = asyncio.subprocess.PIPE, **changes: Any
) -> AsyncIterator[Daemon]:
    """A running one; if it still runs at the end it is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexo_bridge",
        "run",
        "--config",
        str(config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=environment(**changes),
        cwd=config.parent,
    )
    made = Daemon(process)
    try:
        if ready:
            await made.ready()
        yield made
    finally:
        for line in made.lines:
            line.writer.transport.abort()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await made.ended()


async def command(*words_: str, cwd: Path, **changes: str) -> tuple[int, bytes, bytes]:
    """Run ``nexo-bridge`` to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexo_bridge",
        *words_,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**changes),
        cwd=cwd,
    )
    async with asyncio.timeout(PATIENCE):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, errors


def begin(config: Path) -> int:
    """What ``nexo-bridge run`` does, but for its logging, in this process: for a start that is refused. The exit code.

    A process of its own spends a second on loading what is loaded here. That the command itself ends so, with these
    codes and one line, is proved once for each code by ``tests/runtime/test_daemon.py`` and ``tests/faults``.
    """
    try:
        settings = load_settings(config)
    except ConfigurationError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return WRONG_CONFIGURATION
    return run(settings)


@dataclass(frozen=True)
class Site:
    """A sandbox and a configuration that fits it."""

    sandbox: Sandbox
    config: Path

    @property
    def folder(self) -> Path:
        return self.config.parent

    def write(self, change: Callable[[str], str]) -> None:
        self.config.write_text(change(self.sandbox.config_path.read_text(encoding="utf-8")), encoding="utf-8")


@asynccontextmanager
async def site(folder: Path, *, terminals: int = 1, think: float = 0.0) -> AsyncIterator[Site]:
    async with Sandbox(Options(state=folder, think=think, terminals=terminals)) as sandbox:
        made = Site(sandbox, folder / "tested.toml")
        made.write(lambda text: text)
        yield made
