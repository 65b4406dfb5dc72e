"""The door into a running daemon: a Unix socket, one JSON object on a line in, one out.

The socket lies beside the journal, mode 0600, and each caller's user is checked besides (H33): only root and the
daemon's own user may ask. There is no network in it, so no browser and no other machine reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from nexo_bridge.errors import BridgeError, ConfigurationError

Json = dict[str, Any]
Handler = Callable[[Json], Awaitable[Json]]

LONGEST = 64 * 1024
"""Bytes of one question at most."""
PATIENCE = 10.0
"""Seconds a caller may take to ask, and again to take the answer."""

log = structlog.get_logger(__name__)


class NotRunningError(BridgeError):
    """Nobody answers at the control socket."""


class ControlSocket:
    """Answers questions of people at the machine.

    Args:
        path: where the socket is made; what an earlier process left there is replaced.
        handler: makes the answer of a question; what it raises is told as a defect, without its text.
        patience: see ``PATIENCE``.
    """

    def __init__(self, path: Path, handler: Handler, patience: float = PATIENCE) -> None:
        self._path = path
        self._handler = handler
        self._patience = patience
        self._server: asyncio.Server | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the socket.

        Raises:
            ConfigurationError: it cannot be made there.
        """
        try:
            bound = await asyncio.to_thread(_bind, self._path)
        except OSError as problem:
            raise ConfigurationError(
                f"control.path: {self._path} cannot be made ({_reason(problem)});"
                " name a short path of its own in a folder the bridge's user may write to"
            ) from None
        self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=LONGEST)

    async def close(self) -> None:
        """Take the socket away; answers under way are cut."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer), name="control")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, writer)
            writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            async with asyncio.timeout(self._patience):
                await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()  # the caller went away, or is too slow; nothing depends on it
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Json:
        async with asyncio.timeout(self._patience):
            try:
                line = await reader.readline()
            except ValueError:  # longer than LONGEST
                line = b""
        peer = _user(writer.get_extra_info("socket"))
        if peer not in {0, os.geteuid()}:  # only now: who is cut off while asking never reads why
            log.warning("control refused", peer=peer)
            return {"ok": False, "text": "only root and the daemon's own user may ask"}
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            return {"ok": False, "text": "one JSON object on one line is wanted"}
        try:
            return await self._handler(asked)
        except Exception as problem:  # noqa: BLE001 - a question must not stop the daemon
            log.error("control failed", error=problem)  # noqa: TRY400 - no texts
            return {"ok": False, "text": "the bridge met an unexpected problem; its log says where"}


def ask(path: Path, question: Json, patience: float = 30.0) -> Json:
    """Ask a running daemon; for commands, not for the loop.

    Raises:
        NotRunningError: nobody answers there.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(patience)
            line.connect(str(path))
            line.sendall(json.dumps(question).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
    except (OSError, ValueError):
        answer = None
    if not isinstance(answer, dict):
        raise NotRunningError(f"no bridge answers at {path}; is it running, and may this user ask it?")
    return answer


def _bind(path: Path) -> socket.socket:
    """Bound with mode 0600 from its first moment on: Linux gives the file the mode that the socket had before."""
    if path.is_socket():
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(bound.fileno(), 0o600)
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    return bound


def _reason(problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return "something else lies there"
    return (problem.strerror or "path too long").lower()


def _user(line: socket.socket) -> int:
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
