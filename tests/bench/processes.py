"""Sandbox, bridge and echo as processes of their own, and what the kernel says they cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A running one; ``said`` is its ready line, ``took`` the seconds from its start to that line."""

    process: asyncio.subprocess.Process
    said: dict[str, Any]
    took: float

    def memory(self) -> float:
        """Resident memory, MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the process has ended")

    def cpu(self) -> float:
        """Seconds of processor time used so far, of all its threads."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        user, system = after_name.split()[11:13]
        return (int(user) + int(system)) / TICKS

    async def kill(self) -> None:
        """As a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def running(folder: Path, *words: str) -> AsyncIterator[Process]:
    """``python -m WORDS`` from the start to its ready line; killed at the end. Its log lies beside the state."""
    with _log(folder, words[0]) as log:
        began = monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        took = monotonic() - began
        if not line:
            raise RuntimeError(f"{words} did not start; see {log.name}")
        yield Process(process, json.loads(line), took)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _log(folder: Path, name: str) -> BinaryIO:
    folder.mkdir(exist_ok=True)
    return (folder / f"{name}.log").open("ab")


def many_connections() -> None:
    """Hundreds of connections need as many file handles as the system lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def control(url: str, method: str, path: str, body: object = None) -> Any:
    """One question to the sandbox's control interface."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    content = b"" if body is None else json.dumps(body).encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(content)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + content
        )
        answer = await reader.read()
    finally:
        writer.close()
    head, _, payload = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(f"{path}: {head[:100]!r}")
    return json.loads(payload)
