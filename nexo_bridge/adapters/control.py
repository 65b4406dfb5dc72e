"""The door into a running daemon: a Unix socket, one JSON object on a line in, one out.

The socket lies beside the journal, mode 0600, and each caller's user is checked besides (H33): only root and the
daemon's own user may ask. There is no network in it, so no browser and no other machine reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
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
"""Seconds a caller may take to ask."""

log = structlog.get_logger(__name__)


class NotRunningError(BridgeError):
    """Nobody answers at the control socket."""


class ControlSocket:
    """Answers questions of people at the machine.

    Args:
        path: where the socket is made; what an earlier process left there is replaced.
        handler: makes the answer of a question; what it raises is told as a defect, without its text.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Make the socket.

        Raises:
            ConfigurationError: it cannot be made there.
        """
        try:
            self._path.unlink(missing_ok=True)
            bound = _bind(self._path)
        except OSError as problem:
            raise ConfigurationError(
                f"control.path: {self._path} cannot be made ({problem.strerror or 'path too long'});"
                " name a short path in a folder the bridge's user may write to"
            ) from None
        self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=LONGEST)

    async def close(self) -> None:
        """Take the socket away; answers under way are cut."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, writer)
            writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        except (OSError, TimeoutError):
            pass  # the caller went away; nothing depends on it
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Json:
        peer = _user(writer.get_extra_info("socket"))
        if peer not in {0, os.geteuid()}:
            log.warning("control refused", peer=peer)
            return {"ok": False, "text": "only root and the daemon's own user may ask"}
        try:
            async with asyncio.timeout(PATIENCE):
                asked = json.loads(await reader.readline())
        except ValueError:
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
                answer: Json = json.loads(answers.readline())
    except (OSError, ValueError):
        raise NotRunningError(
            f"no bridge answers at {path}; is it running, and may this user ask it?"
        ) from None
    return answer


def _bind(path: Path) -> socket.socket:
    """Bound with mode 0600 from its first moment on."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def _user(line: socket.socket) -> int:
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
