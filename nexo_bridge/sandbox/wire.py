"""HTTP as the sandbox's parts see it: a request, an answer, and what becomes of the answer on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

Upgrade = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


class Wire(Enum):
    """What the front does with an answer."""

    SEND = auto()
    CLOSE = auto()
    """Not one byte; the connection is closed in order."""
    RESET = auto()
    """Not one byte; the peer gets a TCP reset."""
    TRUNCATE = auto()
    """The head announces the whole body, half of it follows, then the connection is closed."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The client certificate TLS verified; ``serial`` is the device's, the subject's serialNumber."""

    name: str
    serial: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read completely. Header names are lower case; of repeated names the last one counts."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    certificate: PeerCertificate | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and its fate; ``upgrade`` takes the connection over, with what was read of it too far."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: Wire = Wire.SEND
    upgrade: Upgrade | None = None


Handler = Callable[[Request], Awaitable[Answer]]


class PlatformError(Exception):
    """A refusal by the platform: becomes an ``application/problem+json`` answer (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers

    def answer(self) -> Answer:
        """The answer that says it."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return Answer(
            self.status,
            _compact(body),
            "application/problem+json",
            {name.replace("_", "-"): value for name, value in self.headers.items()},
        )


def json_answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """``body`` as JSON; header names with ``_`` for ``-``."""
    return Answer(
        status,
        _compact(body),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def _compact(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
